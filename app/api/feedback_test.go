package api

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"chatbox"
)

// fakeFeedback has one answer.
type fakeFeedback struct{}

func (fakeFeedback) Give(_ context.Context, _ chatbox.Actor, id, answer string, o chatbox.Opinion, comment string) (*chatbox.Feedback, error) {
	comment, err := chatbox.CheckFeedback(o, comment)
	switch {
	case err != nil:
		return nil, err
	case id != "talked" || answer != "ans_x":
		return nil, chatbox.NewError(chatbox.NotFound, "", nil)
	case o == chatbox.OpinionNone:
		return nil, nil //nolint:nilnil // none
	}
	return &chatbox.Feedback{Opinion: o, Comment: comment, Time: time.UnixMilli(7).UTC()}, nil
}

func TestFeedback_IsGivenAndTakenBack(t *testing.T) {
	p := newPod(t, nil)
	h := bearerHeader(token(t, nil))
	give := func(path, body string) (int, map[string]any) {
		t.Helper()
		status, _, b := p.call(http.MethodPut, path+"/feedback", h, strings.NewReader(body))
		var out map[string]any
		require.NoError(t, json.Unmarshal(b, &out), "%s", b)
		return status, out
	}
	const answer = "/sessions/talked/messages/ans_x"
	status, got := give(answer, `{"value":"down","comment":" <b>no</b>\u0000","more":1}`)
	assert.Equal(t, http.StatusOK, status)
	assert.Equal(t, map[string]any{
		"session_id": "talked", "message_id": "ans_x", "value": "down", "comment": " <b>no</b>", "given_at": "1970-01-01T00:00:00.007Z",
	}, got)
	_, got = give(answer, `{"value":"none","comment":""}`)
	assert.Equal(t, map[string]any{"session_id": "talked", "message_id": "ans_x", "value": "none"}, got)
	for _, path := range []string{"/sessions/alone/messages/ans_x", "/sessions/talked/messages/m-1", "/sessions/a%20b/messages/ans_x"} {
		status, got = give(path, `{"value":"up"}`)
		assert.Equal(t, http.StatusNotFound, status, path)
		assert.Equal(t, "NOT_FOUND", got["code"])
	}
	for body, want := range map[string][2]string{
		`{}`:                               {"MISSING_FIELD", "value"},
		``:                                 {"MISSING_FIELD", "value"},
		`{"value":null}`:                   {"MISSING_FIELD", "value"},
		`{"value":"good"}`:                 {"INVALID_FORMAT", "value"},
		`{"value":1}`:                      {"INVALID_FORMAT", "value"},
		`{"value":"up","value":"down"}`:    {"INVALID_FORMAT", "value"},
		`{"value":"up","comment":7}`:       {"INVALID_FORMAT", "comment"},
		`{"value":"none","comment":"why"}`: {"INVALID_FORMAT", "comment"},
		`{"value":"up","comment":"` + strings.Repeat("ä", chatbox.MaxComment+1) + `"}`: {"INVALID_FORMAT", "comment"},
	} {
		status, got = give(answer, body)
		assert.Equal(t, http.StatusBadRequest, status, body)
		assert.Equal(t, want[0], got["code"], body)
		assert.Contains(t, got["message"], want[1], body)
	}
}
