package hub

import "chatbox"

// tellLocked sends the event to whom it concerns: what begins or ends a holding
// also to whoever holds after or held before it.
func (f *feed) tellLocked(e chatbox.Event) {
	before := f.holder
	switch e.Type {
	case chatbox.TypeAdminJoin:
		f.holder = e.Metadata[chatbox.MetaAdminID]
	case chatbox.TypeAdminLeave, chatbox.TypeSessionEnded:
		f.holder = ""
	default: // nothing else changes who holds it
	}
	var frames eventFrames
	for _, a := range f.atts {
		if !a.live {
			continue
		}
		held := a.right == chatbox.ByHolding && !a.over && a.user == before
		a.event(e, held || f.hearsLocked(a), &frames)
		a.over = a.over || held && f.holder != before
	}
}

// hearsLocked reports whether the session is the socket's to hear.
func (f *feed) hearsLocked(a *attachment) bool {
	switch {
	case a.over:
		return false
	case a.right == chatbox.ByWatching:
		return true
	case a.right == chatbox.ByHolding:
		return a.user == f.holder
	default:
		return a.user == f.owner
	}
}

// Reap takes the sockets out whose right to hear the session has ended, and
// returns how many.
func (fs *Feeds) Reap(s chatbox.SessionKey) int {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	f := fs.feeds[s]
	if f == nil {
		return 0
	}
	f.mu.Lock()
	var over []chatbox.ConnID
	for id, a := range f.atts {
		if a.over {
			over = append(over, id)
		}
	}
	f.mu.Unlock()
	for _, id := range over { // nobody enters meanwhile: that takes Feeds.mu
		fs.leaveLocked(id, s)
	}
	return len(over)
}

// Dismiss is Leave for a socket that hears the session by holding or watching
// it.
func (fs *Feeds) Dismiss(id chatbox.ConnID, s chatbox.SessionKey) bool {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	a := fs.standings[id].find(s)
	if a == nil || a.ownedRight() {
		return false
	}
	return fs.leaveLocked(id, s)
}

// Guest are the sessions that the socket hears by holding or watching them.
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

// Watching reports whether the socket hears the session by watching it.
func (fs *Feeds) Watching(id chatbox.ConnID, s chatbox.SessionKey) bool {
	a := fs.attachment(id, s)
	if a == nil {
		return false
	}
	a.f.mu.Lock()
	defer a.f.mu.Unlock()
	return a.right == chatbox.ByWatching
}

// WatchedBy reports whether a socket of the admin's here hears the session by
// watching it.
func (fs *Feeds) WatchedBy(adminID string, s chatbox.SessionKey) bool {
	f := fs.feed(s)
	if f == nil {
		return false
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, a := range f.atts {
		if a.right == chatbox.ByWatching && a.user == adminID {
			return true
		}
	}
	return false
}

// Speaks says as whom the socket may speak in the session: its owner, also of a
// session that is still to come, or the admin who holds it.
func (fs *Feeds) Speaks(id chatbox.ConnID, s chatbox.SessionKey) (chatbox.Sender, bool) {
	a := fs.attachment(id, s)
	if a == nil {
		return "", false
	}
	a.f.mu.Lock()
	defer a.f.mu.Unlock()
	switch {
	case a.right == chatbox.ByOwnership:
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
	return a.right == chatbox.ByOwnership
}
