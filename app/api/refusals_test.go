package api

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"chatbox"
)

// metric reads one line of the pod's metrics.
func (p *pod) metric(line string) string {
	p.t.Helper()
	resp, err := http.Get(p.url + "/metrics/prometheus")
	require.NoError(p.t, err)
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	require.NoError(p.t, err)
	for l := range strings.Lines(string(b)) {
		if v, ok := strings.CutPrefix(l, line+" "); ok {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

func TestRefused_IsCountedByReasonAndToldOnceAMinute(t *testing.T) {
	p := newPod(t, func(st *setup) { st.hub.MaxConns = 1 })
	for _, reason := range chatbox.Refusals() {
		require.Equal(t, "0", p.metric(`chat_refused_total{reason="`+string(reason)+`"}`), reason)
	}
	good := token(t, nil)
	for range 3 {
		p.refused("?token=nonsense-canary", nil)
	}
	p.refused("?token="+token(t, map[string]any{"exp": 1}), nil)
	h := bearerHeader(good)
	h.Set("Origin", "https://elsewhere.example.com")
	p.refused("", h)
	p.open("?token=" + good)
	p.refused("?token="+good, nil)
	p.call(http.MethodGet, "/admin/cluster", bearerHeader(good), nil)
	for reason, want := range map[string]string{
		"credential": "3", "expired": "1", "origin": "1", "pod_cap": "1", "permission": "1", "user_cap": "0", "rate": "0",
	} {
		assert.Equal(t, want, p.metric(`chat_refused_total{reason="`+reason+`"}`), reason)
	}
	said := p.logs.String()
	assert.Equal(t, 1, strings.Count(said, `"reason":"credential"`), "one line, however many come")
	assert.Contains(t, said, `"origin":"https://elsewhere.example.com"`)
	assert.Contains(t, said, `"ip":"127.0.0.1"`)
	assert.NotContains(t, said, "canary")
	assert.NotContains(t, said, good)
}

func TestReport_WhatIsAwayIsOneLineNotOneARequest(t *testing.T) {
	p := newPod(t, nil)
	p.conv.sessions = func(chatbox.Actor, chatbox.SessionQuery) (chatbox.SessionPage, error) {
		return chatbox.SessionPage{}, chatbox.NewError(chatbox.StoreFailed, "", io.ErrUnexpectedEOF)
	}
	for range 20 {
		p.call(http.MethodGet, "/sessions", bearerHeader(token(t, nil)), nil)
	}
	assert.Equal(t, 1, strings.Count(p.logs.String(), `"request failed"`))
	assert.Equal(t, "20", p.metric(`chat_refused_total{reason="history"}`))
}
