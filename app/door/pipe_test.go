package door

import (
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// pipes is a listener with in-memory connections, which use the clock of a
// synctest bubble.
type pipes struct {
	conns chan net.Conn
	once  sync.Once
	done  chan struct{}
}

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

// from is a connection with a given remote address.
type from struct {
	net.Conn

	at netip.AddrPort
}

func (f from) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(f.at) }

// house is a door with a server behind it.
type house struct {
	t     *testing.T
	door  *Door
	pipes *pipes
	reg   *prometheus.Registry
	srv   *http.Server
	ended chan error
}

const (
	stranger = "192.0.2.1"
	proxy    = "10.0.0.1"
)

// open runs a server behind a door, on a bubble's clock.
func open(t *testing.T, cfg Config, h http.HandlerFunc) *house {
	t.Helper()
	cfg.Shared = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	reg := prometheus.NewRegistry()
	o := &house{
		t: t, door: New(cfg, reg), reg: reg, srv: &http.Server{Handler: h},
		pipes: &pipes{conns: make(chan net.Conn), done: make(chan struct{})}, ended: make(chan error, 1),
	}
	o.door.Guard(o.srv)
	go func() { o.ended <- o.srv.Serve(o.door.Listen(o.pipes)) }()
	return o
}

func (o *house) shut() {
	o.t.Helper()
	o.door.End()
	require.NoError(o.t, o.srv.Close())
	require.ErrorIs(o.t, <-o.ended, http.ErrServerClosed)
	synctest.Wait()
	require.Zero(o.t, o.door.Waiting(), "connections are counted that are gone")
	require.Empty(o.t, o.door.from)
	require.Empty(o.t, o.door.conns)
}

// guest is one connection and what the server has said on it.
type guest struct {
	net.Conn

	began time.Time
	gone  chan struct{} // closed at the end

	mu   sync.Mutex // guards following
	said strings.Builder
	left time.Duration // when it ended, since it began
}

func (o *house) come(address string) *guest {
	client, server := net.Pipe()
	g := &guest{Conn: client, began: time.Now(), gone: make(chan struct{})}
	go func() {
		defer close(g.gone)
		b := make([]byte, 4096)
		for {
			n, err := client.Read(b)
			g.mu.Lock()
			g.said.Write(b[:n])
			g.left = time.Since(g.began)
			g.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	o.pipes.conns <- from{Conn: server, at: netip.AddrPortFrom(netip.MustParseAddr(address), 1234)}
	return g
}

func (g *guest) say(s string) { _, _ = io.WriteString(g, s) }

func (g *guest) heard() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.said.String()
}

// drip sends s repeatedly until the server closes, and returns when that was.
func (g *guest) drip(s string, every time.Duration) time.Duration {
	for {
		select {
		case <-g.gone:
			return g.left
		case <-time.After(every):
			g.say(s)
		}
	}
}

// over waits for the end and returns when it came.
func (g *guest) over() time.Duration {
	<-g.gone
	return g.left
}

func (g *guest) done() bool {
	select {
	case <-g.gone:
		return true
	default:
		return false
	}
}

// count is what the metric says.
func (o *house) count(r reason) int {
	o.t.Helper()
	families, err := o.reg.Gather()
	require.NoError(o.t, err)
	for _, f := range families {
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				if f.GetName() == "chat_connections_refused_total" && l.GetValue() == r.String() {
					return int(m.GetCounter().GetValue())
				}
			}
		}
	}
	o.t.Fatalf("no metric of %v", r)
	return 0
}

// reads is a handler that knows its caller and reads the whole body.
func reads(w http.ResponseWriter, r *http.Request) {
	Known(r.Context())
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		w.WriteHeader(http.StatusBadRequest)
	}
}

// refuses is a handler that does not know its caller.
func refuses(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) }

// silent is a connection that only the test reads.
func (o *house) silent() net.Conn {
	client, server := net.Pipe()
	o.pipes.conns <- from{Conn: server, at: netip.MustParseAddrPort(stranger + ":1")}
	return client
}
