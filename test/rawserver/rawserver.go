// Package rawserver is a TCP server for tests that decide about every byte.
package rawserver

import (
	"net"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// Start runs a server on this machine until stop, or until the test ends, and
// returns its address. It passes the connections to handle, one after another. A
// connection that handle does not close stays open until the server ends.
func Start(t *testing.T, handle func(net.Conn)) (addr string, stop func()) {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		var all []net.Conn
		for {
			conn, err := l.Accept()
			if err != nil {
				break
			}
			all = append(all, conn)
			handle(conn)
		}
		for _, conn := range all {
			_ = conn.Close() // handle may have closed it
		}
	}()
	stop = sync.OnceFunc(func() { _ = l.Close(); <-ended })
	t.Cleanup(stop)
	return l.Addr().String(), stop
}
