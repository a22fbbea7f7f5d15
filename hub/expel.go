package hub

import (
	"time"

	"chatbox"
)

// Expel closes the user's sockets on this pod whose credentials were issued
// before the given time, or all of them if it is zero. It returns the number
// of sockets.
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
