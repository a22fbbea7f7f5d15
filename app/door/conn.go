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

// phase is what a connection is about.
type phase int

const (
	phaseWaiting phase = iota // no request is complete: new, idle, or in a header
	phaseServing              // the handler works, or writes
	phaseBody                 // the handler waits for the rest of the request
)

// Conn is one TCP connection, until it becomes a socket: then the hub has it,
// bare. Reads come one at a time, and so do writes: the server's.
type Conn struct {
	net.Conn

	door  *Door
	from  netip.Prefix  // whose share it counts for; zero: nobody's
	born  time.Time     // when it was accepted
	place *list.Element // among the unknown; nil: it is not. Guarded by door.mu

	mu     sync.Mutex // guards following
	phase  phase
	served bool // a request has been
	known  bool // a credential has been shown
	proven bool // by the request that is being served
	ended  bool // nothing is waited for any more
	closed bool // or handed over
	linger bool // the client may still be sending when it is answered
	timed  bool // reading has a deadline that is the client's, and not over from the start

	framing framing // the reader's

	// The writer's. A response's time counts while a write waits for the client.
	sent, spent int64     // bytes, and nanoseconds
	until       time.Time // what the handler asked for; guarded by mu
}

// past is a deadline that is over.
func past() time.Time { return time.Unix(1, 0) }

func (c *Conn) becomeKnown() {
	c.mu.Lock()
	c.known, c.proven = true, true
	c.mu.Unlock()
	c.door.mu.Lock()
	defer c.door.mu.Unlock()
	c.door.knowLocked(c)
}

// waits reports whether nothing is being done for the client.
func (c *Conn) waits() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.phase != phaseServing
}

// begin is the start of a request's service.
func (c *Conn) begin() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.phase, c.served, c.proven = phaseServing, true, false
	c.sent, c.spent, c.until = 0, 0, time.Time{}
}

// over is its end.
func (c *Conn) over() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return // a socket's now
	}
	c.phase = phaseWaiting
	if c.ended {
		_ = c.Conn.SetReadDeadline(past())
	}
}

// await says that the handler waits for the request's body, and until when.
func (c *Conn) await(by time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.phase = phaseBody
	if c.ended {
		by = past()
	}
	_ = c.Conn.SetReadDeadline(by)
}

// resume says that it does not any more. Whatever reads now only looks out for
// the client's going away, and has all the time.
func (c *Conn) resume() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.phase = phaseServing
	_ = c.Conn.SetReadDeadline(time.Time{})
}

// abandon has what is still read of the request fail at once. The connection
// ends with the answer, and the client gets a moment to read that.
func (c *Conn) abandon() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.linger = true
	_ = c.Conn.SetReadDeadline(past())
}

// trusted reports whether the request being served has shown a credential.
func (c *Conn) trusted() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.proven
}

// finish ends a connection that waits, now or as soon as it does.
func (c *Conn) finish() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended = true
	if c.phase != phaseServing && !c.closed {
		_ = c.Conn.SetReadDeadline(past())
	}
}

// SetReadDeadline is the server's word on how long a request, or the wait for
// one, may take.
func (c *Conn) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	switch {
	case c.phase != phaseWaiting: // it looks out for the client's going away
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

// Read also looks at the framing of what it reads: an error of its own makes
// the server answer 400 and close.
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

// lateHeader reports whether the client has begun a request and not said what
// it is, or has said nothing at all.
func (c *Conn) lateHeader() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.phase != phaseWaiting || !c.timed || c.served && !c.framing.inHeader() {
		return false
	}
	c.timed = false
	return true
}

// SetWriteDeadline is what the handler asks for beside the client's own time.
func (c *Conn) SetWriteDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.until = t
	return c.Conn.SetWriteDeadline(t)
}

// writePart is how much is written at once: what a client gets time for is what
// it has taken, not what it could take.
const writePart = 16 << 10

// Write gives the client WriteTime for a response and one more second for each
// WriteRate bytes; what the handler needs is not the client's time.
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
	earned := time.Duration((c.sent + int64(len(p))) * int64(time.Second) / int64(cfg.WriteRate))
	begun := time.Now()
	by := begun.Add(cfg.WriteTime + earned - time.Duration(c.spent))
	c.mu.Lock()
	if !c.until.IsZero() && c.until.Before(by) {
		by = c.until
	}
	_ = c.Conn.SetWriteDeadline(by)
	c.mu.Unlock()
	n, err := c.Conn.Write(p)
	c.sent += int64(n)
	c.spent += int64(time.Since(begun))
	if err != nil && errors.Is(err, os.ErrDeadlineExceeded) {
		c.door.refused[cutResponse].Inc()
	}
	return n, err
}

// Close ends the connection. Where the client was answered before it had sent
// everything it is read for a moment more: closing at once could make the
// network discard the answer.
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

// lingerBytes is how much of an unread request is thrown away at the end.
const lingerBytes = 256 << 10

// release hands the connection over, bare and without deadlines.
func (c *Conn) release() net.Conn {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.door.forget(c)
	_ = c.SetDeadline(time.Time{})
	return c.Conn
}
