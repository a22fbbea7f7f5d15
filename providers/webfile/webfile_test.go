package webfile_test

import (
	"io"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"chatbox/internal/publicnet"
	"chatbox/providers/webfile"
	"chatbox/test/elsewhere"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func client(srv *elsewhere.Server, dns *elsewhere.Names) *webfile.Client {
	return webfile.New(publicnet.Rules{
		MaxBody: 1000, Admitted: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}, Resolver: dns.Resolver(), Roots: srv.Roots(),
	})
}

func TestFetch_SendsNothingOfItsOwn(t *testing.T) {
	var seen http.Header
	srv := elsewhere.Serve(t, "127.0.0.1:0", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/from" {
			http.SetCookie(w, &http.Cookie{Name: "session", Value: "hunter2"})
			http.Redirect(w, r, "/to?secret=1", http.StatusFound)
			return
		}
		seen = r.Header.Clone()
		_, _ = io.WriteString(w, "hello")
	})
	c := client(srv, elsewhere.NewNames(t, map[string][][]string{"example.com": {{"127.0.0.1"}}}))
	body, size, err := c.Fetch(t.Context(), "https://example.com:"+srv.Port+"/from")
	require.NoError(t, err)
	defer body.Close()
	assert.EqualValues(t, 5, size)
	text, err := io.ReadAll(body)
	require.NoError(t, err)
	assert.Equal(t, "hello", string(text))
	assert.Equal(t, http.Header{"User-Agent": {"Chatbox"}, "Accept": {"*/*"}, "Connection": {"close"}}, seen)
}

// No error tells where the address leads, and none contains it.
func TestFetch_RefusesAlike(t *testing.T) {
	srv := elsewhere.Serve(t, "127.0.0.1:0", func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/coded":
			w.Header().Set("Content-Encoding", "gzip")
		case "/part":
			w.WriteHeader(http.StatusPartialContent)
		case "/none":
			w.WriteHeader(http.StatusNoContent)
		case "/inside":
			http.Redirect(w, r, "https://127.0.0.2:"+r.URL.Query().Get("port")+"/hunter2", http.StatusFound)
		default:
			http.Error(w, "hunter2", http.StatusForbidden)
		}
	})
	victim := elsewhere.Serve(t, "127.0.0.2:"+srv.Port, func(http.ResponseWriter, *http.Request) {})
	c := client(srv, elsewhere.NewNames(t, map[string][][]string{"example.com": {{"127.0.0.1"}, {"127.0.0.2"}}, "inner.example.com": {{"127.0.0.2"}}}))
	base := "https://127.0.0.1:" + srv.Port
	for _, address := range []string{
		base + "/coded", base + "/part", base + "/none", base + "/missing?hunter2", base + "/inside?port=" + srv.Port, "https://inner.example.com:" + srv.Port + "/hunter2",
		"https://hunter2.example.com/", "https://127.0.0.1:1/hunter2", "http://127.0.0.1:" + srv.Port + "/hunter2", "https://me:hunter2@127.0.0.1:" + srv.Port + "/", "https://hunter2\x00/",
		"https://169.254.169.254/hunter2", "file:///etc/hunter2", strings.Repeat("https://hunter2/", 500),
	} {
		_, _, err := c.Fetch(t.Context(), address)
		if assert.Error(t, err, address) {
			assert.NotContains(t, err.Error(), "hunter2")
			assert.NotContains(t, err.Error(), "127.0.0")
		}
	}
	assert.Zero(t, victim.Connections())
}

func TestFetch_BreaksOffAndTooLarge(t *testing.T) {
	srv := elsewhere.Serve(t, "127.0.0.1:0", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/short" {
			w.Header().Set("Content-Length", "500")
			_, _ = io.WriteString(w, "half")
			return
		}
		_, _ = io.WriteString(w, strings.Repeat("x", 1001))
	})
	c := client(srv, elsewhere.NewNames(t, nil))
	for _, path := range []string{"/short", "/large"} {
		body, _, err := c.Fetch(t.Context(), "https://127.0.0.1:"+srv.Port+path)
		require.NoError(t, err)
		_, err = io.ReadAll(body)
		require.Error(t, err)
		_ = body.Close()
	}
}
