package hub

import (
	"context"
	"slices"
	"sync"

	"chatbox"
	"chatbox/cluster"
)

// maxAttached is how many sessions one socket may be attached to (docs/protocol/contract.md).
const maxAttached = 20

// Feeds indexes a pod's feeds and the attachments of each socket. It is safe
// for concurrent use. The calls for one socket come from its worker and are
// never concurrent with each other.
type Feeds struct {
	hub *Hub

	mu        sync.RWMutex // guards following
	feeds     map[chatbox.SessionKey]*feed
	standings map[chatbox.ConnID]*standing

	waiters waiters

	onShown func(cluster.Shown)
}

// OnShown sets f, which receives what sockets of old clients are sent and have
// received of running answers. f is called concurrently. It may wait briefly
// for a cluster.ShownSent, which delays only that socket's writer, and must
// not block otherwise. Call OnShown before the first socket enters.
func (fs *Feeds) OnShown(f func(cluster.Shown)) { fs.onShown = f }

// standing is the set of sessions to which one socket is attached.
type standing struct {
	current string // the session it attached to or created last
	atts    []*attachment
	typing  *typingRate // nil: it has not typed
}

// NewFeeds returns an empty index over the hub's sockets.
func NewFeeds(h *Hub) *Feeds {
	return &Feeds{hub: h, feeds: map[chatbox.SessionKey]*feed{}, standings: map[chatbox.ConnID]*standing{}, waiters: newWaiters()}
}

// Enter attaches the socket to the session. It receives nothing until Join
// makes it live. fresh reports whether the socket was not attached before.
// Enter returns chatbox.LimitExceeded for the 21st session and
// chatbox.Unavailable for a socket that is gone.
func (fs *Feeds) Enter(id chatbox.ConnID, s chatbox.SessionKey) (fresh bool, err error) {
	conn := fs.hub.Get(id)
	if conn == nil {
		return false, gone()
	}
	fs.mu.Lock()
	defer fs.mu.Unlock()
	st := fs.standings[id]
	if st == nil {
		st = &standing{}
		fs.standings[id] = st
		conn.onDrained = func(group any) {
			if a, ok := group.(*attachment); ok {
				a.drained()
			}
		}
		conn.onShown = fs.onShown
	}
	if a := st.find(s); a != nil {
		a.f.mu.Lock()
		defer a.f.mu.Unlock()
		a.over = false
		if a.live {
			a.f.enterLocked(a)
		}
		return false, nil
	}
	if len(st.atts) >= maxAttached {
		return false, &chatbox.Error{Code: chatbox.LimitExceeded, Field: "session_id", Message: "session_id: this socket is attached to 20 sessions", Refusal: chatbox.RefusedSessionCap}
	}
	f := fs.feeds[s]
	if f == nil {
		f = &feed{key: s, encode: fs.hub.encode, last: -1, waiters: &fs.waiters}
		fs.feeds[s] = f
	}
	a := &attachment{conn: conn, user: conn.Actor().UserID, f: f, index: -1}
	if conn.Old() {
		a.oldText = &oldText{}
	}
	st.atts = append(st.atts, a)
	f.mu.Lock()
	f.atts = append(f.atts, a)
	f.enterLocked(a)
	f.mu.Unlock()
	return true, nil
}

func (st *standing) find(s chatbox.SessionKey) *attachment {
	if st == nil {
		return nil
	}
	for _, a := range st.atts {
		if a.f.key == s {
			return a
		}
	}
	return nil
}

// Join replays events to an entered socket and makes it live. On chatbox.Clash
// the caller must read again; see feed.join.
func (fs *Feeds) Join(ctx context.Context, id chatbox.ConnID, s chatbox.SessionKey, j Join) error {
	a := fs.attachment(id, s)
	if a == nil {
		return gone()
	}
	return a.f.join(ctx, a, j)
}

// Leave detaches the socket from the session and reports whether it was
// attached.
func (fs *Feeds) Leave(id chatbox.ConnID, s chatbox.SessionKey) bool {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	return fs.leaveLocked(id, s)
}

func (fs *Feeds) leaveLocked(id chatbox.ConnID, s chatbox.SessionKey) bool {
	st := fs.standings[id]
	a := st.find(s)
	if a == nil {
		return false
	}
	for i, x := range st.atts {
		if x == a {
			st.atts = append(st.atts[:i:i], st.atts[i+1:]...)
			break
		}
	}
	if st.current == s.ID {
		st.current = ""
	}
	fs.removeLocked(a)
	return true
}

// OpenSessions returns the number of sessions with sockets on this pod, by tenant.
func (fs *Feeds) OpenSessions() map[string]int {
	fs.mu.RLock()
	defer fs.mu.RUnlock()
	out := map[string]int{}
	for k := range fs.feeds {
		out[k.Tenant]++
	}
	return out
}

