//go:build fault

package fault

import (
	"context"
	"errors"
	"net"
	"sync"
	"syscall"
)

// The receive buffers of a narrow socket and of one that reads, which the
// kernel doubles, and a packet as on a real network: with loopback's, which are
// 64 KiB, the pod's kernel would take megabytes before a write waits.
const (
	narrow = 4 << 10
	wide   = 1 << 20
	packet = 1460
)

// gate stands before a client's sockets: shut, nothing is read from them, so
// that what the pod writes fills the network's buffers, which are small until
// the gate has been opened; dead, nothing is written either, as if the peer had
// vanished without a goodbye.
type gate struct {
	mu     sync.Mutex // guards following
	isShut bool
	isDead bool
	buffer int
	conns  []*net.TCPConn
	opened chan struct{} // closed when the gate opens
}

func newGate() *gate { return &gate{opened: make(chan struct{}), buffer: narrow} }

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
	if !g.isShut {
		return
	}
	g.isShut, g.buffer = false, wide
	for _, c := range g.conns {
		_ = c.SetReadBuffer(wide) // it may be closed
	}
	close(g.opened)
}

// state is whether to wait, for what, and whether to pretend.
func (g *gate) state() (shut, dead bool, opened <-chan struct{}) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.isShut, g.isDead, g.opened
}

// dial opens a connection behind the gate.
func (g *gate) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	g.mu.Lock()
	buffer := g.buffer
	g.mu.Unlock()
	// Before the connection is made: it decides how wide it may ever become.
	d := net.Dialer{Control: func(_, _ string, raw syscall.RawConn) error {
		var err error
		cerr := raw.Control(func(fd uintptr) {
			err = errors.Join(
				syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, buffer),
				syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_MAXSEG, packet),
			)
		})
		return errors.Join(err, cerr)
	}}
	c, err := d.DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	if tcp, ok := c.(*net.TCPConn); ok {
		g.mu.Lock()
		g.conns = append(g.conns, tcp)
		g.mu.Unlock()
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
