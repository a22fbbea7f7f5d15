package hub

import (
	"time"

	"chatbox"
)

const (
	// typingLife is how long a start lasts without another: a browser that
	// died in mid-sentence types no longer.
	typingLife = 6 * time.Second
	// typingGap is the shortest time between two typing frames of a socket.
	typingGap = 500 * time.Millisecond
)

// typingLease is somebody who is writing, as far as this pod knows.
type typingLease struct {
	who   chatbox.Typing
	until time.Time
}

// typingLocked tells the others and remembers who has to end some time.
func (f *feed) typingLocked(t chatbox.Typing, now time.Time) {
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
	for id, a := range f.atts {
		if a.live && f.hearsLocked(a) && id != t.Conn {
			a.conn.push(frame.of(f.encode, chatbox.Delivery{Session: f.key, Typing: &t}), nil)
		}
	}
}

// endTypingLocked ends the leases that over says are over.
func (f *feed) endTypingLocked(over func(typingLease) bool) {
	for _, l := range f.typing {
		if over(l) {
			l.who.On = false
			f.typingLocked(l.who, l.until)
		}
	}
}

// ExpireTyping ends what nobody has renewed. It is to be called every second
// or so.
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

// MayType counts one typing frame of the socket; it returns how long to wait
// where it is too soon after the last.
func (fs *Feeds) MayType(id chatbox.ConnID, now time.Time) time.Duration {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	st := fs.standings[id]
	if st == nil {
		return 0
	}
	if wait := typingGap - now.Sub(st.typed); wait > 0 {
		return wait
	}
	st.typed = now
	return 0
}
