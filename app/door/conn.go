package door

import (
	"container/list"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"
)

// phase is what a connection is doing.
type phase int

const (
	phaseWaiting phase = iota // no complete request: new, idle, or in a header
	phaseServing              // the handler works or writes
	phaseBody                 // the handler waits for the rest of the request's body
)

// Conn is one TCP connection, until it becomes a WebSocket and the hub takes it
// over without the wrapper. The server makes one read and one write at a time.
type Conn struct {
	net.Conn

	door  *Door
	from  netip.Prefix  // the address that it counts for; zero: none
	born  time.Time     // when it was accepted
	place *list.Element // in door.unknown; nil: it is known. Guarded by door.mu

	mu     sync.Mutex // guards following
	phase  phase
	served bool // it has had a request
	known  bool // it has shown a credential
	proven bool // the current request has shown a credential
	ended  bool // it must close as soon as it waits
	closed bool // or hijacked
	linger bool // the client may still be sending when it gets its response
	timed  bool // the read deadline applies to the client and is not a deadline in the past

	framing framing // used by the reader only

	// Used by the writer only. Time counts against the client only while a write
	// blocks.
	credit time.Duration // how long the client may still keep the response waiting
	until  time.Time     // the handler's deadline; guarded by mu
}

// past returns a deadline that has passed.
func past() time.Time { return time.Unix(1, 0) }

func (c *Conn) becomeKnown() {
	c.mu.Lock()
	c.known, c.proven = true, true
	c.mu.Unlock()
	c.door.mu.Lock()
	defer c.door.mu.Unlock()
	c.door.knowLocked(c)
}

// waits reports whether the connection is not serving a request.
func (c *Conn) waits() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.phase != phaseServing
}

// begin starts the service of a request.
func (c *Conn) begin() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.phase, c.served, c.proven = phaseServing, true, false
	c.credit, c.until = c.door.cfg.WriteTime, time.Time{}
}

// over ends the service of a request.
func (c *Conn) over() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return // a WebSocket by now
	}
	c.phase = phaseWaiting
	if c.ended {
		_ = c.Conn.SetReadDeadline(past())
	}
}

// await marks that the handler waits for the request's body, until the deadline.
func (c *Conn) await(by time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.phase = phaseBody
	if c.ended {
		by = past()
	}
	_ = c.Conn.SetReadDeadline(by)
}

// resume ends await. Later reads only detect that the client has disconnected, so
// they have no deadline.
func (c *Conn) resume() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.phase = phaseServing
	_ = c.Conn.SetReadDeadline(time.Time{})
}

// abandon makes further reads of the request fail at once. The connection closes
// after the response, after a short time for the client to read it.
func (c *Conn) abandon() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.linger = true
	_ = c.Conn.SetReadDeadline(past())
}

// trusted reports whether the current request has shown a credential.
func (c *Conn) trusted() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.proven
}

// finish closes a connection that waits, now or as soon as it waits.
func (c *Conn) finish() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended = true
	if c.phase != phaseServing && !c.closed {
		_ = c.Conn.SetReadDeadline(past())
	}
}

// SetReadDeadline sets the server's deadline for a request or for the wait for
// one.
func (c *Conn) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	switch {
	case c.phase != phaseWaiting: // the read only detects that the client has disconnected
	case c.ended:
		t = past()
	case c.served && !c.known && c.from.IsValid():
		if soon := now.Add(c.door.cfg.UnknownIdle); t.After(soon) {
			t = soon
		}
	}
	c.timed = t.After(now)
	return c.Conn.SetReadDeadline(t)
}

// Read also checks the framing of requests. Its framing errors make the server
// answer 400 and close.
func (c *Conn) Read(p []byte) (int, error) {
	if err := c.framing.err; err != nil {
		return 0, err
	}
	n, err := c.Conn.Read(p)
	good, wrong := c.framing.scan(p[:n])
	if wrong != nil {
		c.door.refused[cutFraming].Inc()
		if good == 0 {
			return 0, wrong
		}
		return good, nil // the next read fails
	}
	if err != nil && errors.Is(err, os.ErrDeadlineExceeded) && c.lateHeader() {
		c.door.refused[cutHeader].Inc()
	}
	return n, err
}

// lateHeader reports whether the client has sent only part of a request's header,
// or nothing at all.
func (c *Conn) lateHeader() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.phase != phaseWaiting || !c.timed || c.served && !c.framing.inHeader() {
		return false
	}
	c.timed = false
	return true
}

// SetWriteDeadline sets the handler's deadline, which applies besides the
// client's own time.
func (c *Conn) SetWriteDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.until = t
	return c.Conn.SetWriteDeadline(t)
}

// writePart is how many bytes are written at once. Small parts measure the time
// in which the client really takes the bytes.
const writePart = 16 << 10

// Write gives the client WriteTime for a response, plus one second for each
// WriteRate bytes, but at most mostCredit at once. Only the time in which writes block
// counts.
func (c *Conn) Write(p []byte) (n int, err error) {
	for err == nil {
		part := p[n:min(len(p), n+writePart)]
		var m int
		m, err = c.writePart(part)
		if n += m; n == len(p) {
			break
		}
	}
	return n, err
}

func (c *Conn) writePart(p []byte) (int, error) {
	cfg := &c.door.cfg
	earned := time.Duration(int64(len(p)) * int64(time.Second) / int64(cfg.WriteRate))
	c.credit = min(c.credit+earned, max(cfg.WriteTime, mostCredit))
	begun := time.Now()
	by := begun.Add(c.credit)
	c.mu.Lock()
	if !c.until.IsZero() && c.until.Before(by) {
		by = c.until
	}
	_ = c.Conn.SetWriteDeadline(by)
	c.mu.Unlock()
	n, err := c.Conn.Write(p)
	c.credit -= time.Since(begun)
	if err != nil && errors.Is(err, os.ErrDeadlineExceeded) {
		c.door.refused[cutResponse].Inc()
	}
	return n, err
}

// Close closes the connection. If the client was answered before it had sent the
// whole request, Close first reads for a moment: closing at once could make the
// network discard the response.
func (c *Conn) Close() error {
	c.mu.Lock()
	linger := c.linger && !c.closed && !c.ended
	c.closed = true
	c.mu.Unlock()
	defer c.door.forget(c)
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok && linger && half.CloseWrite() == nil {
		_ = c.Conn.SetReadDeadline(time.Now().Add(c.door.cfg.Linger))
		_, _ = io.CopyN(io.Discard, c.Conn, lingerBytes)
	}
	return c.Conn.Close()
}

// lingerBytes is how many bytes of an unread request are read and discarded at
// the end.
const lingerBytes = 256 << 10

// release hands over the underlying connection without deadlines.
func (c *Conn) release() net.Conn {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.door.forget(c)
	_ = c.SetDeadline(time.Time{})
	return c.Conn
}
