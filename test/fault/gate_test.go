//go:build fault

package fault

import (
	"context"
	"net"
	"sync"
	"syscall"
)

// gate stands before a client's sockets: shut, nothing is read from them, so
// that what the pod writes fills the network's buffers, which are small; dead,
// nothing is written either, as if the peer had vanished without a goodbye.
type gate struct {
	mu     sync.Mutex // guards following
	isShut bool
	isDead bool
	opened chan struct{} // closed when the gate opens
}

func newGate() *gate { return &gate{opened: make(chan struct{})} }

func (g *gate) shut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.isShut, g.opened = true, make(chan struct{})
}

// die is shut, for both directions and for good.
func (g *gate) die() {
	g.shut()
	g.mu.Lock()
	defer g.mu.Unlock()
	g.isDead = true
}

func (g *gate) open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.isShut {
		g.isShut = false
		close(g.opened)
	}
}

// state is whether to wait, for what, and whether to pretend.
func (g *gate) state() (shut, dead bool, opened <-chan struct{}) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.isShut, g.isDead, g.opened
}

// dial opens a connection behind the gate.
func (g *gate) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	const received = 4 << 10 // the kernel doubles it
	d := net.Dialer{Control: func(_, _ string, raw syscall.RawConn) error {
		var err error
		cerr := raw.Control(func(fd uintptr) {
			err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, received)
		})
		if cerr != nil {
			return cerr
		}
		return err
	}}
	c, err := d.DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	return &gated{Conn: c, gate: g, closed: make(chan struct{})}, nil
}

type gated struct {
	net.Conn

	gate   *gate
	once   sync.Once
	closed chan struct{}
}

func (c *gated) Read(p []byte) (int, error) {
	for {
		shut, _, opened := c.gate.state()
		if !shut {
			return c.Conn.Read(p)
		}
		select {
		case <-opened:
		case <-c.closed:
			return 0, net.ErrClosed
		}
	}
}

func (c *gated) Write(p []byte) (int, error) {
	if _, dead, _ := c.gate.state(); dead {
		return len(p), nil
	}
	return c.Conn.Write(p)
}

func (c *gated) Close() error {
	c.once.Do(func() { close(c.closed) })
	return c.Conn.Close()
}