// LeaveAll detaches the socket from all sessions and returns these.
func (fs *Feeds) LeaveAll(id chatbox.ConnID) []chatbox.SessionKey {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	st := fs.standings[id]
	if st == nil {
		return nil
	}
	delete(fs.standings, id)
	keys := make([]chatbox.SessionKey, 0, len(st.atts))
	for _, a := range st.atts {
		keys = append(keys, a.f.key)
		fs.removeLocked(a)
		a.leftOld()
	}
	return keys
}

func (fs *Feeds) removeLocked(a *attachment) {
	f := a.f
	f.mu.Lock()
	defer f.mu.Unlock()
	f.atts = slices.DeleteFunc(f.atts, func(o *attachment) bool { return o == a })
	if a.awaited != nil {
		close(a.awaited)
		a.awaited = nil
	}
	if !a.live {
		f.joinedLocked()
	}
	a.live = false
	if len(f.atts) == 0 {
		delete(fs.feeds, f.key)
		f.waiters.remove(f.key)
	}
}

func (fs *Feeds) attachment(id chatbox.ConnID, s chatbox.SessionKey) *attachment {
	fs.mu.RLock()
	defer fs.mu.RUnlock()
	return fs.standings[id].find(s)
}

func (fs *Feeds) feed(s chatbox.SessionKey) *feed {
	fs.mu.RLock()
	defer fs.mu.RUnlock()
	return fs.feeds[s]
}

// Attached reports whether the socket is attached to the session, and the last
// event that it was sent there.
func (fs *Feeds) Attached(id chatbox.ConnID, s chatbox.SessionKey) (sent int64, ok bool) {
	a := fs.attachment(id, s)
	if a == nil {
		return 0, false
	}
	a.f.mu.Lock()
	defer a.f.mu.Unlock()
	return a.sent, !a.over
}

// Current returns the session that the socket attached to or created last; ""
// if there is none.
func (fs *Feeds) Current(id chatbox.ConnID) string {
	fs.mu.RLock()
	defer fs.mu.RUnlock()
	if st := fs.standings[id]; st != nil {
		return st.current
	}
	return ""
}

// SetCurrent sets the session of frames that name none.
func (fs *Feeds) SetCurrent(id chatbox.ConnID, sessionID string) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if st := fs.standings[id]; st != nil {
		st.current = sessionID
	}
}

// Expect announces that a frame of the socket has caused, or will cause, the
// event with the key. The socket then gets an ack instead of the event, or
// nothing if acks is false.
func (fs *Feeds) Expect(id chatbox.ConnID, s chatbox.SessionKey, key string, acks bool) {
	a := fs.attachment(id, s)
	if a == nil {
		return
	}
	a.f.mu.Lock()
	defer a.f.mu.Unlock()
	if a.expects == nil {
		a.expects = map[string]bool{}
	}
	if len(a.expects) < maxExpects {
		a.expects[key] = acks
	}
}

// maxExpects bounds the expected keys of a socket. A frame with an unknown
// outcome stays expected, so that a late event still comes as its ack.
const maxExpects = 256

// Forget undoes Expect for a frame that was refused.
func (fs *Feeds) Forget(id chatbox.ConnID, s chatbox.SessionKey, key string) {
	if a := fs.attachment(id, s); a != nil {
		a.f.mu.Lock()
		defer a.f.mu.Unlock()
		a.forget(key)
	}
}

// AckAgain acks a repeat at once if the socket was sent the event already.
// Otherwise it returns false, and the ack comes in the event's place.
func (fs *Feeds) AckAgain(id chatbox.ConnID, e chatbox.Event) bool {
	a := fs.attachment(id, e.Session)
	if a == nil {
		return false
	}
	a.f.mu.Lock()
	defer a.f.mu.Unlock()
	if e.Seq > a.sent {
		return false
	}
	if _, owed := a.expects[e.Key]; !owed {
		return true // the event was acked while the repeat was looked up
	}
	a.forget(e.Key)
	a.ack(e, true)
	return true
}

// AckDetached acks a repeat to a socket that is not attached to its session.
func (fs *Feeds) AckDetached(id chatbox.ConnID, e chatbox.Event) {
	if c := fs.hub.Get(id); c != nil {
		c.Send(fs.hub.encode(Delivery{Session: e.Session, Ack: ackOf(e, true)}))
	}
}

// Await waits until the socket was sent everything up to seq, has left, or ctx
// ends. It reports whether the socket was sent everything up to seq.
func (fs *Feeds) Await(ctx context.Context, id chatbox.ConnID, s chatbox.SessionKey, seq int64) bool {
	a := fs.attachment(id, s)
	if a == nil {
		return false
	}
	a.f.mu.Lock()
	if a.sent >= seq {
		a.f.mu.Unlock()
		return true
	}
	done := make(chan struct{})
	a.await, a.awaited = seq, done
	a.f.mu.Unlock()
	select {
	case <-done:
	case <-ctx.Done():
	}
	a.f.mu.Lock()
	defer a.f.mu.Unlock()
	if a.awaited == done {
		a.awaited = nil
	}
	return a.sent >= seq
}
