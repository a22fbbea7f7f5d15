package publicnet

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"chatbox/test/elsewhere"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestClient_Refuses: each row is an address that somebody may give to a pod.
func TestClient_Refuses(t *testing.T) {
	t.Parallel()
	dns := elsewhere.NewNames(t, map[string][][]string{
		"loopback.example.com": {{"127.0.0.1"}}, "localhost": {{"127.0.0.1"}}, "metadata.example.com": {{"169.254.169.254"}}, "inner.example.com": {{"10.0.0.7"}},
		"six.example.com": {{"::1"}}, "mapped.example.com": {{"::ffff:127.0.0.1"}}, "translated.example.com": {{"64:ff9b::7f00:1"}},
		"all.example.com": {{"10.0.0.7", "192.168.0.1", "fd00::1"}},
	})
	client := Client(Rules{Resolver: dns.Resolver()})
	for what, urls := range map[string][]string{
		"this machine":            {"https://127.0.0.1/", "https://127.8.9.10/", "https://[::1]/", "https://localhost/", "https://localhost.:8443/", "https://LOCALHOST/"},
		"unspecified":             {"https://0.0.0.0/", "https://0.1.2.3/", "https://[::]/", "https://0/"},
		"private networks":        {"https://10.0.0.1/", "https://172.16.0.1/", "https://172.31.255.255/", "https://192.168.1.1/", "https://[fc00::1]/", "https://[fdff::1]/"},
		"shared by a provider":    {"https://100.64.0.1/", "https://100.127.255.255/"},
		"link-local":              {"https://169.254.1.1/", "https://[fe80::1]/", "https://[fe80::1%25eth0]/", "https://[fec0::1]/"},
		"metadata of clouds":      {"https://169.254.169.254/", "https://[fd00:ec2::254]/", "https://[fd20:ce::254]/", "https://100.100.100.200/", "https://192.0.0.192/", "https://168.63.129.16/"},
		"protocol assignments":    {"https://192.0.0.1/", "https://192.88.99.1/", "https://[2001:1::1]/", "https://[2001:20::1]/"},
		"documentation":           {"https://192.0.2.1/", "https://198.51.100.1/", "https://203.0.113.1/", "https://[2001:db8::1]/", "https://[3fff::1]/"},
		"benchmarking":            {"https://198.18.0.1/", "https://198.19.255.255/", "https://[2001:2::1]/"},
		"multicast":               {"https://224.0.0.1/", "https://239.255.255.255/", "https://[ff02::1]/"},
		"reserved and broadcast":  {"https://240.0.0.1/", "https://255.255.255.255/", "https://[4000::1]/", "https://[100::1]/"},
		"IPv4 in IPv6, mapped":    {"https://[::ffff:127.0.0.1]/", "https://[::ffff:7f00:1]/", "https://[::ffff:8.8.8.8]/", "https://[0:0:0:0:0:ffff:0a00:1]/"},
		"IPv4 in IPv6, otherwise": {"https://[::127.0.0.1]/", "https://[64:ff9b::127.0.0.1]/", "https://[64:ff9b::808:808]/", "https://[64:ff9b:1::a00:1]/", "https://[2002:7f00:1::]/", "https://[2001:0:1::1]/", "https://[::ffff:0:127.0.0.1]/"},
		"other spellings":         {"https://2130706433/", "https://0x7f000001/", "https://0x7F.1/", "https://0177.0.0.1/", "https://127.1/", "https://127.0.1/", "https://127.0.0.1./", "https://010.8.8.8/", "https://8.8.8.0x8/", "https://00000127.0.0.1/"},
		"other digits":            {"https://１２７.0.0.1/", "https://①②⑦.⓪.⓪.①/", "https://127。0。0。1/", "https://ｌocalhost/"},
		"zones":                   {"https://[2606:4700::1%25lo]/", "https://[::1%25lo]/"},
		"names":                   {"https://loopback.example.com/", "https://metadata.example.com/", "https://inner.example.com/", "https://six.example.com/", "https://mapped.example.com/", "https://translated.example.com/", "https://all.example.com/"},
		"schemes":                 {"http://example.com/", "ftp://example.com/", "file:///etc/passwd", "gopher://example.com/", "https:example.com", "//example.com/", "https://", "https:///etc"},
		"users":                   {"https://me@example.com/", "https://me:secret@example.com/", "https://example.com@127.0.0.1/"},
		"ports":                   {"https://example.com:22/", "https://example.com:25/", "https://example.com:0/", "https://127.0.0.1:8443/"},
		"length":                  {"https://example.com/" + strings.Repeat("x", maxURL)},
	} {
		for _, u := range urls {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, u, http.NoBody)
			require.NoError(t, err, u)
			res, err := client.Do(req)
			if err == nil {
				_ = res.Body.Close()
			}
			require.ErrorIs(t, err, ErrRefused, "%s: %s", what, u)
		}
	}
}

