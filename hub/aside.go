package hub

import (
	"chatbox/cluster"
)

// asideLocked sends a notification to its audience, after the event that it
// follows. The history does not contain it, so it is parked while that event
// is missing.
func (f *feed) asideLocked(u cluster.Update) bool {
	if u.Notification.After > f.last {
		if len(f.parked) < maxParked {
			f.parked = append(f.parked, u)
		}
		return false
	}
	var frame shared
	for _, a := range f.atts {
		if a.live && f.mayReceiveLocked(a) && f.amongLocked(a, u.Notification.To) {
			a.conn.push(frame.of(f.encode, Delivery{Session: f.key, Notification: u.Notification}), nil)
		}
	}
	return true
}

// amongLocked reports whether the socket belongs to the audience.
func (f *feed) amongLocked(a *attachment, to cluster.Audience) bool {
	switch to {
	case cluster.ToOwner:
		return a.right == cluster.ByOwnership
	case cluster.ToStaff:
		return a.right != cluster.ByOwnership
	default:
		return false
	}
}

// watchedLocked tells the owner's sockets whether staff watches. A socket that
// was sent the same value last is skipped.
func (f *feed) watchedLocked(on bool) {
	aside := &cluster.Notification{To: cluster.ToOwner, Event: cluster.NotificationUnwatched}
	if on {
		aside.Event = cluster.NotificationWatched
	}
	var frame shared
	for _, a := range f.atts {
		if a.live && a.watched != on && f.mayReceiveLocked(a) && f.amongLocked(a, cluster.ToOwner) {
			a.watched = on
			a.conn.push(frame.of(f.encode, Delivery{Session: f.key, Notification: aside}), nil)
		}
	}
}
