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
	"chatbox/app/conversation"
)

// fakeRating has one session, with a talk that was bob's.
type fakeRating struct{ kept *chatbox.Rating }

func (f *fakeRating) Rate(_ context.Context, _ chatbox.Actor, id string, score int, comment string) (chatbox.Rating, error) {
	comment, err := chatbox.CheckRating(score, comment)
	if err == nil && id != "talked" {
		err = chatbox.NewError(chatbox.NotFound, "", nil)
	}
	if err != nil {
		return chatbox.Rating{}, err
	}
	f.kept = &chatbox.Rating{Score: score, Comment: comment, Time: time.UnixMilli(7).UTC(), Talk: 3, AdminID: "bob"}
	return *f.kept, nil
}

func (f *fakeRating) RatingOf(_ context.Context, _ chatbox.Actor, id string) (conversation.RatingView, error) {
	switch id {
	case "talked":
		return conversation.RatingView{Requested: f.kept == nil, AdminID: "bob", AdminName: "Bob", Rating: f.kept}, nil
	case "alone":
		return conversation.RatingView{}, nil
	default:
		return conversation.RatingView{}, chatbox.NewError(chatbox.NotFound, "", nil)
	}
}

func TestRating_IsAskedForAndGiven(t *testing.T) {
	p := newPod(t, nil)
	h := bearerHeader(token(t, nil))
	ask := func(method, id, body string) (int, map[string]any) {
		t.Helper()
		status, _, b := p.call(method, "/sessions/"+id+"/rating", h, strings.NewReader(body))
		var out map[string]any
		require.NoError(t, json.Unmarshal(b, &out), "%s", b)
		return status, out
	}
	_, got := ask(http.MethodGet, "alone", "")
	assert.Equal(t, map[string]any{"session_id": "alone", "requested": false}, got)
	_, got = ask(http.MethodGet, "talked", "")
	assert.Equal(t, map[string]any{"session_id": "talked", "requested": true, "admin_id": "bob", "admin_name": "Bob"}, got)
	status, got := ask(http.MethodPost, "talked", `{"score":4,"comment":" <b>so</b> kind\u0000","more":1}`)
	assert.Equal(t, http.StatusOK, status)
	kept := map[string]any{
		"session_id": "talked", "score": 4.0, "comment": " <b>so</b> kind", "rated_at": "1970-01-01T00:00:00.007Z", "admin_id": "bob",
	}
	assert.Equal(t, kept, got)
	_, got = ask(http.MethodGet, "talked", "")
	kept["requested"], kept["admin_name"] = false, "Bob"
	assert.Equal(t, kept, got)
	for _, id := range []string{"alone", "nobodys", "a%20b"} {
		status, got = ask(http.MethodPost, id, `{"score":1}`)
		assert.Equal(t, http.StatusNotFound, status, id)
		assert.Equal(t, "NOT_FOUND", got["code"])
	}
	status, got = ask(http.MethodPost, "talked", `{"comment":"x"}`)
	assert.Equal(t, http.StatusBadRequest, status)
	assert.Equal(t, "MISSING_FIELD", got["code"])
	for body, field := range map[string]string{
		`{"score":0}`: "score", `{"score":6}`: "score", `{"score":4.0}`: "score", `{"score":"4"}`: "score", `{"score":4,"score":5}`: "score",
		`{"score":4294967297}`: "score", `{"score":4,"comment":7}`: "comment",
		`{"score":4,"comment":"` + strings.Repeat("x", 1001) + `"}`: "comment", `[]`: "body",
	} {
		status, got = ask(http.MethodPost, "talked", body)
		assert.Equal(t, http.StatusBadRequest, status, body)
		assert.Equal(t, "INVALID_FORMAT", got["code"], body)
		message, _ := got["message"].(string)
		assert.True(t, strings.HasPrefix(message, field+":"), "%s: %s", body, message)
	}
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		status, f := p.fails(method, "/sessions/talked/rating", nil, nil)
		assert.Equal(t, http.StatusUnauthorized, status)
		assert.Equal(t, "INVALID_TOKEN", f.Code)
	}
}
