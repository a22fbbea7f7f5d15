// Package elsewhere has what is outside of a cluster, for tests: web servers with TLS,
// and a name server whose answers change.
package elsewhere

import (
	"context"
	"crypto/x509"
	"encoding/binary"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// Server is a web server that counts its connections. Its certificate is valid for
// 127.0.0.1 and example.com.
type Server struct {
	*httptest.Server

	Port string
	mu   sync.Mutex
	seen int // guarded by mu
}

// Serve starts a server at the address, which ends with the test.
func Serve(t *testing.T, addr string, h http.HandlerFunc) *Server {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", addr)
	require.NoError(t, err)
	s := &Server{Server: httptest.NewUnstartedServer(h)}
	_ = s.Listener.Close()
	s.Listener = listener
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			s.mu.Lock()
			s.seen++
			s.mu.Unlock()
		}
	}
	s.StartTLS()
	t.Cleanup(s.Close)
	_, s.Port, err = net.SplitHostPort(listener.Addr().String())
	require.NoError(t, err)
	return s
}

// Connections returns how many connections the server has had.
func (s *Server) Connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seen
}

// Roots returns the authority of the server's certificate.
func (s *Server) Roots() *x509.CertPool {
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	return roots
}

// Names is a name server: each name has the answers to the first question, the
// second, and so on; the last one stays.
type Names struct {
	conn  net.PacketConn
	mu    sync.Mutex
	known map[string][][]string // guarded by mu
	asked map[string]int        // by name and type; guarded by mu
}

// NewNames starts a name server, which ends with the test.
func NewNames(t *testing.T, known map[string][][]string) *Names {
	t.Helper()
	conn, err := (&net.ListenConfig{}).ListenPacket(t.Context(), "udp", "127.0.0.1:0")
	require.NoError(t, err)
	n := &Names{conn: conn, known: known, asked: map[string]int{}}
	done := make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, 1500)
		for {
			size, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			_, _ = conn.WriteTo(n.answer(buf[:size]), from)
		}
	}()
	t.Cleanup(func() { _ = conn.Close(); <-done })
	return n
}

// Resolver asks the name server.
func (n *Names) Resolver() *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "udp", n.conn.LocalAddr().String())
	}}
}

// answer makes the reply to a query of one question (RFC 1035, 4.1).
func (n *Names) answer(query []byte) []byte {
	var labels []string
	at := 12
	for query[at] != 0 {
		labels = append(labels, string(query[at+1:at+1+int(query[at])]))
		at += 1 + int(query[at])
	}
	question := query[12 : at+5]
	kind := binary.BigEndian.Uint16(query[at+1:])
	reply := append([]byte{query[0], query[1], 0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0}, question...)
	for _, a := range n.next(strings.ToLower(strings.Join(labels, ".")), kind) {
		addr := netip.MustParseAddr(a)
		if addr.Is4() != (kind == 1) || kind != 1 && kind != 28 {
			continue
		}
		reply[7]++
		reply = append(reply, 0xc0, 12, byte(kind>>8), byte(kind), 0, 1, 0, 0, 0, 0, 0, byte(addr.BitLen()/8))
		reply = append(reply, addr.AsSlice()...)
	}
	return reply
}

func (n *Names) next(name string, kind uint16) []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	answers := n.known[name]
	if len(answers) == 0 {
		return nil
	}
	key := name + string(rune(kind))
	i := min(n.asked[key], len(answers)-1)
	n.asked[key]++
	return answers[i]
}
