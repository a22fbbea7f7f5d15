package hub

// Cut breaks every socket's connection without a close frame, as a crash does.
// It is for development and tests.
func (h *Hub) Cut() {
	h.Refuse()
	h.Each(func(c *Conn) { _ = c.wire.conn().Close() })
}
