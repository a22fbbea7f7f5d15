//go:build !race

package hub

import (
	"net"
	"runtime"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// grow uses some kilobytes of stack, as goroutines do that start while the
// average stack is large.
//
//go:noinline
func grow(n int) (sum byte) {
	var b [512]byte
	if n > 0 {
		b[n] = grow(n - 1)
	}
	return b[0] + b[n]
}

// The stack of an idle socket is the largest part of its memory. It must fit into
// a quarter of 8 KiB, since the runtime then halves it.
func TestConn_IdleSocketNeedsLittleStack(t *testing.T) {
	const n = 64
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	var conns []*Conn
	for range n {
		near, err := net.Dial("tcp", l.Addr().String())
		require.NoError(t, err)
		far, err := l.Accept()
		require.NoError(t, err)
		server, _ := handshake(t, far, near)
		conns = append(conns, newConn(t, server, nil))
	}
	before := stacks()
	var running sync.WaitGroup
	for _, c := range conns {
		running.Go(func() {
			grow(12)
			_ = c.Run(t.Context(), ignore) // ended below
		})
	}
	for _, c := range conns {
		require.Eventually(t, func() bool { return c.seen.Load() > 0 }, soon, soon/1000)
	}
	for range 4 { // each halves a stack once
		runtime.GC()
	}
	assert.LessOrEqual(t, (stacks()-before)/n, 5<<10, "bytes of stack per socket")
	for _, c := range conns {
		c.cancel()
	}
	running.Wait()
}

func stacks() int {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.StackInuse)
}
