package app

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"chatbox"
	"chatbox/app/api"
)

// startPrivately serves the private listener of an app that has nothing else.
func startPrivately(t *testing.T, level *slog.LevelVar) *App {
	t.Helper()
	reg := prometheus.NewRegistry()
	reg.MustRegister(prometheus.NewCounter(prometheus.CounterOpts{Name: "chat_tested_total", Help: "x"}))
	a := &App{
		opts:     Options{Private: "127.0.0.1:0", Level: level, API: api.Config{Prefix: "/chatbox"}},
		registry: reg, log: slog.New(slog.DiscardHandler),
	}
	require.NoError(t, a.listenPrivately(t.Context()))
	done := make(chan struct{})
	go func() {
		defer close(done)
		a.private.serve(context.WithoutCancel(t.Context()), a.log)
	}()
	t.Cleanup(func() {
		require.NoError(t, a.private.close())
		<-done
	})
	return a
}

func (a *App) get(t *testing.T, method, path, body string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, "http://"+a.PrivateAddr()+path, strings.NewReader(body))
	require.NoError(t, err)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Do(req)
	require.NoError(t, err)
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return res.StatusCode, string(text)
}

func TestPrivate_MetricsProfilesAndLevel(t *testing.T) {
	var level slog.LevelVar
	a := startPrivately(t, &level)
	for _, path := range []string{"/metrics", "/chatbox/metrics/prometheus"} {
		status, text := a.get(t, http.MethodGet, path, "")
		assert.Equal(t, http.StatusOK, status)
		assert.Contains(t, text, "chat_tested_total 0")
	}
	status, text := a.get(t, http.MethodGet, "/debug/pprof/goroutine?debug=1", "")
	assert.Equal(t, http.StatusOK, status)
	assert.Contains(t, text, "goroutine profile")
	for _, path := range []string{"/debug/pprof/cmdline", "/chatbox/healthz", "/"} {
		status, _ = a.get(t, http.MethodGet, path, "")
		assert.Equal(t, http.StatusNotFound, status, path)
	}

	status, text = a.get(t, http.MethodGet, "/log/level", "")
	assert.Equal(t, http.StatusOK, status)
	assert.JSONEq(t, `{"level":"INFO"}`, text)
	for _, body := range []string{"", "{}", `{"level":"LOUD"}`, `{"level":7}`, strings.Repeat(" ", 2000)} {
		status, text = a.get(t, http.MethodPut, "/log/level", body)
		assert.Equal(t, http.StatusBadRequest, status, body)
		assert.Contains(t, text, "level:")
	}
	assert.Equal(t, slog.LevelInfo, level.Level(), "nothing changed")
	status, text = a.get(t, http.MethodPut, "/log/level", `{"level":"debug"}`)
	assert.Equal(t, http.StatusOK, status)
	assert.JSONEq(t, `{"level":"DEBUG"}`, text)
	assert.Equal(t, slog.LevelDebug, level.Level())
}

func TestPrivate_LogsItsAddress(t *testing.T) {
	var lines bytes.Buffer
	a := &App{opts: Options{Private: "127.0.0.1:0"}, log: slog.New(slog.NewTextHandler(&lines, nil))}
	require.NoError(t, a.listenPrivately(t.Context()))
	assert.Contains(t, lines.String(), `msg="private listener opened" addr=`+a.PrivateAddr())
	require.NoError(t, a.private.listener.Close())
}

func TestPrivate_NamesItsVariable(t *testing.T) {
	a := &App{opts: Options{Private: "192.0.2.1:9100"}}
	err := a.listenPrivately(t.Context())
	require.ErrorContains(t, err, "METRICS_ADDR")
	var unfit *chatbox.UnfitError
	require.ErrorAs(t, err, &unfit)
	assert.Empty(t, a.PrivateAddr())
	require.NoError(t, a.private.close())
}
