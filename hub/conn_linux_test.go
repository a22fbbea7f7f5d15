package hub

import (
	"net"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A client that does not read must show in the queue, which is counted and
// bounded, and not in a buffer of the kernel that grows to megabytes.
func TestConn_KernelKeepsLittleForASocket(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	near, err := net.Dial("tcp", l.Addr().String())
	require.NoError(t, err)
	far, err := l.Accept()
	require.NoError(t, err)
	server, _ := handshake(t, far, near)
	c := newConn(t, server, nil)

	raw, err := far.(*net.TCPConn).SyscallConn()
	require.NoError(t, err)
	var kept int
	require.NoError(t, raw.Control(func(fd uintptr) {
		kept, err = syscall.GetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_SNDBUF)
	}))
	require.NoError(t, err)
	assert.Equal(t, 2*c.cfg.SocketBytes, kept, "the kernel counts its own overhead too, by doubling what it is told")
}
