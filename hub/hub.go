package hub

import (
	"context"
	"slices"
	"sync"
	"time"

	"chatbox"
)

// tick is the interval at which pings, dead clients and expired credentials
// are handled.
const tick = time.Second

// Hub indexes one pod's sockets by id and by user. It limits their number and
// keeps them alive.
type Hub struct {
	cfg    Config
	m      *Metrics
	encode func(Delivery) []byte

	mu       sync.RWMutex // guards following
	conns    map[chatbox.ConnID]*Conn
	users    map[chatbox.UserKey][]*Conn
	staff    staff
	slots    int           // taken by sockets and by upgrades in progress
	draining bool          // no more slots are given
	vacated  chan struct{} // set by stop: closed when the last slot is released

	staffChanged chan struct{} // capacity one; never closed
}

// New returns an empty hub. encode renders deliveries as frames, once for all
// sockets of the pod.
func New(cfg Config, encode func(Delivery) []byte, m *Metrics) *Hub {
	return &Hub{
		cfg: cfg.withDefaults(), m: m, encode: encode,
		conns: map[chatbox.ConnID]*Conn{}, users: map[chatbox.UserKey][]*Conn{}, staff: staff{},
		staffChanged: make(chan struct{}, 1),
	}
}

// Config returns the configuration of the hub's sockets, which must not be
// modified.
func (h *Hub) Config() *Config { return &h.cfg }

// Metrics returns the metrics of the hub's sockets.
func (h *Hub) Metrics() *Metrics { return h.m }

// Acquire takes a slot for a socket. It returns chatbox.Draining if the pod is
// draining and chatbox.LimitExceeded if it is full.
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

// Release gives a slot back. It is the last call of a socket's handler.
func (h *Hub) Release() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.slots--
	if h.slots == 0 && h.vacated != nil {
		close(h.vacated)
		h.vacated = nil
	}
}

// Refuse makes Acquire fail from now on. Existing sockets stay.
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

// Add enters a socket into the index. A socket that comes after the hub was
// stopped is closed.
func (h *Hub) Add(c *Conn) {
	h.mu.Lock()
	u := c.Actor().User()
	h.conns[c.id] = c
	h.users[u] = append(h.users[u], c)
	if c.Actor().Admin() {
		h.staff.add(c)
		h.signalStaff()
	}
	late := h.vacated != nil
	h.mu.Unlock()
	if late {
		c.cancel()
	}
}

// Remove takes a socket out of the index, if it is there.
func (h *Hub) Remove(c *Conn) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.conns, c.id)
	if h.staff.remove(c) {
		h.signalStaff()
	}
	u := c.Actor().User()
	rest := slices.DeleteFunc(h.users[u], func(o *Conn) bool { return o == c })
	if len(rest) == 0 {
		delete(h.users, u)
		return
	}
	h.users[u] = rest
}

// Get returns the socket with the id; nil if there is none.
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

// Len returns the number of sockets.
func (h *Hub) Len() int {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return len(h.conns)
}

// Each calls f for every socket that existed when it began. It holds no lock
// meanwhile.
func (h *Hub) Each(f func(*Conn)) {
	for _, c := range h.snapshot(nil) {
		f(c)
	}
}

// CloseUser closes the user's sockets on this pod and returns their number.
func (h *Hub) CloseUser(u chatbox.UserKey, code int, reason string) int {
	conns := h.User(u)
	for _, c := range conns {
		c.Close(code, reason)
	}
	return len(conns)
}

// Run handles pings, dead clients, overdue closes and expired credentials
// until ctx ends. One ticker serves all sockets. Then Run refuses new sockets,
// closes the others and waits until every slot is released.
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

// stop cancels every socket and returns a channel that is closed when all are
// gone.
func (h *Hub) stop() <-chan struct{} {
	h.Refuse()
	gone := make(chan struct{})
	h.mu.Lock()
	if h.slots == 0 {
		close(gone)
	} else {
		h.vacated = gone // before the sockets are listed: Add cancels later ones
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
