package api

import (
	"cmp"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"chatbox"
)

func TestRename_AnswersTheSession(t *testing.T) {
	p := newPod(t, nil)
	p.conv.rename = func(a chatbox.Actor, id, name string) (chatbox.Session, error) {
		assert.Equal(t, "ann s-1", a.UserID+" "+id)
		s := endedSession()
		s.Name = name
		return s, nil
	}
	status, _, body := p.call(http.MethodPatch, "/sessions/s-1", bearerHeader(token(t, nil)), strings.NewReader(`{"name":"Grüße <b> 👋","sender":7}`))
	assert.Equal(t, http.StatusOK, status)
	assert.Contains(t, string(body), `"name":"Grüße <b> 👋"`)
	assert.Contains(t, string(body), `"session_id":"s-1"`)
}

func TestPostMessage_IsAFrameWithoutASocket(t *testing.T) {
	p := newPod(t, nil)
	got := make(chan chatbox.Command, 1)
	p.conv.say = func(_ chatbox.Actor, cmd chatbox.Command) (chatbox.Event, error) {
		got <- cmd
		return chatbox.Event{ID: cmp.Or(cmd.ID, "made-here"), Seq: 7}, nil
	}
	for name, tc := range map[string]struct {
		key, body string
		want      chatbox.Command
	}{
		"id in the body":   {"", `{"id":"m1","content":"  hi\n"}`, chatbox.Command{ID: "m1", Content: "  hi\n"}},
		"id in the header": {"m2", `{"content":"hi"}`, chatbox.Command{ID: "m2", Content: "hi"}},
		"the same in both": {"m3", `{"id":"m3","content":"hi"}`, chatbox.Command{ID: "m3", Content: "hi"}},
		"files": {
			"", `{"content":"hi","file_ids":["a","b"],"file_id":"c"}`, chatbox.Command{Content: "hi", FileIDs: []string{"a", "b"}},
		},
		"no files": {"", `{"content":"hi","file_ids":[]}`, chatbox.Command{Content: "hi"}},
		"no id":    {"", `{"id":null,"content":"hi"}`, chatbox.Command{Content: "hi"}},
		"as frames are read": {
			"", `{"sender":"admin","type":1,"content":"a\u0000b","metadata":{"n":1.50,"ok":true}}`,
			chatbox.Command{Content: "ab", Metadata: map[string]string{"n": "1.50", "ok": "true"}},
		},
	} {
		h := bearerHeader(token(t, nil))
		if tc.key != "" {
			h.Set("Idempotency-Key", tc.key)
		}
		status, _, body := p.call(http.MethodPost, "/sessions/s-1/messages", h, strings.NewReader(tc.body))
		require.Equal(t, http.StatusAccepted, status, "%s: %s", name, body)
		tc.want.Type, tc.want.SessionID = chatbox.TypeUserMessage, "s-1"
		assert.Equal(t, tc.want, <-got, name)
		assert.JSONEq(t, `{"id":"`+cmp.Or(tc.want.ID, "made-here")+`","seq":7}`, string(body), name)
	}
}

func TestBodies_FaultsAreNamed(t *testing.T) {
	p := newPod(t, nil)
	long := strings.Repeat("x", chatbox.MaxContent+1)
	for _, tc := range []struct {
		method, path, body, key string
		code, field             string
	}{
		{http.MethodPatch, "/sessions/s", ``, "", "MISSING_FIELD", "name"},
		{http.MethodPatch, "/sessions/s", `{"name":null}`, "", "MISSING_FIELD", "name"},
		{http.MethodPatch, "/sessions/s", `{"name":7}`, "", "INVALID_FORMAT", "name"},
		{http.MethodPatch, "/sessions/s", `{"name":"\ud83d"}`, "", "INVALID_FORMAT", "name"},
		{http.MethodPatch, "/sessions/s", `{"name":"a","name":"b"}`, "", "INVALID_FORMAT", "name"},
		{http.MethodPatch, "/sessions/s", `[]`, "", "INVALID_FORMAT", "body"},
		{http.MethodPatch, "/sessions/s", `{"name":"a"} {}`, "", "INVALID_FORMAT", "body"},
		{http.MethodPost, "/sessions/s/messages", ``, "", "MISSING_FIELD", "content"},
		{http.MethodPost, "/sessions/s/messages", `{"id":"a b","content":"x"}`, "", "INVALID_FORMAT", "id"},
		{http.MethodPost, "/sessions/s/messages", `{"id":"ans_1","content":"x"}`, "", "INVALID_FORMAT", "id"},
		{http.MethodPost, "/sessions/s/messages", `{"id":"a","content":"x"}`, "b", "INVALID_FORMAT", "id"},
		{http.MethodPost, "/sessions/s/messages", `{"content":"x"}`, "a b", "INVALID_FORMAT", "id"},
		{http.MethodPost, "/sessions/s/messages", `{"content":["x"]}`, "", "INVALID_FORMAT", "content"},
		{http.MethodPost, "/sessions/s/messages", `{"content":"\u0000"}`, "", "MISSING_FIELD", "content"},
		{http.MethodPost, "/sessions/s/messages", `{"content":"` + long + `"}`, "", "INVALID_FORMAT", "content"},
		{http.MethodPost, "/sessions/s/messages", `{"content":"x","metadata":{"a":[]}}`, "", "INVALID_FORMAT", "metadata"},
		{http.MethodPost, "/sessions/s/messages", `{"file_ids":["a"]}`, "", "MISSING_FIELD", "content"},
		{http.MethodPost, "/sessions/s/messages", `{"content":"x","file_ids":"a"}`, "", "INVALID_FORMAT", "file_ids"},
		{http.MethodPost, "/sessions/s/messages", `{"content":"x","file_ids":["a","a"]}`, "", "INVALID_FORMAT", "file_ids"},
	} {
		h := bearerHeader(token(t, nil))
		if tc.key != "" {
			h.Set("Idempotency-Key", tc.key)
		}
		status, f := p.fails(tc.method, tc.path, h, strings.NewReader(tc.body))
		assert.Equal(t, http.StatusBadRequest, status, "%s %.60s", tc.path, tc.body)
		assert.Equal(t, tc.code, f.Code, tc.body)
		assert.Contains(t, f.Message, tc.field, tc.body)
	}
}

