package app

import (
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"chatbox/app/door"
)

// pipes is a listener with in-memory connections, which use the clock of a
// synctest bubble.
type pipes struct {
	conns chan net.Conn
	once  sync.Once
	done  chan struct{}
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), done: make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.done) })
	return nil
}

func (*pipes) Addr() net.Addr { return &net.TCPAddr{} }

func (p *pipes) dial() net.Conn {
	client, server := net.Pipe()
	p.conns <- server
	return client
}

// A client that sends its handshake byte by byte holds a connection for five
// seconds and nothing else: no slot, no handler, no goroutine.
func TestServer_SlowHandshakesAreCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		handled := false
		d := door.New(door.Config{}, prometheus.NewRegistry())
		srv := newHTTPServer(t.Context(), http.HandlerFunc(func(http.ResponseWriter, *http.Request) { handled = true }), d)
		l := newPipes()
		ended := make(chan error, 1)
		go func() { ended <- srv.Serve(d.Listen(l)) }()
		for _, begun := range []string{"", "GET /chatbox/ws HTTP/1.1\r\n", "GET /chatbox/ws HTTP/1.1\r\nHost: pod\r\nUpgrade: websocket\r\nX-Slow: "} {
			c := l.dial()
			began := time.Now()
			gone := make(chan struct{})
			go func() {
				defer close(gone)
				_, _ = io.Copy(io.Discard, c) // to the end, however it comes
			}()
			_, _ = io.WriteString(c, begun)
			for more := true; more; {
				select {
				case <-gone:
					more = false
				case <-time.After(time.Second):
					_, _ = io.WriteString(c, "x")
				}
			}
			assert.LessOrEqual(t, time.Since(began), 6*time.Second, "after %q", begun)
			require.NoError(t, c.Close())
		}
		assert.False(t, handled)
		require.NoError(t, srv.Close())
		require.ErrorIs(t, <-ended, http.ErrServerClosed)
	})
}
