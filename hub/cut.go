package hub

// Cut breaks every socket's connection without a word, as a crash does. For
// development and tests.
func (h *Hub) Cut() {
	h.Refuse()
	h.Each(func(c *Conn) { _ = c.ws.NetConn().Close() })
}
