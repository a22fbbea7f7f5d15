package hub

import (
	"time"

	"chatbox"
	"chatbox/cluster"
)

const (
	// typingLife is how long a start lasts unless it is repeated: a browser
	// that crashed stops typing then.
	typingLife = 6 * time.Second
	// typingWindow is the time in which a socket may send maxTyping typing
	// frames.
	typingWindow = time.Second
	maxTyping    = 2
)

// typingLease is a person who is typing, as far as this pod knows.
type typingLease struct {
	who   cluster.Typing
	until time.Time
}

// typingLocked tells the other sockets and records when the typing expires.
func (f *feed) typingLocked(t cluster.Typing, now time.Time) {
	_, known := f.typing[t.Conn]
	if !t.On && !known {
		return
	}
	if t.On {
		if f.typing == nil {
			f.typing = map[chatbox.ConnID]typingLease{}
		}
		f.typing[t.Conn] = typingLease{who: t, until: now.Add(typingLife)}
	} else {
		delete(f.typing, t.Conn)
	}
	var frame shared
	for _, a := range f.atts {
		if a.live && f.mayReceiveLocked(a) && a.conn.ID() != t.Conn {
			a.conn.push(frame.of(f.encode, Delivery{Session: f.key, Typing: &t}), nil)
		}
	}
}

// endTypingLocked ends the leases for which over returns true.
func (f *feed) endTypingLocked(over func(typingLease) bool) {
	for _, l := range f.typing {
		if over(l) {
			l.who.On = false
			f.typingLocked(l.who, l.until)
		}
	}
}

// ExpireTyping ends typing that was not renewed. Call it about every second.
func (fs *Feeds) ExpireTyping(now time.Time) {
	fs.mu.RLock()
	feeds := make([]*feed, 0, len(fs.feeds))
	for _, f := range fs.feeds {
		feeds = append(feeds, f)
	}
	fs.mu.RUnlock()
	for _, f := range feeds {
		f.mu.Lock()
		f.endTypingLocked(func(l typingLease) bool { return now.After(l.until) })
		f.mu.Unlock()
	}
}

// typingRate is when and where a socket last sent typing frames.
type typingRate struct {
	told [maxTyping]time.Time // oldest first
	in   chatbox.SessionKey   // the session with a start that was not ended
}

// may counts one frame. It returns how long to wait if there were too many. An
// end of typing is always accepted, since the start would otherwise stay until
// it expires.
func (r *typingRate) may(k chatbox.SessionKey, on bool, now time.Time) time.Duration {
	back := !on && r.in == k
	if wait := typingWindow - now.Sub(r.told[0]); wait > 0 && !back {
		return wait
	}
	copy(r.told[:], r.told[1:])
	r.told[maxTyping-1] = now
	switch {
	case on:
		r.in = k
	case back:
		r.in = chatbox.SessionKey{}
	}
	return 0
}

// MayType counts one typing frame of the socket. It returns how long to wait
// if there were too many within a second; 0: the frame is accepted.
func (fs *Feeds) MayType(id chatbox.ConnID, k chatbox.SessionKey, on bool, now time.Time) time.Duration {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	st := fs.standings[id]
	if st == nil {
		return 0
	}
	if st.typing == nil {
		st.typing = &typingRate{}
	}
	return st.typing.may(k, on, now)
}
