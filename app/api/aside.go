package api

import (
	"maps"

	"chatbox"
)

// What people read of what is told beside a session's events.
const (
	askedRating = "How was your talk with us?"
	isWatched   = "Our team reads along."
	isUnwatched = "Our team no longer reads along."
	noteChanged = "The notes on this session have changed."
)

// fillAside makes a notification about the session it is told in.
func fillAside(f *frame, a *chatbox.Aside) {
	content := otherNotice
	switch a.Event {
	case chatbox.AsideRating:
		content = askedRating
	case chatbox.AsideWatched:
		content = isWatched
	case chatbox.AsideUnwatched:
		content = isUnwatched
	case chatbox.AsideNote:
		content = noteChanged
	}
	f.notify(a.Event, content)
	maps.Copy(f.Metadata, a.Metadata)
}

// notify makes it a notification about its session.
func (f *frame) notify(event, content string) {
	f.Type, f.Sender, f.Content = typeNotice, chatbox.SenderSystem, &content
	f.Metadata = map[string]string{metaEvent: event, metaSession: *f.SessionID}
}
