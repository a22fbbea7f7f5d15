package app

import (
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"chatbox/app/config"
)

// readyPod answers 200 to one path alone, on the address; it returns its port.
func readyPod(t *testing.T, address, path string) (port string) {
	t.Helper()
	var lc net.ListenConfig
	l, err := lc.Listen(t.Context(), "tcp", address)
	if err != nil {
		t.Skipf("NOT RUN: this machine has no %s: %v", address, err)
	}
	s := &httptest.Server{Listener: l, Config: &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != path {
				w.WriteHeader(http.StatusNotFound)
			}
		}),
	}}
	s.Start()
	t.Cleanup(s.Close)
	_, port, err = net.SplitHostPort(l.Addr().String())
	require.NoError(t, err)
	return port
}

// TestProbe_FindsThePodWhereItListens: the probe needs only the address and the path. Other settings may be missing or invalid.
func TestProbe_FindsThePodWhereItListens(t *testing.T) {
	for _, c := range []struct {
		name, listens, path string
		environ             []string
		file                string // of settings
	}{
		{name: "port alone", listens: "127.0.0.1:0", path: "/chatbox/readyz", environ: []string{"LISTEN_ADDR=:PORT"}},
		{name: "every IPv4 address", listens: "0.0.0.0:0", path: "/chatbox/readyz", environ: []string{"LISTEN_ADDR=0.0.0.0:PORT"}},
		{name: "every address", listens: "[::]:0", path: "/chatbox/readyz", environ: []string{"LISTEN_ADDR=[::]:PORT"}},
		{name: "IPv6 loopback", listens: "[::1]:0", path: "/chatbox/readyz", environ: []string{"LISTEN_ADDR=[::1]:PORT"}},
		{name: "port alone, on IPv6 alone", listens: "[::1]:0", path: "/chatbox/readyz", environ: []string{"LISTEN_ADDR=:PORT"}},
		{name: "one address", listens: "127.0.0.1:0", path: "/chatbox/readyz", environ: []string{"LISTEN_ADDR=127.0.0.1:PORT"}},
		{name: "another loopback", listens: "127.0.0.2:0", path: "/chatbox/readyz", environ: []string{"LISTEN_ADDR=127.0.0.2:PORT"}},
		{name: "a name", listens: "127.0.0.1:0", path: "/chatbox/readyz", environ: []string{"LISTEN_ADDR=localhost:PORT"}},
		{name: "the alias", listens: "127.0.0.1:0", path: "/chatbox/readyz", environ: []string{"SERVER_PORT=PORT"}},
		{name: "address before alias", listens: "127.0.0.1:0", path: "/chatbox/readyz", environ: []string{"SERVER_PORT=1", "LISTEN_ADDR=:PORT"}},
		{name: "another path", listens: "127.0.0.1:0", path: "/talk/eu/readyz", environ: []string{"LISTEN_ADDR=:PORT", "CHATBOX_PATH_PREFIX=/talk/eu/"}},
		{name: "no path", listens: "127.0.0.1:0", path: "/readyz", environ: []string{"LISTEN_ADDR=:PORT", "CHATBOX_PATH_PREFIX=/"}},
		{name: "an empty path is the default", listens: "127.0.0.1:0", path: "/chatbox/readyz", environ: []string{"LISTEN_ADDR=:PORT", "CHATBOX_PATH_PREFIX="}},
		{name: "a file", listens: "127.0.0.1:0", path: "/f/readyz", file: "listen_addr: \":PORT\"\nchatbox: {path_prefix: /f}\n"},
		{name: "a file and the environment", listens: "127.0.0.1:0", path: "/e/readyz", file: "server_port: PORT\nchatbox_path_prefix: /f\n", environ: []string{"CHATBOX_PATH_PREFIX=/e"}},
		{name: "a file with faults elsewhere", listens: "127.0.0.1:0", path: "/chatbox/readyz", file: "server_port: PORT\nrate_limit: 0\nunknown: 1\n"},
		{
			name: "everything else at fault", listens: "127.0.0.1:0", path: "/chatbox/readyz",
			environ: []string{"LISTEN_ADDR=:PORT", "JWT_SECRET=short", "RATE_LIMIT=0", "RATE_LIMITS=1", "JWT_SECRET_FILE=/nowhere", "REDIS_URL=x", "HTTP_PROXY=http://127.0.0.1:1"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			port := readyPod(t, c.listens, c.path)
			environ := strings.Fields(strings.ReplaceAll(strings.Join(c.environ, " "), "PORT=PORT", "PORT="+port))
			for i := range environ {
				environ[i] = strings.Replace(environ[i], ":PORT", ":"+port, 1)
			}
			file := ""
			if c.file != "" {
				file = written(t, "c.yaml", strings.ReplaceAll(c.file, "PORT", port))
				require.NoError(t, Probe(t.Context(), append(environ, "CHATBOX_CONFIG="+file), ""))
			}
			require.NoError(t, Probe(t.Context(), environ, file))
		})
	}
}

