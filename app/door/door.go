// Package door bounds what a connection may take of a pod: how many may stay
// without having shown a credential, and how long each phase of each of them
// may last. It wraps a listener and the server's handler.
package door

import (
	"container/list"
	"context"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Config bounds connections. A zero field means its default.
type Config struct {
	Unknown    int            // connections of the pod that have shown no valid credential
	PerAddress int            // the same of one address; of IPv6 one /64 is one address
	Shared     []netip.Prefix // addresses that stand for many clients: proxies. Loopback always does

	HeaderTime  time.Duration // from the first byte of a request to the end of its header
	IdleTime    time.Duration // between two requests
	UnknownIdle time.Duration // the same without a credential, unless the address is shared
	BodyTime    time.Duration // how long a body may keep the pod waiting, all in all
	BodyRate    int           // bytes that earn a body one more second
	WriteTime   time.Duration // how long a client may keep a response waiting, all in all
	WriteRate   int           // bytes that earn a response one more second
	Linger      time.Duration // for a client to read an answer that came before its body was read
}

func (c Config) withDefaults() Config {
	number(&c.Unknown, 4096)
	number(&c.PerAddress, 128)
	number(&c.BodyRate, 8<<10)
	number(&c.WriteRate, 4<<10)
	span(&c.HeaderTime, 5*time.Second)
	span(&c.IdleTime, 90*time.Second)
	span(&c.UnknownIdle, 10*time.Second)
	span(&c.BodyTime, 10*time.Second)
	span(&c.WriteTime, 30*time.Second)
	span(&c.Linger, 500*time.Millisecond)
	return c
}

func number(v *int, or int) {
	if *v <= 0 {
		*v = or
	}
}

func span(v *time.Duration, or time.Duration) {
	if *v <= 0 {
		*v = or
	}
}

// fairTime is how long a connection without a credential is left alone before
// it may have to make room for a newer one: long enough for any client that has
// something to say.
const fairTime = time.Second

// Door is what a pod's connections come through. It is safe for concurrent use.
type Door struct {
	cfg     Config
	refused [reasons]prometheus.Counter

	mu      sync.Mutex // guards following
	conns   map[*Conn]struct{}
	unknown *list.List // of *Conn, the oldest first
	from    map[netip.Prefix]int
	ending  bool
}

// New makes a door and registers its metrics.
func New(cfg Config, reg prometheus.Registerer) *Door {
	d := &Door{
		cfg: cfg.withDefaults(), conns: map[*Conn]struct{}{}, unknown: list.New(), from: map[netip.Prefix]int{},
	}
	d.register(reg)
	return d
}

// Guard puts the door before a server that has its handler already; the server
// must serve a listener of Listen.
func (d *Door) Guard(s *http.Server) {
	s.ReadHeaderTimeout, s.IdleTimeout = d.cfg.HeaderTime, d.cfg.IdleTime
	s.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		return context.WithValue(ctx, connKey{}, c)
	}
	s.Handler = d.handler(s.Handler)
}

// connKey is the context's key of a request's connection.
type connKey struct{}

func connOf(ctx context.Context) *Conn {
	c, _ := ctx.Value(connKey{}).(*Conn)
	return c
}

// Known tells the door that the request of the context has shown a valid
// credential. A connection stays known to its end: it may be a proxy's, which
// carries one client's request after another's.
func Known(ctx context.Context) {
	if c := connOf(ctx); c != nil {
		c.becomeKnown()
	}
}

// Listen wraps a listener. Connections beyond a cap are answered 503 and closed
// before the server sees them.
func (d *Door) Listen(l net.Listener) net.Listener { return &listener{Listener: l, door: d} }

type listener struct {
	net.Listener

	door *Door
}

func (l *listener) Accept() (net.Conn, error) {
	for {
		raw, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if c := l.door.admit(raw); c != nil {
			return c, nil
		}
	}
}

