package hub

import (
	"chatbox"
	"chatbox/cluster"
)

// sendEventLocked sends the event to the sockets that may receive it. The beginning
// or end of a holding also goes to the new and to the former holder.
func (f *feed) sendEventLocked(e chatbox.Event) {
	before := f.holder
	switch e.Type {
	case chatbox.TypeAdminJoin:
		f.holder = e.Metadata[chatbox.MetaAdminID]
	case chatbox.TypeAdminLeave, chatbox.TypeSessionEnded:
		f.holder = ""
	default: // no other event changes the holder
	}
	var frames eventFrames
	for _, a := range f.atts {
		if !a.live {
			continue
		}
		held := a.right == cluster.ByHolding && !a.over && a.user == before
		a.event(e, held || f.mayReceiveLocked(a), &frames)
		a.over = a.over || held && f.holder != before
	}
}

// mayReceiveLocked reports whether the socket may receive the session.
func (f *feed) mayReceiveLocked(a *attachment) bool {
	switch {
	case a.over:
		return false
	case a.right == cluster.ByWatching:
		return true
	case a.right == cluster.ByHolding:
		return a.user == f.holder
	default:
		return a.user == f.owner
	}
}

// Reap detaches the sockets whose right to the session has ended and returns
// their number.
func (fs *Feeds) Reap(s chatbox.SessionKey) int {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	f := fs.feeds[s]
	if f == nil {
		return 0
	}
	f.mu.Lock()
	var over []chatbox.ConnID
	for _, a := range f.atts {
		if a.over {
			over = append(over, a.conn.ID())
		}
	}
	f.mu.Unlock()
	for _, id := range over { // no socket enters meanwhile, since Enter takes Feeds.mu
		fs.leaveLocked(id, s)
	}
	return len(over)
}

// Dismiss is Leave for a socket that is attached by holding or watching the
// session.
func (fs *Feeds) Dismiss(id chatbox.ConnID, s chatbox.SessionKey) bool {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	a := fs.standings[id].find(s)
	if a == nil || a.ownedRight() {
		return false
	}
	return fs.leaveLocked(id, s)
}

// Guest returns the sessions to which the socket is attached by holding or
// watching them.
func (fs *Feeds) Guest(id chatbox.ConnID) []chatbox.SessionKey {
	fs.mu.RLock()
	defer fs.mu.RUnlock()
	st := fs.standings[id]
	if st == nil {
		return nil
	}
	var keys []chatbox.SessionKey
	for _, a := range st.atts {
		if !a.ownedRight() {
			keys = append(keys, a.f.key)
		}
	}
	return keys
}

// Watching reports whether the socket is attached by watching the session.
func (fs *Feeds) Watching(id chatbox.ConnID, s chatbox.SessionKey) bool {
	a := fs.attachment(id, s)
	if a == nil {
		return false
	}
	a.f.mu.Lock()
	defer a.f.mu.Unlock()
	return a.right == cluster.ByWatching
}

// WatchedBy reports whether a socket of the admin on this pod watches the
// session.
func (fs *Feeds) WatchedBy(adminID string, s chatbox.SessionKey) bool {
	f := fs.feed(s)
	if f == nil {
		return false
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, a := range f.atts {
		if a.right == cluster.ByWatching && a.user == adminID {
			return true
		}
	}
	return false
}

// Speaks returns the sender as which the socket may write to the session: its
// owner, also of a session that does not exist yet, or the admin who holds it.
// It returns false if the socket may not write.
func (fs *Feeds) Speaks(id chatbox.ConnID, s chatbox.SessionKey) (chatbox.Sender, bool) {
	a := fs.attachment(id, s)
	if a == nil {
		return "", false
	}
	a.f.mu.Lock()
	defer a.f.mu.Unlock()
	switch {
	case a.right == cluster.ByOwnership:
		return chatbox.SenderUser, a.f.owner == "" || a.f.owner == a.user
	case !a.over && a.f.holder == a.user:
		return chatbox.SenderAdmin, true
	default:
		return "", false
	}
}

func (a *attachment) ownedRight() bool {
	a.f.mu.Lock()
	defer a.f.mu.Unlock()
	return a.right == cluster.ByOwnership
}
