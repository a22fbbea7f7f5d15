package api

import (
	"maps"

	"chatbox"
	"chatbox/cluster"
)

// Texts of notifications, which are sent beside a session's events.
const (
	askedRating = "How was your talk with us?"
	isWatched   = "Our team reads along."
	isUnwatched = "Our team no longer reads along."
	noteChanged = "The notes on this session have changed."
)

// fillNotification makes f a notification about the session that it is sent to.
func fillNotification(f *frame, a *cluster.Notification) {
	content := otherNotice
	switch a.Event {
	case cluster.NotificationRating:
		content = askedRating
	case cluster.NotificationWatched:
		content = isWatched
	case cluster.NotificationUnwatched:
		content = isUnwatched
	case cluster.NotificationNote:
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
