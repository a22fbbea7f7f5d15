package hub

import (
	"context"
	"sync"

	"chatbox"
)

// maxAttached is how many sessions one socket may be attached to (docs/protocol/contract.md).
const maxAttached = 20

// Feeds is the index of a pod's feeds and of what each socket is attached to.
// It is safe for concurrent use; the calls for one socket come from its worker
// and are never concurrent with each other.
type Feeds struct {
	hub *Hub

	mu        sync.RWMutex // guards following
	feeds     map[chatbox.SessionKey]*feed
	standings map[chatbox.ConnID]*standing

	waiters waiters

	onShown func(chatbox.Shown)
}

// OnShown has f told what sockets of old clients are sent and have received of
// running answers. f is called concurrently. It may wait for a moment with a
// chatbox.ShownSent, which holds up that socket's writer alone, and must not
// block otherwise. Call OnShown before the first socket enters.
func (fs *Feeds) OnShown(f func(chatbox.Shown)) { fs.onShown = f }

// standing is what one socket is attached to.
type standing struct {
	current string // the session it attached to or created last
	atts    []*attachment
	typing  typingRate
}

// NewFeeds makes an empty index over the hub's sockets.
func NewFeeds(h *Hub) *Feeds {
	return &Feeds{hub: h, feeds: map[chatbox.SessionKey]*feed{}, standings: map[chatbox.ConnID]*standing{}, waiters: newWaiters()}
}

// Enter gives the socket a place in the session that hears nothing yet: Join
// makes it live. fresh is true where the socket was not attached before.
// chatbox.LimitExceeded refuses the 21st session.
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
		f = &feed{key: s, encode: fs.hub.encode, last: -1, atts: map[chatbox.ConnID]*attachment{}, waiters: &fs.waiters}
		fs.feeds[s] = f
	}
	a := &attachment{conn: conn, user: conn.Actor().UserID, f: f, index: -1}
	st.atts = append(st.atts, a)
	f.mu.Lock()
	f.atts[id] = a
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

// Join replays to an entered socket and makes it live; see feed.join for what
// chatbox.Clash asks for.
func (fs *Feeds) Join(ctx context.Context, id chatbox.ConnID, s chatbox.SessionKey, j Join) error {
	a := fs.attachment(id, s)
	if a == nil {
		return gone()
	}
	return a.f.join(ctx, a, j)
}

// Leave takes the socket out of the session and reports whether it was in it.
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
	fs.removeLocked(id, a)
	return true
}

// Crowd is how many sessions have sockets here, by tenant.
func (fs *Feeds) Crowd() map[string]int {
	fs.mu.RLock()
	defer fs.mu.RUnlock()
	out := map[string]int{}
	for k := range fs.feeds {
		out[k.Tenant]++
	}
	return out
}

// LeaveAll takes the socket out of everything and returns what it was in.
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
		fs.removeLocked(id, a)
		a.leftOld()
	}
	return keys
}

func (fs *Feeds) removeLocked(id chatbox.ConnID, a *attachment) {
	f := a.f
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.atts, id)
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

// Attached reports whether the socket has a place in the session, and the last
// event it was sent there.
func (fs *Feeds) Attached(id chatbox.ConnID, s chatbox.SessionKey) (sent int64, ok bool) {
	a := fs.attachment(id, s)
	if a == nil {
		return 0, false
	}
	a.f.mu.Lock()
	defer a.f.mu.Unlock()
	return a.sent, !a.over
}

// Current is the session that the socket attached to or created last.
func (fs *Feeds) Current(id chatbox.ConnID) string {
	fs.mu.RLock()
	defer fs.mu.RUnlock()
	if st := fs.standings[id]; st != nil {
		return st.current
	}
	return ""
}

// SetCurrent says which session frames without one mean.
func (fs *Feeds) SetCurrent(id chatbox.ConnID, sessionID string) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if st := fs.standings[id]; st != nil {
		st.current = sessionID
	}
}

// Expect says that the socket has caused, or will cause, the event with the
// key: it is told by an ack, or by nothing where acks is false.
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

// maxExpects bounds what a socket may wait for: frames whose outcome stayed
// unknown remain expected, so that a late event still comes as its ack.
const maxExpects = 256

// Forget withdraws Expect for a frame that was refused.
func (fs *Feeds) Forget(id chatbox.ConnID, s chatbox.SessionKey, key string) {
	if a := fs.attachment(id, s); a != nil {
		a.f.mu.Lock()
		defer a.f.mu.Unlock()
		delete(a.expects, key)
	}
}

// AckAgain answers the repeat of an event: at once where the socket was sent
// it already; otherwise it is told false, and the ack comes in its place.
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
		return true // it came, and was acked, while the repeat was looked up
	}
	delete(a.expects, e.Key)
	a.ack(e, true)
	return true
}

// AckDetached acks the repeat of an event to a socket that has no place in its
// session.
func (fs *Feeds) AckDetached(id chatbox.ConnID, e chatbox.Event) {
	if c := fs.hub.Get(id); c != nil {
		c.Send(fs.hub.encode(chatbox.Delivery{Session: e.Session, Ack: ackOf(e, true)}))
	}
}

// Await returns when the socket was sent everything up to seq, has left, or
// ctx ends; it reports whether it was sent.
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
