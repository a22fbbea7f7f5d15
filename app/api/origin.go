package api

import (
	"net/http"
	"net/url"
	"strings"
)

// Origins is a list of exact origins, scheme://host[:port]. A host that begins
// with "*." matches any subdomain. Any accepts all origins, including null.
type Origins struct {
	Any  bool
	List []string
}

// Allow reports whether a browser at the origin is allowed.
func (o Origins) Allow(origin string) bool {
	if o.Any {
		return true
	}
	u, err := url.Parse(origin)
	if err != nil || u.Scheme == "" || u.Host == "" || !strings.EqualFold(origin, u.Scheme+"://"+u.Host) {
		return false // a user, a path or a query: browsers send none
	}
	for _, allowed := range o.List {
		if sameOrigin(allowed, u) {
			return true
		}
	}
	return false
}

// originsOf returns the origin of a request, or "" without one. Several origins
// are joined to a text that is in no list, because proxies and browsers may differ
// in which of them counts.
func originsOf(r *http.Request) string {
	return strings.Join(r.Header.Values("Origin"), ", ")
}

func sameOrigin(allowed string, u *url.URL) bool {
	scheme, host, ok := strings.Cut(allowed, "://")
	if !ok || !strings.EqualFold(scheme, u.Scheme) {
		return false
	}
	is, want := withPort(scheme, strings.ToLower(u.Host)), withPort(scheme, strings.ToLower(host))
	if parent, wild := strings.CutPrefix(want, "*"); wild {
		return len(is) > len(parent) && strings.HasPrefix(parent, ".") && strings.HasSuffix(is, parent)
	}
	return is == want
}

// withPort adds the scheme's default port if there is none.
func withPort(scheme, host string) string {
	if i := strings.LastIndexByte(host, ':'); i > strings.LastIndexByte(host, ']') {
		return host
	}
	switch strings.ToLower(scheme) {
	case "http", "ws":
		return host + ":80"
	case "https", "wss":
		return host + ":443"
	default:
		return host
	}
}