// admit takes a connection in, or refuses and closes it. A full pod makes room
// by closing the oldest connection that has had its time and still waits: who
// only holds connections holds them against nobody.
func (d *Door) admit(raw net.Conn) *Conn {
	c := &Conn{Conn: raw, door: d, from: d.addressOf(raw), born: time.Now()}
	d.mu.Lock()
	why, victim := noReason, (*Conn)(nil)
	switch {
	case c.from.IsValid() && d.from[c.from] >= d.cfg.PerAddress:
		why = refusedAddress
	case d.unknown.Len() >= d.cfg.Unknown:
		if victim = d.oldestWaitingLocked(c.born); victim == nil {
			why = refusedPod
		}
	}
	if why == noReason {
		if victim != nil {
			d.forgetLocked(victim)
		}
		d.conns[c] = struct{}{}
		c.place = d.unknown.PushBack(c)
		if c.from.IsValid() {
			d.from[c.from]++
		}
		c.ended = d.ending
	}
	d.mu.Unlock()
	if victim != nil {
		d.refused[cutEvicted].Inc()
		_ = victim.Conn.Close() // the server finds out by its read
	}
	if why != noReason {
		d.refused[why].Inc()
		turnAway(raw)
		return nil
	}
	return c
}

// evictionSearch bounds how many connections are looked at for one that waits.
const evictionSearch = 64

func (d *Door) oldestWaitingLocked(now time.Time) *Conn {
	e := d.unknown.Front()
	for range evictionSearch {
		if e == nil {
			return nil
		}
		c, _ := e.Value.(*Conn)
		if now.Sub(c.born) < fairTime {
			return nil
		}
		if c.waits() {
			return c
		}
		e = e.Next()
	}
	return nil
}

// turnAway answers and closes. The answer fits into the socket's empty buffer,
// so nobody waits.
func turnAway(raw net.Conn) {
	const body = `{"error":"too many connections; please try again","code":"SERVICE_ERROR","message":"too many connections; please try again"}`
	const answer = "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nRetry-After: 1\r\n" +
		"Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n" + body + "\n"
	_ = raw.SetWriteDeadline(time.Now().Add(100 * time.Millisecond))
	_, _ = raw.Write([]byte(answer))
	if half, ok := raw.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
	}
	_ = raw.Close()
}

// addressOf is whose share a connection counts for; the zero prefix where it is
// nobody's own: a proxy's, this machine's, or no address at all.
func (d *Door) addressOf(raw net.Conn) netip.Prefix {
	at, err := netip.ParseAddrPort(raw.RemoteAddr().String())
	if err != nil {
		return netip.Prefix{}
	}
	ip := at.Addr().Unmap().WithZone("")
	if ip.IsLoopback() {
		return netip.Prefix{}
	}
	for _, n := range d.cfg.Shared {
		if n.Contains(ip) {
			return netip.Prefix{}
		}
	}
	return Network(ip)
}

// Network is what counts as one address: a household has one of IPv4 and a /64
// of IPv6.
func Network(ip netip.Addr) netip.Prefix {
	ip = ip.Unmap().WithZone("")
	bits := 32
	if ip.Is6() {
		bits = 64
	}
	p, _ := ip.Prefix(bits) // valid by its kind; the zero address has the zero prefix
	return p
}

// forgetLocked takes a connection out; one that is out already is no error.
func (d *Door) forgetLocked(c *Conn) {
	delete(d.conns, c)
	d.knowLocked(c)
}

// knowLocked ends a connection's part in what the unknown may have.
func (d *Door) knowLocked(c *Conn) {
	if c.place == nil {
		return
	}
	d.unknown.Remove(c.place)
	c.place = nil
	if !c.from.IsValid() {
		return
	}
	if d.from[c.from]--; d.from[c.from] <= 0 {
		delete(d.from, c.from)
	}
}

func (d *Door) forget(c *Conn) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.forgetLocked(c)
}

// End ends every connection that only waits: for a request, or for the rest of
// one. What is being answered is answered. It holds for connections to come.
func (d *Door) End() {
	d.mu.Lock()
	d.ending = true
	conns := make([]*Conn, 0, len(d.conns))
	for c := range d.conns {
		conns = append(conns, c)
	}
	d.mu.Unlock()
	for _, c := range conns {
		c.finish()
	}
}

// Waiting counts the connections that have shown no credential.
func (d *Door) Waiting() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.unknown.Len()
}
