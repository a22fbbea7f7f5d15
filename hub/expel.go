package hub

import (
	"time"

	"chatbox"
)

// Expel closes the user's sockets on this pod whose credentials were issued
// before the time, all of them where it is zero, and returns how many.
func (h *Hub) Expel(u chatbox.UserKey, before time.Time) int {
	n := 0
	for _, c := range h.User(u) {
		if before.IsZero() || c.Actor().IssuedAt.Before(before) {
			c.Close(CloseDisconnected, "disconnected by admin")
			n++
		}
	}
	return n
}
