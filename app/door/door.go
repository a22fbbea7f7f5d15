// Package door limits the resources that a connection may use: how many
// connections may stay without a credential, and how long each phase of a
// connection may take. It wraps a listener and the server's handler.
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

// Config sets the limits. A zero field has its default.
type Config struct {
	Unknown    int            // connections per pod that have shown no valid credential
	PerAddress int            // the same per address; one /64 of IPv6 is one address
	Shared     []netip.Prefix // addresses shared by many clients, as proxies are. Loopback is always shared

	HeaderTime  time.Duration // from the first byte of a request to the end of its header
	IdleTime    time.Duration // between two requests
	UnknownIdle time.Duration // the same without a credential, unless the address is shared
	BodyTime    time.Duration // total time that a body may keep the pod waiting
	BodyRate    int           // bytes that earn a body one more second
	WriteTime   time.Duration // total time that a client may keep a response waiting
	WriteRate   int           // bytes that earn a response one more second
	Linger      time.Duration // time for a client to read a response that was sent before its body was read
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

// fairTime is how long a connection without a credential is safe from eviction.
// It is long enough for any client that sends a request.
const fairTime = time.Second

// Door admits a pod's connections. It is safe for concurrent use.
type Door struct {
	cfg     Config
	refused [reasons]prometheus.Counter

	mu      sync.Mutex // guards following
	conns   map[*Conn]struct{}
	unknown *list.List // of *Conn, oldest first
	from    map[netip.Prefix]int
	ending  bool
}

// New returns a Door and registers its metrics.
func New(cfg Config, reg prometheus.Registerer) *Door {
	d := &Door{
		cfg: cfg.withDefaults(), conns: map[*Conn]struct{}{}, unknown: list.New(), from: map[netip.Prefix]int{},
	}
	d.register(reg)
	return d
}

// Guard wraps the server's handler, which must be set already. The server must
// serve a listener of Listen.
func (d *Door) Guard(s *http.Server) {
	s.ReadHeaderTimeout, s.IdleTimeout = d.cfg.HeaderTime, d.cfg.IdleTime
	s.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		return context.WithValue(ctx, connKey{}, c)
	}
	s.Handler = d.handler(s.Handler)
}

// connKey is the context key of a request's connection.
type connKey struct{}

func connOf(ctx context.Context) *Conn {
	c, _ := ctx.Value(connKey{}).(*Conn)
	return c
}

// Known marks the connection of the context's request as authenticated. It stays
// so until it closes, although a proxy's connection carries requests of several
// clients.
func Known(ctx context.Context) {
	if c := connOf(ctx); c != nil {
		c.becomeKnown()
	}
}

// Listen wraps a listener. A connection beyond a limit is answered 503 and closed
// before the server sees it.
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

// admit accepts a connection, or refuses and closes it. A full pod makes room by
// closing the oldest connection that is past fairTime and still waits. So idle
// connections cannot keep others out.
func (d *Door) admit(raw net.Conn) *Conn {
	c := &Conn{Conn: raw, door: d, from: d.addressOf(raw), born: time.Now(), credit: d.cfg.WriteTime}
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
		_ = victim.Conn.Close() // the server notices when its read fails
	}
	if why != noReason {
		d.refused[why].Inc()
		turnAway(raw)
		return nil
	}
	return c
}

// evictionSearch limits how many connections are examined to find one that waits.
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

// turnAway responds 503 and closes. The response fits into the socket's empty
// buffer, so the write does not block.
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

// addressOf returns the network that a connection counts for. It is the zero
// prefix for proxies, for this machine, and if there is no address.
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

// Network returns the network that counts as one address: one address of IPv4, or
// a /64 of IPv6, which is what a household gets.
func Network(ip netip.Addr) netip.Prefix {
	ip = ip.Unmap().WithZone("")
	bits := 32
	if ip.Is6() {
		bits = 64
	}
	p, _ := ip.Prefix(bits) // cannot fail with these bits; the zero address gives the zero prefix
	return p
}

// forgetLocked removes a connection. It is not an error if the connection was
// removed already.
func (d *Door) forgetLocked(c *Conn) {
	delete(d.conns, c)
	d.knowLocked(c)
}

// knowLocked removes a connection from the count of unknown ones.
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

// End closes every connection that waits for a request or for the rest of one,
// now and in the future. Responses in progress are completed.
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

// Waiting returns how many connections have shown no credential.
func (d *Door) Waiting() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.unknown.Len()
}
