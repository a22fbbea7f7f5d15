package hub

import (
	"chatbox"
	"chatbox/cluster"
)

// Deliver passes an update to the session's sockets on this pod. It returns
// false if an earlier event is missing here; the caller then reads it and
// calls CatchUp.
func (fs *Feeds) Deliver(u cluster.Update) bool {
	f := fs.feed(u.Session)
	return f == nil || f.deliver(u)
}

// CatchUp delivers events that were read. It returns false if they do not
// begin where the session's sockets stand.
func (fs *Feeds) CatchUp(s chatbox.SessionKey, events []chatbox.Event, open *cluster.OpenAnswer) bool {
	f := fs.feed(s)
	return f == nil || f.catchUp(events, open)
}

// BeginCatchUp returns the last delivered event and whether the caller shall
// read the missing ones. If another caller is reading already, mine is false
// and that caller reads once more.
func (fs *Feeds) BeginCatchUp(s chatbox.SessionKey) (after int64, mine bool) {
	f := fs.feed(s)
	if f == nil {
		return 0, false
	}
	return f.beginCatchUp()
}

// EndCatchUp ends the caller's read and reports whether another one is needed.
func (fs *Feeds) EndCatchUp(s chatbox.SessionKey) bool {
	f := fs.feed(s)
	if f == nil {
		return false
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.catching = false
	return f.again
}

// Answering returns the answer whose end the session's sockets on this pod
// wait for; zero if there is none.
func (fs *Feeds) Answering(s chatbox.SessionKey) chatbox.Gen {
	f := fs.feed(s)
	if f == nil {
		return chatbox.Gen{}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.answeringLocked()
}

// Positions returns how far every session with sockets on this pod was
// delivered.
func (fs *Feeds) Positions() []cluster.Position {
	fs.mu.RLock()
	feeds := make([]*feed, 0, len(fs.feeds))
	for _, f := range fs.feeds {
		feeds = append(feeds, f)
	}
	fs.mu.RUnlock()
	out := make([]cluster.Position, 0, len(feeds))
	for _, f := range feeds {
		f.mu.Lock()
		if f.last >= 0 && !f.erased {
			p := cluster.Position{Session: f.key, Seq: f.last, Answering: f.answeringLocked()}
			for _, a := range f.atts {
				p.Noticed = p.Noticed || a.watched
				switch a.right {
				case cluster.ByOwnership:
					p.UserID = a.user
				case cluster.ByWatching:
					p.Watchers = append(p.Watchers, a.user)
				case cluster.ByHolding:
				}
			}
			out = append(out, p)
		}
		f.mu.Unlock()
	}
	return out
}
