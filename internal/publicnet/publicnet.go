// Package publicnet makes HTTP clients for addresses that a user or an admin has
// given. They reach public addresses alone, so that nobody can use a pod to reach
// what is beside it: other services of the network, a cloud's metadata, the pod's
// own ports.
//
// The decision is made for each connection, on the address that the socket is about
// to be connected to (net.Dialer.ControlContext). So every
// address is checked that a connection is made to, for any spelling of the URL, any
// redirect, and a name that resolves to another address the next time.
//
// A name may resolve to public and other addresses. Only the public ones are
// dialled. A refusal of the whole name would protect nothing more, because no other
// address is contacted either way, and such names exist where a network has an inner
// and an outer view.
//
// An address is public if IANA's registries of special-purpose addresses do not list
// it (https://www.iana.org/assignments/iana-ipv4-special-registry and
// iana-ipv6-special-registry); of IPv6, only 2000::/3 is allocated. The tables are
// those of code.dny.dev/ssrf, which are generated from the registries. IPv4 addresses
// inside IPv6 ones (mapped, compatible, NAT64, 6to4, Teredo) are refused with any
// content.
package publicnet

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"code.dny.dev/ssrf"
)

// ErrRefused is the error for addresses that are not reached. Its text is for users
// and tells nothing about the network.
var ErrRefused = errors.New("the address is not allowed")

// Bounds of a request, besides the caller's context.
const (
	dialTimeout   = 5 * time.Second
	tlsTimeout    = 5 * time.Second
	headerTimeout = 15 * time.Second
	wholeTimeout  = time.Minute
	maxHeader     = 64 << 10
	maxURL        = 2_048
)

// MaxRedirects is how many redirects a client follows at most.
const MaxRedirects = 3

// Rules say what a client may reach.
type Rules struct {
	// MaxBody is the maximum size of a response's body in bytes. Reading further
	// is an *http.MaxBytesError. Default: 1 MiB.
	MaxBody int64
	// PlainHTTP allows http besides https.
	PlainHTTP bool
	// Private allows the addresses of private networks and of this machine, for
	// operators who mean their own. Metadata of clouds stays out of reach.
	Private bool
	// Admitted are further networks that may be reached, such as the loopback of a
	// test.
	Admitted []netip.Prefix
	// Resolver resolves names. Default: the system's.
	Resolver *net.Resolver
	// Roots are the authorities of certificates. Default: the system's.
	Roots *x509.CertPool
}

// Client returns a client for the rules. It uses no proxy, sends no referrer, and
// keeps no connection after its request, so it needs no closing. Every redirect is
// subject to the rules. Its errors contain the URL, which may be a secret.
func Client(r Rules) *http.Client {
	return &http.Client{Transport: newTransport(r), CheckRedirect: redirect, Timeout: wholeTimeout}
}

// redirect follows some redirects. The transport checks where they lead.
func redirect(req *http.Request, via []*http.Request) error {
	if len(via) > MaxRedirects {
		return fmt.Errorf("%w: more than %d redirects", ErrRefused, MaxRedirects)
	}
	// It may be an address that is a secret.
	req.Header.Del("Referer")
	return nil
}

// transport checks each request, also those of redirects.
type transport struct {
	rules Rules
	base  *http.Transport
}

func newTransport(r Rules) *transport {
	if r.MaxBody <= 0 {
		r.MaxBody = 1 << 20
	}
	return &transport{rules: r, base: &http.Transport{
		// Proxy stays nil: a proxy would connect where the pod must not.
		DialContext:            NewDialer(r).DialContext,
		TLSClientConfig:        &tls.Config{RootCAs: r.Roots, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    tlsTimeout,
		ResponseHeaderTimeout:  headerTimeout,
		MaxResponseHeaderBytes: maxHeader,
		DisableKeepAlives:      true,
		DisableCompression:     true, // what is bounded is what is sent
	}}
}

// RoundTrip sends the request if its URL is allowed.
func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	if err := t.rules.Check(req.URL); err != nil {
		if req.Body != nil {
			_ = req.Body.Close()
		}
		return nil, err
	}
	res, err := t.base.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	res.Body = http.MaxBytesReader(nil, res.Body, t.rules.MaxBody)
	return res, nil
}

