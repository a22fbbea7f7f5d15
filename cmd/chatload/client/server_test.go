package client

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// pod is a server that plays one script per upgrade, in order. Without a script
// it refuses.
type pod struct {
	*httptest.Server

	scripts chan func(*peer)
	refuse  chan int // statuses to refuse upgrades with, before any script
	seen    chan *http.Request
}

// peer is the server's end of one socket.
type peer struct {
	ws  *websocket.Conn
	req *http.Request
	err error
}

func newPod(t *testing.T, scripts ...func(*peer)) *pod {
	t.Helper()
	p := &pod{scripts: make(chan func(*peer), 16), refuse: make(chan int, 16), seen: make(chan *http.Request, 64)}
	for _, s := range scripts {
		p.scripts <- s
	}
	p.Server = httptest.NewServer(http.HandlerFunc(p.serve))
	t.Cleanup(p.Close)
	return p
}

func (p *pod) serve(w http.ResponseWriter, r *http.Request) {
	p.seen <- r
	select {
	case status := <-p.refuse:
		w.Header().Set("Retry-After", "1")
		w.WriteHeader(status)
		return
	default:
	}
	select {
	case script := <-p.scripts:
		up := websocket.Upgrader{Subprotocols: []string{"chatbox.v1"}, CheckOrigin: func(*http.Request) bool { return true }}
		ws, err := up.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer ws.Close()
		script(&peer{ws: ws, req: r})
	default:
		w.WriteHeader(http.StatusServiceUnavailable)
	}
}

func (p *peer) send(frames ...Frame) {
	for _, f := range frames {
		p.err = p.ws.WriteJSON(f)
	}
}

// read returns the client's next frame, or a zero one when the socket has ended.
func (p *peer) read() Frame {
	var f Frame
	_, text, err := p.ws.ReadMessage()
	if err == nil {
		err = json.Unmarshal(text, &f)
	}
	p.err = err
	return f
}

// linger keeps the socket until the client ends it.
func (p *peer) linger() {
	for p.err == nil {
		p.read()
	}
}

func (p *peer) close(code int) {
	_ = p.ws.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(code, ""), time.Now().Add(time.Second))
	p.linger()
}

// welcome is a valid beginning of a socket on session s.
func welcome(p *peer, head int64) { p.send(hello(p.req.URL.Query().Get("session_id")), resumed(head)) }

// device is a running client.
type device struct {
	*Client

	done chan error
	stop context.CancelFunc
}

func run(t *testing.T, p *pod, change func(*Config)) *device {
	t.Helper()
	cfg := Config{
		URLs: []string{p.URL}, SessionID: "s", Record: true, KeepPieces: true, BackoffMin: time.Millisecond, BackoffMax: 2 * time.Millisecond,
		Token: func(context.Context) (string, error) { return "secret-token", nil },
	}
	if change != nil {
		change(&cfg)
	}
	ctx, cancel := context.WithCancel(t.Context())
	d := &device{Client: New(cfg), done: make(chan error, 1), stop: cancel}
	go func() { d.done <- d.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if d.done != nil {
			assert.NoError(t, <-d.done)
		}
	})
	return d
}

// wait fails the test unless ok becomes true of what the device knows.
func (d *device) wait(t *testing.T, ok func(*Tracker) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	require.NoError(t, d.WaitFor(ctx, ok))
}

func (d *device) ended(t *testing.T) error {
	t.Helper()
	select {
	case err := <-d.done:
		d.done = nil
		return err
	case <-time.After(10 * time.Second):
		t.Fatal("the client runs on")
		return nil
	}
}

func acked(id string) func(*Tracker) bool {
	return func(t *Tracker) bool {
		s := t.Session("s")
		return s != nil && s.Sent[id] != nil && s.Sent[id].Acks > 0
	}
}