// TestRules_AllowPublic: none of these is connected.
func TestRules_AllowPublic(t *testing.T) {
	t.Parallel()
	for _, u := range []string{
		"https://example.com/a?b#c", "https://example.com:443/", "https://example.com:8443/", "https://8.8.8.8/", "https://[2606:4700::1111]/", "https://1.1.1.1.example/",
		"https://bücher.example/", "https://0x7f.example.com/", "https://172.32.0.1/", "https://100.128.0.1/", "https://11.0.0.1/", "https://192.0.1.1/", "https://198.20.0.1/", "https://223.255.255.254/",
	} {
		at, err := url.Parse(u)
		require.NoError(t, err)
		assert.NoError(t, Rules{}.Check(at), u)
	}
	require.NoError(t, Rules{}.connects("tcp4", "8.8.8.8:443"))
	require.NoError(t, Rules{}.connects("tcp6", "[2606:4700::1111]:8443"))
	for _, c := range [][2]string{{"udp4", "8.8.8.8:443"}, {"unix", "/run/x.sock"}, {"tcp4", "8.8.8.8:25"}, {"tcp4", "8.8.8.8"}, {"tcp6", "[::ffff:8.8.8.8]:443"}} {
		require.ErrorIs(t, Rules{}.connects(c[0], c[1]), ErrRefused)
	}
	web, err := url.Parse("http://example.com/")
	require.NoError(t, err)
	assert.NoError(t, Rules{PlainHTTP: true}.Check(web))
}

// TestRules_Private: an operator's own networks are not the cloud's.
func TestRules_Private(t *testing.T) {
	t.Parallel()
	r := Rules{Private: true}
	for _, a := range []string{"10.1.2.3:443", "127.0.0.1:8080", "192.168.1.1:443", "100.64.1.1:443", "8.8.8.8:443"} {
		require.NoError(t, r.connects("tcp4", a), a)
	}
	for _, a := range []string{"[::1]:443", "[fd12::1]:443", "[2606:4700::1]:443"} {
		require.NoError(t, r.connects("tcp6", a), a)
	}
	for _, a := range []string{"169.254.169.254:80", "100.100.100.200:80", "168.63.129.16:80", "0.0.0.0:80", "224.0.0.1:80", "255.255.255.255:80", "[fd00:ec2::254]:80", "[fe80::1]:80", "[::ffff:10.0.0.1]:80", "[64:ff9b::a00:1]:80"} {
		require.ErrorIs(t, r.connects("tcp4", a), ErrRefused, a)
	}
}

// TestClient_Admitted: an admitted listener is reached, by address and by a name with several addresses, of which no other is contacted.
func TestClient_Admitted(t *testing.T) {
	t.Parallel()
	srv := elsewhere.Serve(t, "127.0.0.1:0", func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "hello "+r.Host) })
	victim := elsewhere.Serve(t, "127.0.0.2:"+srv.Port, func(http.ResponseWriter, *http.Request) {})
	dns := elsewhere.NewNames(t, map[string][][]string{"example.com": {{"127.0.0.2", "10.0.0.1", "127.0.0.1", "::1"}}})
	client := Client(rules(srv, dns))
	for _, host := range []string{"127.0.0.1", "example.com"} {
		text, err := get(t, client, "https://"+host+":"+srv.Port+"/")
		require.NoError(t, err)
		assert.Equal(t, "hello "+host+":"+srv.Port, text)
	}
	assert.Zero(t, victim.Connections())
}

