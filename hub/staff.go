package hub

import (
	"maps"
	"slices"

	"chatbox"
)

// staff maps tenants to the sockets of their admins. The hub's mu guards it.
type staff map[string]map[*Conn]struct{}

func (s staff) add(c *Conn) {
	t := c.Actor().Tenant
	if s[t] == nil {
		s[t] = map[*Conn]struct{}{}
	}
	s[t][c] = struct{}{}
}

// remove reports whether the socket was there.
func (s staff) remove(c *Conn) bool {
	t := c.Actor().Tenant
	_, was := s[t][c]
	delete(s[t], c)
	if len(s[t]) == 0 {
		delete(s, t)
	}
	return was
}

// Regard checks the socket's role again after a new credential.
func (h *Hub) Regard(c *Conn) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.conns[c.id] == c && c.Actor().Admin() {
		h.staff.add(c)
	} else {
		h.staff.remove(c)
	}
	h.signalStaff()
}

// Staff returns the admins of all tenants with sockets on this pod. Each is
// listed once, with the name from one of the sockets.
func (h *Hub) Staff() []chatbox.Actor {
	h.mu.RLock()
	defer h.mu.RUnlock()
	var out []chatbox.Actor
	seen := map[chatbox.UserKey]struct{}{}
	for _, conns := range h.staff {
		for c := range conns {
			a := c.Actor()
			if _, again := seen[a.User()]; !again {
				seen[a.User()] = struct{}{}
				out = append(out, a)
			}
		}
	}
	return out
}

// EachAdmin is Hub.Each for the sockets of all tenants' admins. Its cost grows
// with their number only.
func (h *Hub) EachAdmin(f func(*Conn)) {
	h.mu.RLock()
	var conns []*Conn
	for _, of := range h.staff {
		conns = slices.AppendSeq(conns, maps.Keys(of))
	}
	h.mu.RUnlock()
	for _, c := range conns {
		f(c)
	}
}

// StaffChanged returns a channel that receives when Staff may have changed. It
// is never closed and has one reader. Changes in quick succession may be
// combined.
func (h *Hub) StaffChanged() <-chan struct{} { return h.staffChanged }

func (h *Hub) signalStaff() { signal(h.staffChanged) }

// signal sends to a channel of capacity one unless it is full.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Notify sends the frame to every socket of the tenant's admins on this pod
// and returns their number. Its cost grows with that number only.
func (h *Hub) Notify(tenant string, frame []byte) int {
	h.mu.RLock()
	conns := slices.Collect(maps.Keys(h.staff[tenant]))
	h.mu.RUnlock()
	for _, c := range conns {
		c.Send(frame)
	}
	return len(conns)
}

// NotifyAdmin is Notify for the sockets of one admin. Its cost grows with the
// user's sockets only.
func (h *Hub) NotifyAdmin(u chatbox.UserKey, frame []byte) int {
	n := 0
	for _, c := range h.User(u) {
		if c.Actor().Admin() {
			c.Send(frame)
			n++
		}
	}
	return n
}