func TestPostMessage_RefusalsKeepTheirStatus(t *testing.T) {
	p := newPod(t, nil)
	for _, tc := range []struct {
		err    error
		status int
		code   string
	}{
		{&chatbox.Error{Code: chatbox.RateLimited, RetryAfter: 1500 * time.Millisecond}, http.StatusTooManyRequests, "TOO_MANY_REQUESTS"},
		{chatbox.NewError(chatbox.NotYours, "yours it is not", nil), http.StatusNotFound, "NOT_FOUND"},
		{chatbox.NewError(chatbox.Ended, "", nil), http.StatusConflict, "SESSION_ENDED"},
		{chatbox.NewError(chatbox.StoreFailed, "", nil), http.StatusServiceUnavailable, "DATABASE_ERROR"},
	} {
		p.conv.say = func(chatbox.Actor, chatbox.Command) (chatbox.Event, error) { return chatbox.Event{}, tc.err }
		status, h, body := p.call(http.MethodPost, "/sessions/s-1/messages", bearerHeader(token(t, nil)), strings.NewReader(`{"content":"x"}`))
		assert.Equal(t, tc.status, status)
		assert.Contains(t, string(body), tc.code)
		assert.NotContains(t, string(body), "yours")
		assert.Equal(t, tc.status != http.StatusTooManyRequests && tc.status != http.StatusServiceUnavailable, h.Get("Retry-After") == "")
	}
}

// Every user route requires a credential, whether or not the requested item
// exists, and answers pages of allowed origins.
func TestUserRoutes_AskForACredential(t *testing.T) {
	p := newPod(t, func(st *setup) { st.cfg.CORS = Origins{List: []string{"https://shop.example.com"}} })
	for _, r := range [][2]string{
		{http.MethodGet, "/sessions"},
		{http.MethodGet, "/sessions/s"},
		{http.MethodPatch, "/sessions/s"},
		{http.MethodDelete, "/sessions/s"},
		{http.MethodGet, "/sessions/s/export"},
		{http.MethodPost, "/sessions/s/messages"},
		{http.MethodPost, "/sessions/s/end"},
		{http.MethodPost, "/sessions/s/share"},
		{http.MethodDelete, "/sessions/s/share"},
	} {
		status, h, body := p.call(r[0], r[1], http.Header{"Origin": {"https://shop.example.com"}}, strings.NewReader(`{"content":"x"}`))
		assert.Equal(t, http.StatusUnauthorized, status, r)
		assert.Contains(t, string(body), "INVALID_TOKEN", r)
		assert.NotEmpty(t, h.Get("X-Request-Id"), r)
		assert.Equal(t, "nosniff", h.Get("X-Content-Type-Options"), r)
		assert.Equal(t, "https://shop.example.com", h.Get("Access-Control-Allow-Origin"), r)
		preflight := http.Header{"Origin": {"https://shop.example.com"}, "Access-Control-Request-Method": {r[0]}}
		status, h, _ = p.call(http.MethodOptions, r[1], preflight, nil)
		assert.Equal(t, http.StatusNoContent, status, r)
		assert.Contains(t, h.Get("Access-Control-Allow-Methods"), r[0])
		assert.Contains(t, h.Get("Access-Control-Allow-Headers"), "Idempotency-Key")
		assert.Contains(t, h.Get("Access-Control-Expose-Headers"), "Content-Disposition", "a download's name")
	}
}

func TestErase_AnswersAndHides(t *testing.T) {
	p := newPod(t, nil)
	p.conv.erase = func(a chatbox.Actor, id string) error {
		if id == "s-1" && a.UserID == "ann" {
			return nil
		}
		return chatbox.NewError(chatbox.NotFound, "session_id: no such session", nil)
	}
	status, _, body := p.call(http.MethodDelete, "/sessions/s-1", bearerHeader(token(t, nil)), nil)
	assert.Equal(t, http.StatusOK, status)
	assert.JSONEq(t, `{"status":"erased"}`, string(body))
	for _, id := range []string{"s-2", "a%20b", "%2e%2e"} {
		status, f := p.fails(http.MethodDelete, "/sessions/"+id, bearerHeader(token(t, nil)), nil)
		assert.Equal(t, http.StatusNotFound, status, id)
		assert.Equal(t, "NOT_FOUND", f.Code)
	}
}
