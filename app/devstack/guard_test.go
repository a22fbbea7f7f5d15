package devstack

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv("DEVSTACK_TEST_LOCK"); dir != "" { // another process, for TestLockFolder_OneProcess
		if _, err := lockFolder(dir, "the other"); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(3)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

func oneStack(t *testing.T, data string) (*Stack, error) {
	t.Helper()
	model, err := ModelFromEnv(func(string) string { return "" }, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	t.Cleanup(model.Close)
	cfg := DefaultConfig()
	cfg.Pods, cfg.Addr, cfg.Data, cfg.LLM, cfg.Drain.Window = 2, "127.0.0.1:0", data, model, 0
	return Start(t.Context(), cfg)
}

// Web pages must not stop pods: neither pages of other origins nor those whose
// host name resolves to this machine.
func TestStack_SwitchesAreNotForPages(t *testing.T) {
	s, err := oneStack(t, t.TempDir())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Stop(context.WithoutCancel(t.Context()))) })
	at := s.listener.Addr().String()
	_, port, _ := cutPort(at)
	for name, c := range map[string]struct {
		method, path, host string
		header             map[string]string
		status             int
	}{
		"a page of another origin":  {"POST", "/dev/pods/pod-1/kill", at, map[string]string{"Origin": "https://evil.example"}, 403},
		"the same, drain":           {"POST", "/dev/pods/pod-1/drain", at, map[string]string{"Origin": "http://evil.example"}, 403},
		"the same, start":           {"POST", "/dev/pods/pod-1/start", at, map[string]string{"Origin": "http://evil.example"}, 403},
		"no origin of a page's":     {"POST", "/dev/pods/pod-1/kill", at, map[string]string{"Origin": "null"}, 403},
		"another port":              {"POST", "/dev/pods/pod-1/kill", at, map[string]string{"Origin": "http://127.0.0.1:1"}, 403},
		"an origin that begins so":  {"POST", "/dev/pods/pod-1/kill", at, map[string]string{"Origin": "http://" + at + ".evil.example"}, 403},
		"the browser says so":       {"POST", "/dev/pods/pod-1/kill", at, map[string]string{"Sec-Fetch-Site": "cross-site"}, 403},
		"the same site":             {"POST", "/dev/pods/pod-1/kill", at, map[string]string{"Sec-Fetch-Site": "same-site"}, 403},
		"a name that was rebound":   {"POST", "/dev/pods/pod-1/kill", "evil.example:" + port, map[string]string{"Origin": "http://evil.example:" + port}, 403},
		"the same, to look":         {"GET", "/dev/pods", "evil.example:" + port, nil, 403},
		"localhost in a name":       {"GET", "/dev/pods", "localhost.evil.example:" + port, nil, 403},
		"a program":                 {"GET", "/dev/pods", at, nil, 200},
		"a program, by name":        {"GET", "/dev/pods", "localhost:" + port, nil, 200},
		"an address of IPv6":        {"GET", "/dev/pods", "[::1]:" + port, nil, 200},
		"the stack's own page":      {"POST", "/dev/pods/pod-9/kill", at, map[string]string{"Origin": "http://" + at, "Sec-Fetch-Site": "same-origin"}, 404},
		"its page, by name":         {"POST", "/dev/pods/pod-9/kill", "localhost:" + port, map[string]string{"Origin": "http://localhost:" + port}, 404},
		"a program that kills":      {"POST", "/dev/pods/pod-9/kill", at, nil, 404},
		"the pods' are none of it":  {"GET", "/chatbox/healthz", "chat.example", map[string]string{"Origin": "https://chat.example"}, 200},
		"a kill by GET, as a link":  {"GET", "/dev/pods/pod-1/kill", at, nil, 405},
		"what there is not":         {"GET", "/dev/else", at, nil, 404},
		"what there is not, a page": {"GET", "/dev/else", at, map[string]string{"Origin": "http://evil.example"}, 403},
	} {
		req, err := http.NewRequestWithContext(t.Context(), c.method, s.URL()+c.path, nil)
		require.NoError(t, err)
		req.Host = c.host
		for k, v := range c.header {
			req.Header.Set(k, v)
		}
		res, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
		require.NoError(t, err)
		_ = res.Body.Close()
		assert.Equal(t, c.status, res.StatusCode, name)
	}
	for _, p := range s.Pods() {
		assert.Equal(t, stateRunning, p.State)
	}
	assert.False(t, s.Exposed())
}

func cutPort(at string) (string, string, bool) {
	for i := len(at) - 1; i >= 0; i-- {
		if at[i] == ':' {
			return at[:i], at[i+1:], true
		}
	}
	return at, "", false
}

// A second stack with one data folder is told who holds it, and changes nothing.
func TestStack_OneDataFolderOneStack(t *testing.T) {
	data := t.TempDir()
	first, err := oneStack(t, data)
	require.NoError(t, err)
	_, err = oneStack(t, data)
	require.ErrorContains(t, err, fmt.Sprintf("is in use by process %d, chatbox-dev on 127.0.0.1:0", os.Getpid()))
	require.NoError(t, first.Stop(t.Context()))
	again, err := oneStack(t, data)
	require.NoError(t, err, "the folder is free again")
	require.NoError(t, again.Stop(t.Context()))
}

func TestLockFolder_OneProcess(t *testing.T) {
	data := filepath.Join(t.TempDir(), "new")
	release, err := lockFolder(data, "this one")
	require.NoError(t, err)
	other := func() ([]byte, error) {
		cmd := exec.CommandContext(t.Context(), os.Args[0])
		cmd.Env = append(os.Environ(), "DEVSTACK_TEST_LOCK="+data)
		return cmd.CombinedOutput()
	}
	said, err := other()
	require.Error(t, err)
	assert.Contains(t, string(said), fmt.Sprintf("process %d, this one", os.Getpid()))
	require.NoError(t, release())
	said, err = other()
	require.NoError(t, err, string(said))
	release, err = lockFolder(data, "this one") // the other process died without unlocking
	require.NoError(t, err)
	require.NoError(t, release())
}