// TestClient_NameChanges: what a name resolved to before is of no interest.
func TestClient_NameChanges(t *testing.T) {
	t.Parallel()
	srv := elsewhere.Serve(t, "127.0.0.1:0", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/again", http.StatusFound) })
	victim := elsewhere.Serve(t, "127.0.0.2:"+srv.Port, func(http.ResponseWriter, *http.Request) {})
	dns := elsewhere.NewNames(t, map[string][][]string{"example.com": {{"127.0.0.1"}, {"127.0.0.2"}}})
	client := Client(rules(srv, dns))
	_, err := get(t, client, "https://example.com:"+srv.Port+"/")
	require.ErrorIs(t, err, ErrRefused)
	assert.Equal(t, 1, srv.Connections())
	assert.Zero(t, victim.Connections())
}

// TestClient_Redirects: each step is subject to the rules.
func TestClient_Redirects(t *testing.T) {
	t.Parallel()
	srv := elsewhere.Serve(t, "127.0.0.1:0", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Referrer", r.Referer())
		to := r.URL.Query().Get("to")
		switch {
		case to != "":
			http.Redirect(w, r, to, http.StatusTemporaryRedirect)
		case r.URL.Path == "/3" || r.URL.Path == "/2" || r.URL.Path == "/1":
			http.Redirect(w, r, "/"+string(r.URL.Path[1]-1), http.StatusFound)
		case r.URL.Path == "/4":
			http.Redirect(w, r, "/3", http.StatusFound)
		default:
			_, _ = io.WriteString(w, "end "+r.Referer())
		}
	})
	victim := elsewhere.Serve(t, "127.0.0.2:"+srv.Port, func(http.ResponseWriter, *http.Request) {})
	dns := elsewhere.NewNames(t, map[string][][]string{"example.com": {{"127.0.0.1"}}, "inner.example.com": {{"127.0.0.2"}}})
	client := Client(rules(srv, dns))
	base := "https://example.com:" + srv.Port
	text, err := get(t, client, base+"/3")
	require.NoError(t, err)
	assert.Equal(t, "end ", text, "no referrer")
	_, err = get(t, client, base+"/4")
	require.ErrorIs(t, err, ErrRefused)
	for _, to := range []string{
		"https://127.0.0.2:" + srv.Port + "/", "https://inner.example.com:" + srv.Port + "/", "//127.0.0.2:" + srv.Port, "http://example.com:" + srv.Port + "/", "https://0x7f000002:" + srv.Port + "/",
		"https://me@example.com:" + srv.Port + "/", "https://[::ffff:127.0.0.2]:" + srv.Port + "/", "https://169.254.169.254/latest/meta-data/", "file:///etc/passwd", "https://example.com:25/",
	} {
		_, err := get(t, client, base+"/?to="+url.QueryEscape(to))
		require.ErrorIs(t, err, ErrRefused, to)
	}
	assert.Zero(t, victim.Connections())
}

// TestClient_Bounds: a body has a maximum, an environment's proxy is not used, and a cancelled caller does not wait.
func TestClient_Bounds(t *testing.T) {
	proxy := elsewhere.Serve(t, "127.0.0.2:0", func(http.ResponseWriter, *http.Request) {})
	t.Setenv("HTTPS_PROXY", proxy.URL)
	t.Setenv("ALL_PROXY", proxy.URL)
	arrived := make(chan struct{})
	srv := elsewhere.Serve(t, "127.0.0.1:0", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			close(arrived)
			<-r.Context().Done()
			return
		}
		_, _ = io.WriteString(w, strings.Repeat("x", 1001))
	})
	bounded := rules(srv, elsewhere.NewNames(t, map[string][][]string{"example.com": {{"127.0.0.1"}}}))
	bounded.MaxBody = 1000
	text, err := get(t, Client(bounded), "https://example.com:"+srv.Port+"/")
	_, tooLarge := errors.AsType[*http.MaxBytesError](err)
	assert.True(t, tooLarge)
	assert.Len(t, text, 1000)
	assert.Zero(t, proxy.Connections())

	ctx, cancel := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://example.com:"+srv.Port+"/slow", http.NoBody)
	require.NoError(t, err)
	go func() { <-arrived; cancel() }()
	res, err := Client(bounded).Do(req)
	if err == nil {
		_ = res.Body.Close()
	}
	require.ErrorIs(t, err, context.Canceled)
}

func get(t *testing.T, c *http.Client, u string) (string, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, u, http.NoBody)
	require.NoError(t, err)
	res, err := c.Do(req)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	return string(text), err
}

// rules admit the address of the servers alone.
func rules(s *elsewhere.Server, dns *elsewhere.Names) Rules {
	return Rules{Admitted: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}, Resolver: dns.Resolver(), Roots: s.Roots()}
}
