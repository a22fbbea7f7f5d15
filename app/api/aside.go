package api

import (
	"maps"

	"chatbox"
)

// Texts of notifications, which are sent beside a session's events.
const (
	askedRating = "How was your talk with us?"
	isWatched   = "Our team reads along."
	isUnwatched = "Our team no longer reads along."
	noteChanged = "The notes on this session have changed."
)

// fillNotification makes f a notification about the session that it is sent to.
func fillNotification(f *frame, a *chatbox.Notification) {
	content := otherNotice
	switch a.Event {
	case chatbox.NotificationRating:
		content = askedRating
	case chatbox.NotificationWatched:
		content = isWatched
	case chatbox.NotificationUnwatched:
		content = isUnwatched
	case chatbox.NotificationNote:
		content = noteChanged
	}
	f.notify(a.Event, content)
	maps.Copy(f.Metadata, a.Metadata)
}

// notify makes f a notification about its session.
func (f *frame) notify(event, content string) {
	f.Type, f.Sender, f.Content = typeNotice, chatbox.SenderSystem, &content
	f.Metadata = map[string]string{metaEvent: event, metaSession: *f.SessionID}
}