// Check refuses a URL that no request will be sent to, as far as that can be known
// without resolving its name. It is for telling a user early.
func (r Rules) Check(u *url.URL) error {
	host := u.Hostname()
	switch {
	case u.Scheme != "https" && (u.Scheme != "http" || !r.PlainHTTP):
		return fmt.Errorf("%w: it must begin with https://", ErrRefused)
	case u.User != nil:
		return fmt.Errorf("%w: it must not contain a user name", ErrRefused)
	case u.Opaque != "" || host == "":
		return fmt.Errorf("%w: it has no host", ErrRefused)
	case len(u.String()) > maxURL:
		return fmt.Errorf("%w: it is longer than %d characters", ErrRefused, maxURL)
	}
	if p := u.Port(); p != "" {
		port, err := strconv.ParseUint(p, 10, 16)
		if err != nil || !allowedPort(uint16(port)) {
			return fmt.Errorf("%w: its port is not one of the web", ErrRefused)
		}
	}
	if addr, err := netip.ParseAddr(host); err == nil {
		return r.check(addr)
	}
	if strings.Contains(host, "%") || numeric(host) {
		return fmt.Errorf("%w: its host is no name", ErrRefused)
	}
	return nil
}

// numeric reports whether a host is an IPv4 address in an unusual spelling: decimal,
// octal, hexadecimal, with fewer parts. As in browsers, the last part decides. Some
// resolvers understand them.
func numeric(host string) bool {
	host = strings.TrimSuffix(host, ".")
	last := strings.ToLower(host[strings.LastIndexByte(host, '.')+1:])
	if strings.HasPrefix(last, "0x") && strings.Trim(last[2:], "0123456789abcdef") == "" {
		return true
	}
	return strings.Trim(last, "0123456789") == ""
}

// allowedPort refuses the ports of services that are not the web's: a request to them
// could be taken for a command. Web servers for users are at 80, 443, or above 1023.
func allowedPort(port uint16) bool { return port == 80 || port == 443 || port >= 1024 }

// check refuses addresses that are not public.
func (r Rules) check(addr netip.Addr) error {
	for _, p := range r.Admitted {
		if p.Contains(addr) {
			return nil
		}
	}
	if guardian(r.Private).SafeAddr(addr) != nil || slices.Contains(metadata(), addr) {
		return fmt.Errorf("%w: it is not public", ErrRefused)
	}
	return nil
}

// guardian has the tables of special addresses.
func guardian(private bool) *ssrf.Guardian {
	if !private {
		return ssrf.New()
	}
	return ssrf.New(
		ssrf.WithAllowedV4Prefixes(prefixes("10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")...),
		ssrf.WithAllowedV6Prefixes(prefixes("::1/128", "fc00::/7")...),
	)
}

// metadata are services of clouds for their machines at addresses that are private or
// public in form. Most have link-local addresses.
func metadata() []netip.Addr {
	return []netip.Addr{
		netip.AddrFrom4([4]byte{168, 63, 129, 16}),   // Azure
		netip.AddrFrom4([4]byte{100, 100, 100, 200}), // Alibaba
		netip.MustParseAddr("fd00:ec2::254"),         // Amazon
		netip.MustParseAddr("fd20:ce::254"),          // Google
	}
}

func prefixes(texts ...string) []netip.Prefix {
	out := make([]netip.Prefix, len(texts))
	for i, t := range texts {
		out[i] = netip.MustParsePrefix(t)
	}
	return out
}

// Dialer connects to the addresses that rules allow, by TCP only.
type Dialer struct{ d net.Dialer }

// NewDialer returns a dialer for the rules.
func NewDialer(r Rules) *Dialer {
	return &Dialer{net.Dialer{
		Timeout:  dialTimeout,
		Resolver: r.Resolver,
		ControlContext: func(_ context.Context, network, address string, _ syscall.RawConn) error {
			return r.connects(network, address)
		},
	}}
}

// DialContext connects to the host and port. A host that resolves to several
// addresses is connected at the first that is allowed and answers.
func (d *Dialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := d.d.DialContext(ctx, network, address)
	if errors.Is(err, ErrRefused) {
		// Not the address that a name resolves to: it describes the network.
		return nil, fmt.Errorf("%w: it is not public", ErrRefused)
	}
	return conn, err //nolint:wrapcheck // as the standard library's
}

// connects decides for one socket.
func (r Rules) connects(network, address string) error {
	if network != "tcp4" && network != "tcp6" {
		return fmt.Errorf("%w: it is not reached by TCP", ErrRefused)
	}
	to, err := netip.ParseAddrPort(address)
	if err != nil || !allowedPort(to.Port()) {
		return fmt.Errorf("%w: its port is not one of the web", ErrRefused)
	}
	return r.check(to.Addr())
}
