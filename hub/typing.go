package hub

import (
	"time"

	"chatbox"
)

const (
	// typingLife is how long a start lasts without another: a browser that
	// died in mid-sentence types no longer.
	typingLife = 6 * time.Second
	// typingWindow is the time within which a socket may say maxTyping times
	// that somebody types or types no more.
	typingWindow = time.Second
	maxTyping    = 2
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

// typingRate is when a socket last said that somebody types, and where.
type typingRate struct {
	told [maxTyping]time.Time // the oldest first
	in   chatbox.SessionKey   // where it has said so and not taken it back
}

// may counts one frame; it returns how long to wait where there were too many.
// Taking back what was said is always in time: it would stand until it ages.
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

// MayType counts one typing frame of the socket; it returns how long to wait
// where there were too many within a second.
func (fs *Feeds) MayType(id chatbox.ConnID, k chatbox.SessionKey, on bool, now time.Time) time.Duration {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	st := fs.standings[id]
	if st == nil {
		return 0
	}
	return st.typing.may(k, on, now)
}
