package hub

import "chatbox"

// asideLocked tells the sockets that it is for, behind the event that it
// follows: it is in no history, so it waits where that is missing.
func (f *feed) asideLocked(u chatbox.Update) bool {
	if u.Notification.After > f.last {
		if len(f.parked) < maxParked {
			f.parked = append(f.parked, u)
		}
		return false
	}
	var frame shared
	for _, a := range f.atts {
		if a.live && f.hearsLocked(a) && f.amongLocked(a, u.Notification.To) {
			a.conn.push(frame.of(f.encode, chatbox.Delivery{Session: f.key, Notification: u.Notification}), nil)
		}
	}
	return true
}

// amongLocked reports whether the socket is one of the audience.
func (f *feed) amongLocked(a *attachment, to chatbox.Audience) bool {
	switch to {
	case chatbox.ToOwner:
		return a.right == chatbox.ByOwnership
	case chatbox.ToStaff:
		return a.right != chatbox.ByOwnership
	default:
		return false
	}
}

// watchedLocked tells the owner's sockets that staff watches, or no longer,
// each of them once.
func (f *feed) watchedLocked(on bool) {
	aside := &chatbox.Notification{To: chatbox.ToOwner, Event: chatbox.NotificationUnwatched}
	if on {
		aside.Event = chatbox.NotificationWatched
	}
	var frame shared
	for _, a := range f.atts {
		if a.live && a.watched != on && f.hearsLocked(a) && f.amongLocked(a, chatbox.ToOwner) {
			a.watched = on
			a.conn.push(frame.of(f.encode, chatbox.Delivery{Session: f.key, Notification: aside}), nil)
		}
	}
}
