package hub

import (
	"context"
	"slices"
	"sync"
	"time"

	"chatbox"
)

// tick is how often sockets are looked after: the grain of pings, deaths and
// expiring credentials.
const tick = time.Second

// Hub is the index of one pod's sockets. It bounds their number, keeps them
// alive and finds them by id and by user.
type Hub struct {
	cfg    Config
	m      *Metrics
	encode func(chatbox.Delivery) []byte

	mu       sync.RWMutex // guards following
	conns    map[chatbox.ConnID]*Conn
	users    map[chatbox.UserKey][]*Conn
	staff    staff
	slots    int           // taken, by sockets and by upgrades under way
	draining bool          // no slot is given any more
	vacated  chan struct{} // set by stop: closed when the last slot is given back

	staffStirred chan struct{} // room for one; never closed
}

// New makes an empty hub; encode renders what sessions tell their sockets,
// once for all sockets of the pod.
func New(cfg Config, encode func(chatbox.Delivery) []byte, m *Metrics) *Hub {
	return &Hub{
		cfg: cfg.withDefaults(), m: m, encode: encode,
		conns: map[chatbox.ConnID]*Conn{}, users: map[chatbox.UserKey][]*Conn{}, staff: staff{},
		staffStirred: make(chan struct{}, 1),
	}
}

// Config returns the bounds that the hub's sockets are made with.
func (h *Hub) Config() Config { return h.cfg }

// Metrics returns the counters that the hub's sockets are made with.
func (h *Hub) Metrics() *Metrics { return h.m }

// Acquire takes a slot for a socket: chatbox.Draining when the pod sends its
// clients away, chatbox.LimitExceeded when it is full.
func (h *Hub) Acquire() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.draining:
		return chatbox.NewError(chatbox.Draining, "this pod is shutting down", nil)
	case h.cfg.MaxConns > 0 && h.slots >= h.cfg.MaxConns:
		return &chatbox.Error{Code: chatbox.LimitExceeded, Message: "this pod has all the connections it can take", Refusal: chatbox.RefusedPodCap}
	}
	h.slots++
	return nil
}

// Release gives a slot back: the last act of whoever runs a socket.
func (h *Hub) Release() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.slots--
	if h.slots == 0 && h.vacated != nil {
		close(h.vacated)
		h.vacated = nil
	}
}

// Refuse has Acquire fail from now on; sockets that are there are served on.
func (h *Hub) Refuse() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.draining = true
}

// Refusing reports whether Refuse was called.
func (h *Hub) Refusing() bool {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.draining
}

// Add enters a socket into the index; one that comes after Run's end was asked
// for is closed.
func (h *Hub) Add(c *Conn) {
	h.mu.Lock()
	u := c.Actor().User()
	h.conns[c.id] = c
	h.users[u] = append(h.users[u], c)
	if c.Actor().Admin() {
		h.staff.add(c)
		h.stirStaff()
	}
	late := h.vacated != nil
	h.mu.Unlock()
	if late {
		c.cancel()
	}
}

// Remove takes a socket out of the index; one that is not in it is no error.
func (h *Hub) Remove(c *Conn) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.conns, c.id)
	if h.staff.remove(c) {
		h.stirStaff()
	}
	u := c.Actor().User()
	rest := slices.DeleteFunc(h.users[u], func(o *Conn) bool { return o == c })
	if len(rest) == 0 {
		delete(h.users, u)
		return
	}
	h.users[u] = rest
}

// Get finds a socket by its id, nil where there is none.
func (h *Hub) Get(id chatbox.ConnID) *Conn {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.conns[id]
}

// User returns the user's sockets on this pod.
func (h *Hub) User(u chatbox.UserKey) []*Conn {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return slices.Clone(h.users[u])
}

// Len is the number of sockets.
func (h *Hub) Len() int {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return len(h.conns)
}

// Each calls f for every socket that was there when it began, holding no lock.
func (h *Hub) Each(f func(*Conn)) {
	for _, c := range h.snapshot(nil) {
		f(c)
	}
}

// CloseUser closes the user's sockets on this pod and returns how many.
func (h *Hub) CloseUser(u chatbox.UserKey, code int, reason string) int {
	conns := h.User(u)
	for _, c := range conns {
		c.Close(code, reason)
	}
	return len(conns)
}

// Run looks after the sockets until ctx ends: pings, silence, overdue closes
// and expired credentials. It is the only ticker, whatever their number. Then
// it refuses new sockets, closes those that are left and waits until every slot
// is given back.
func (h *Hub) Run(ctx context.Context) {
	t := time.NewTicker(tick)
	defer t.Stop()
	var conns []*Conn
	done, vacated := ctx.Done(), (<-chan struct{})(nil)
	for {
		select {
		case <-done:
			done, vacated = nil, h.stop()
		case <-vacated:
			return
		case now := <-t.C:
			conns = h.snapshot(conns[:0])
			for _, c := range conns {
				c.beat(now)
			}
			clear(conns)
		}
	}
}

// stop cancels every socket and returns what is closed when all are gone.
func (h *Hub) stop() <-chan struct{} {
	h.Refuse()
	gone := make(chan struct{})
	h.mu.Lock()
	if h.slots == 0 {
		close(gone)
	} else {
		h.vacated = gone // before the sockets are listed: Add cancels what comes later
	}
	h.mu.Unlock()
	h.Each((*Conn).cancel)
	return gone
}

func (h *Hub) snapshot(into []*Conn) []*Conn {
	h.mu.RLock()
	defer h.mu.RUnlock()
	for _, c := range h.conns {
		into = append(into, c)
	}
	return into
}