func TestProbe_NotReady(t *testing.T) {
	port := readyPod(t, "127.0.0.1:0", "/elsewhere/readyz")
	err := Probe(t.Context(), []string{"LISTEN_ADDR=:" + port}, "")
	require.ErrorContains(t, err, "/chatbox/readyz answers 404")
	err = Probe(t.Context(), []string{"LISTEN_ADDR=127.0.0.1:9"}, "")
	require.ErrorContains(t, err, "refused")

	redirecting := httptest.NewServer(http.RedirectHandler("http://127.0.0.1:"+port+"/elsewhere/readyz", http.StatusFound))
	defer redirecting.Close()
	err = Probe(t.Context(), []string{"LISTEN_ADDR=" + redirecting.Listener.Addr().String()}, "")
	require.ErrorContains(t, err, "302", "another server's word is nothing")
}

func TestProbe_ItsOwnSettingsAtFault(t *testing.T) {
	for _, environ := range [][]string{
		{"LISTEN_ADDR=8080"},
		{"SERVER_PORT=http"},
		{"CHATBOX_PATH_PREFIX=chat box"},
		{"LISTEN_ADDR=127.0.0.1:0"},
		{"CHATBOX_CONFIG=/nowhere/c.yaml"},
		{"CHATBOX_CONFIG=" + written(t, "c.yaml", "server_port: 1\nserver_port: 2\n")},
	} {
		err := Probe(t.Context(), environ, "")
		var fault *ProbeConfigError
		require.ErrorAs(t, err, &fault, environ)
		name, _, _ := strings.Cut(environ[0], "=")
		if name != "CHATBOX_CONFIG" {
			assert.Contains(t, err.Error(), name)
		}
	}
}

// written is a configuration file of its own.
func written(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

// TestAlive_IsAPodEvenIfItIsNotReady: another program at the address is none.
func TestAlive_IsAPodEvenIfItIsNotReady(t *testing.T) {
	serve := func(path, body string) config.HTTP {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusServiceUnavailable)
			if r.URL.Path == path {
				_, _ = w.Write([]byte(body))
			}
		}))
		t.Cleanup(s.Close)
		return config.HTTP{Listen: s.Listener.Addr().String(), Prefix: "/talk"}
	}
	assert.True(t, Alive(t.Context(), serve("/talk/healthz", `{"status":"healthy"}`)))
	assert.False(t, Alive(t.Context(), serve("/talk/healthz", `{"status":"up"}`)))
	assert.False(t, Alive(t.Context(), serve("/other/healthz", `{"status":"healthy"}`)))
	assert.False(t, Alive(t.Context(), config.HTTP{Listen: "127.0.0.1:9"}))
	assert.False(t, Alive(t.Context(), config.HTTP{Listen: "127.0.0.1:0"}))
}
