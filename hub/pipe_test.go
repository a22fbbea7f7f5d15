package hub

import (
	"bufio"
	"context"
	"net"
	"net/http"
	"testing"
	"time"

	"chatbox"

	"github.com/gorilla/websocket"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// hijacker lets a bare net.Conn be upgraded.
type hijacker struct {
	http.ResponseWriter
	conn net.Conn
	rw   *bufio.ReadWriter
}

func (h hijacker) Header() http.Header { return http.Header{} }
func (h hijacker) WriteHeader(int)     {}
func (h hijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return h.conn, h.rw, nil
}

// pipe joins a server's and a client's WebSocket by an unbuffered connection
// in memory, which works inside a synctest bubble.
func pipe(t *testing.T) (server, client *websocket.Conn) {
	t.Helper()
	a, b := net.Pipe()
	return handshake(t, a, b)
}

func handshake(t *testing.T, a, b net.Conn) (server, client *websocket.Conn) {
	t.Helper()
	ready := make(chan *websocket.Conn, 1)
	go func() {
		rw := bufio.NewReadWriter(bufio.NewReader(a), bufio.NewWriter(a))
		req, err := http.ReadRequest(rw.Reader)
		if err != nil {
			close(ready)
			return
		}
		up := websocket.Upgrader{ReadBufferSize: 1024, WriteBufferSize: 4096}
		ws, err := up.Upgrade(hijacker{conn: a, rw: rw}, req, nil)
		if err != nil {
			close(ready)
			return
		}
		ready <- ws
	}()
	dialer := websocket.Dialer{
		NetDialContext: func(context.Context, string, string) (net.Conn, error) { return b, nil },
		ReadBufferSize: 1024, WriteBufferSize: 1024,
	}
	client, resp, err := dialer.DialContext(t.Context(), "ws://pod/ws", nil)
	require.NoError(t, err)
	_ = resp.Body.Close()
	server = <-ready
	require.NotNil(t, server)
	t.Cleanup(func() { _ = client.Close(); _ = server.Close() })
	return server, client
}

func actor() chatbox.Actor { return chatbox.Actor{Tenant: "t", UserID: "u"} }

// newConn wraps the server's end; change alters the default bounds.
func newConn(t *testing.T, ws *websocket.Conn, change func(*Config)) *Conn {
	t.Helper()
	cfg := DefaultConfig()
	if change != nil {
		change(&cfg)
	}
	return NewConn(ws, "c1", actor(), &cfg, NewMetrics(prometheus.NewRegistry()))
}

// start runs the socket and returns what Run will return.
func start(ctx context.Context, c *Conn, onFrame OnFrame) <-chan error {
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx, onFrame) }()
	return done
}

func ignore(context.Context, []byte, bool) {}

// readAll reads text frames until the socket ends.
func readAll(ws *websocket.Conn) (frames []string, err error) {
	for {
		_, b, err := ws.ReadMessage()
		if err != nil {
			return frames, err
		}
		frames = append(frames, string(b))
	}
}

// ticking looks after the hub until the test ends.
func ticking(t *testing.T, h *Hub) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); h.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
}

func newHub(t *testing.T, change func(*Config)) *Hub {
	t.Helper()
	cfg := DefaultConfig()
	if change != nil {
		change(&cfg)
	}
	return New(cfg, nil, NewMetrics(prometheus.NewRegistry()))
}

const soon = 20 * time.Second // on a busy machine too

// value reads a counter or a gauge.
func value(t *testing.T, m prometheus.Metric) float64 {
	t.Helper()
	var d dto.Metric
	require.NoError(t, m.Write(&d))
	return d.GetCounter().GetValue() + d.GetGauge().GetValue()
}
