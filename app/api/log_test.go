package api

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"strings"
	"testing"

	"chatbox"
	"chatbox/app/live"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// line returns the last logged line that contains the text.
func (l *logs) line(t *testing.T, text string) (line map[string]any) {
	t.Helper()
	for each := range strings.Lines(l.String()) {
		if strings.Contains(each, text) {
			require.NoError(t, json.Unmarshal([]byte(each), &line))
		}
	}
	require.NotNil(t, line, text)
	return line
}

// A store that fails is logged. A client that leaves makes the same store fail.
func TestLog_AClientThatLeavesIsNoTrouble(t *testing.T) {
	lines := &logs{}
	e := &edge{log: slog.New(slog.NewJSONHandler(lines, nil))}
	gone, leave := context.WithCancel(t.Context())
	leave()
	for _, code := range []chatbox.Code{chatbox.StoreFailed, chatbox.FilesFailed, chatbox.Unavailable, chatbox.Internal} {
		err := chatbox.NewError(code, "", context.Canceled)
		e.report(gone, err, "x")
		assert.NotContains(t, lines.String(), "request failed", code)
	}
	e.report(t.Context(), chatbox.NewError(chatbox.StoreFailed, "", context.Canceled), "x")
	assert.Contains(t, lines.String(), "request failed")
}

// Errors behind a request or a frame are logged with the ids that the client
// knows.
func TestLog_NamesTheRequestAndTheSocket(t *testing.T) {
	p := newPod(t, nil)
	p.conv.post = func(context.Context, live.Socket, chatbox.Command) error { return errors.New("boom") }
	named := func(id string) http.Header {
		h := maps.Clone(bearerHeader(token(t, nil)))
		h.Set(headerRequestID, id)
		return h
	}
	status, _, _ := p.call(http.MethodGet, "/sessions", named("r-1"), nil)
	require.Equal(t, http.StatusOK, status)
	s := p.openRaw("", named("r-2"))
	hello := s.read()
	s.send(`{"type":"user_message","content":"x"}`)
	s.readError()

	assert.Equal(t, "r-1", p.logs.line(t, `/sessions"`)["request_id"])
	boom := p.logs.line(t, "boom")
	assert.Equal(t, "r-2", boom["request_id"])
	assert.Equal(t, hello["metadata"].(map[string]any)["connection_id"], boom["conn"])
}
