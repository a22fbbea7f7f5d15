package devstack

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// guard protects the stack's own routes from web pages. A page of another origin
// may send requests to this machine. A page whose host name resolves to this
// machine (DNS rebinding) even has the same origin. Therefore the Host must be an
// address, this machine's name or the name in the stack's --addr, and the Origin,
// which browsers send, must match the Host. Programs send no Origin.
func (s *Stack) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case !s.ownHost(r.Host):
			http.Error(w, "this host name does not belong to the stack: use its address", http.StatusForbidden)
		case !sameOrigin(r):
			http.Error(w, "requests from pages of other origins are refused", http.StatusForbidden)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// ownHost reports whether a Host header names the stack by a name that no outside
// name server controls.
func (s *Stack) ownHost(host string) bool {
	name := strings.ToLower(hostname(host))
	if _, err := netip.ParseAddr(name); err == nil {
		return true
	}
	told := strings.ToLower(hostname(s.cfg.Addr))
	return name == "localhost" || strings.HasSuffix(name, ".localhost") || name != "" && name == told
}

func hostname(hostport string) string {
	if host, _, err := net.SplitHostPort(hostport); err == nil {
		return host
	}
	return strings.Trim(hostport, "[]")
}

func sameOrigin(r *http.Request) bool {
	if site := r.Header.Get("Sec-Fetch-Site"); site != "" && site != "same-origin" && site != "none" {
		return false
	}
	origins := r.Header.Values("Origin")
	if len(origins) == 0 {
		return true
	}
	_, host, _ := strings.Cut(origins[0], "://")
	return len(origins) == 1 && strings.EqualFold(host, r.Host)
}

// Exposed reports whether other machines can reach the stack.
func (s *Stack) Exposed() bool {
	at, ok := s.listener.Addr().(*net.TCPAddr)
	return !ok || !at.IP.IsLoopback()
}
