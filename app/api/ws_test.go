package api

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"chatbox"
	"chatbox/app/live"
	"chatbox/hub"
)

func TestSocket_FirstFrameSaysWhoWhereAndWhich(t *testing.T) {
	p := newPod(t, nil)
	s := p.openRaw("", bearerHeader(token(t, nil)))
	f := s.read()
	assert.Equal(t, "connection_status", f["type"])
	assert.Empty(t, f["session_id"])
	assert.Equal(t, "ann", f["user_id"])
	assert.Equal(t, "system", f["sender"])
	assert.Equal(t, []any{map[string]any{"id": "small", "name": "Small"}}, f["models"])
	meta, _ := f["metadata"].(map[string]any)
	assert.Equal(t, "pod-1", meta["pod"])
	assert.Equal(t, "1", meta["protocol"])
	assert.NotEmpty(t, meta["connection_id"])
}

func TestSocket_AcceptsEachKindOfCredential(t *testing.T) {
	p := newPod(t, nil)
	good := token(t, nil)
	for name, tc := range map[string]struct {
		query  string
		header http.Header
	}{
		"header":               {"", bearerHeader(good)},
		"header, another case": {"", http.Header{"Authorization": {"bearer " + good}}},
		"subprotocol":          {"", http.Header{"Sec-WebSocket-Protocol": {"chatbox.v1, bearer." + good}}},
		"query":                {"?token=" + good, nil},
		"subject claim":        {"", bearerHeader(token(t, map[string]any{"user_id": nil, "sub": "ann"}))},
	} {
		t.Run(name, func(t *testing.T) {
			s := p.openRaw(tc.query, tc.header)
			assert.Equal(t, "ann", s.read()["user_id"])
		})
	}
}

func TestSocket_AttachesBeforeFramesAreAnswered(t *testing.T) {
	p := newPod(t, nil)
	gate := make(chan struct{})
	type wish struct {
		id    string
		after *int64
	}
	got := make(chan wish, 1)
	p.conv.attach = func(_ context.Context, c live.Socket, id string, after *int64) error {
		<-gate
		got <- wish{id, after}
		p.hub.Get(c.ID()).Send(Encoder("/chatbox")(hub.Delivery{
			Session: chatbox.SessionKey{ID: id}, Resumed: &hub.Resumed{Seq: 7, Recovered: true},
		}))
		return nil
	}
	s := p.openRaw("?session_id=s-1&last_seq=5", bearerHeader(token(t, nil)))
	assert.Equal(t, "s-1", s.read()["session_id"])
	s.send(`{"type":"ping","id":"p"}`)
	close(gate)
	w := <-got
	assert.Equal(t, "s-1", w.id)
	require.NotNil(t, w.after)
	assert.EqualValues(t, 5, *w.after)
	assert.Equal(t, "resumed", s.read()["type"])
	assert.Equal(t, "pong", s.read()["type"])
}

func TestSocket_RefusedAttachIsOneErrorAndTheSocketStays(t *testing.T) {
	p := newPod(t, nil)
	p.conv.attach = func(_ context.Context, _ live.Socket, _ string, after *int64) error {
		assert.Nil(t, after)
		return chatbox.NewError(chatbox.NotYours, "", nil)
	}
	s := p.open("?session_id=theirs")
	code, _, f := s.readError()
	assert.Equal(t, "UNAUTHORIZED", code)
	assert.Equal(t, "theirs", f["session_id"])
	s.alive()
}

func TestSocket_MalformedWishIsReportedOnTheSocket(t *testing.T) {
	p := newPod(t, nil)
	for query, field := range map[string]string{
		"?session_id=..": "session_id", "?session_id=.": "session_id",
		"?session_id=a%20b": "session_id", "?session_id=a&last_seq=x": "last_seq", "?session_id=a&last_seq=-1": "last_seq",
	} {
		s := p.open(query)
		code, message, _ := s.readError()
		assert.Equal(t, "INVALID_FORMAT", code)
		assert.Contains(t, message, field)
		s.alive()
	}
}

// As REST: what one reader takes for one thing and another for another, or what
// would be lost, is refused before anything is done.
func TestAbuse_QueryOfTheSocketThatCanBeReadInTwoWays(t *testing.T) {
	p := newPod(t, nil)
	for query, field := range map[string]string{
		"?session_id=a&session_id=b": "session_id", "?session_id=a&last_seq=1&last_seq=2": "last_seq", "?token=x&token=x": "token",
		"?ticket=x&ticket=y": "ticket", "?session_id=a;last_seq=1": "query", "?session_id=a&x=%zz": "query", "?%zz": "query", "?session_id=%zz": "query",
	} {
		_, resp, err := p.dial(query, bearerHeader(token(t, nil)))
		require.Error(t, err, query)
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		assert.Equal(t, http.StatusBadRequest, resp.StatusCode, query)
		assert.Contains(t, string(body), field, query)
	}
	assert.Zero(t, p.conv.tried, "it takes no slot")
	p.open("?session_id=a&unknown=1").alive()
}

func TestSocket_DispatchesFrames(t *testing.T) {
	p := newPod(t, nil)
	posted := make(chan chatbox.Command, 2)
	p.conv.post = func(_ context.Context, _ live.Socket, cmd chatbox.Command) error {
		posted <- cmd
		return nil
	}
	resumed := make(chan int64, 1)
	p.conv.resume = func(_ live.Socket, id string, seq int64) error {
		assert.Empty(t, id, "the use case knows the current session")
		resumed <- seq
		return nil
	}
	s := p.open("")
	s.send(`{"type":"user_message","id":"m-1","session_id":"s","content":"  a\u0000b ","sender":"admin","metadata":{"n":1}}`)
	assert.Equal(t, chatbox.Command{
		Type: "user_message", ID: "m-1", SessionID: "s", Content: "  ab ", Metadata: map[string]string{"n": "1"},
	}, <-posted)
	s.send(`{"type":"model_select","model_id":"small"}`)
	assert.Equal(t, chatbox.Command{Type: "model_select", ModelID: "small"}, <-posted)
	s.send(`{"type":"resume","seq":0}`)
	assert.EqualValues(t, 0, <-resumed)
	reads := make(chan int64, 1)
	p.conv.read = func(_ live.Socket, id string, seq int64) error {
		assert.Equal(t, "s", id)
		reads <- seq
		return chatbox.Invalid("seq", "there is no such event yet")
	}
	s.send(`{"type":"read","session_id":"s","seq":7}`)
	assert.EqualValues(t, 7, <-reads)
	code, message, _ := s.readError()
	assert.Equal(t, "INVALID_FORMAT", code)
	assert.Contains(t, message, "seq")
	s.send(`{"type":"read","session_id":"s"}`)
	code, message, _ = s.readError()
	assert.Equal(t, "MISSING_FIELD", code)
	assert.Contains(t, message, "seq")
	s.alive()
}

func TestSocket_RefusalsNameTheFieldAndEcho(t *testing.T) {
	p := newPod(t, nil)
	p.conv.post = func(context.Context, live.Socket, chatbox.Command) error {
		t.Error("a refused frame reached the use case")
		return nil
	}
	s := p.open("")
	long := strings.Repeat("x", chatbox.MaxContent+1)
	for _, tc := range []struct{ frame, code, field, id, session string }{
		{`{"type":"user_message","id":"m","session_id":"s"}`, "MISSING_FIELD", "content", "m", "s"},
		{`{"type":"user_message","id":"m","content":"\u0000"}`, "MISSING_FIELD", "content", "m", ""},
		{`{"type":"user_message","id":"m","content":"` + long + `"}`, "INVALID_FORMAT", "content", "m", ""},
		{`{"type":"user_message","id":"ans_x","content":"x"}`, "INVALID_FORMAT", "id", "", ""},
		{`{"type":"user_message","id":"m","session_id":"a/b","content":"x"}`, "INVALID_FORMAT", "session_id", "m", ""},
		{`{"type":"model_select","id":"m"}`, "MISSING_FIELD", "model_id", "m", ""},
		{`{"type":"resume","session_id":"s"}`, "MISSING_FIELD", "seq", "", "s"},
		{`{"type":"ai_response","id":"m","content":"I am the model"}`, "INVALID_FORMAT", "type", "m", ""},
		{`{"type":"file_upload","id":"m","session_id":"s"}`, "MISSING_FIELD", "file_id", "m", "s"},
		{`{"type":"voice_message","id":"m","session_id":"s","file_id":""}`, "MISSING_FIELD", "file_id", "m", "s"},
		{`{"type":"file_upload","id":"m","file_id":7}`, "INVALID_FORMAT", "file_id", "m", ""},
		{`{"type":"file_upload","id":"m","file_url":"http://example.com/a"}`, "INVALID_FORMAT", "file_url", "m", ""},
		{`{"type":"user_message","id":"m","file_ids":["f"]}`, "MISSING_FIELD", "content", "m", ""},
		{`{"content":"x"}`, "MISSING_FIELD", "type", "", ""},
	} {
		s.send(tc.frame)
		code, message, f := s.readError()
		assert.Equal(t, tc.code, code, tc.frame[:min(80, len(tc.frame))])
		assert.Contains(t, message, tc.field)
		id, _ := f["id"].(string)
		session, _ := f["session_id"].(string)
		assert.Equal(t, tc.id, id)
		assert.Equal(t, tc.session, session)
	}
	s.alive()
}

func TestSocket_ErrorsOfUseCasesGoToTheAskerAlone(t *testing.T) {
	p := newPod(t, nil)
	p.conv.post = func(context.Context, live.Socket, chatbox.Command) error {
		return &chatbox.Error{Code: chatbox.RateLimited, RetryAfter: 1200 * time.Millisecond}
	}
	other, s := p.open(""), p.open("")
	s.send(`{"type":"user_message","id":"m","content":"x"}`)
	code, _, f := s.readError()
	assert.Equal(t, "TOO_MANY_REQUESTS", code)
	e, _ := f["error"].(map[string]any)
	assert.InDelta(t, 1200, e["retry_after"], 0)
	assert.Equal(t, true, e["recoverable"])
	other.alive()
}

func TestSocket_ExpiredTokenIsToldAndClosed(t *testing.T) {
	p := newPod(t, nil)
	s := p.openRaw("", bearerHeader(token(t, map[string]any{"exp": time.Now().Add(time.Second).Unix()})))
	require.Equal(t, "connection_status", s.read()["type"])
	code, _, _ := s.readError()
	assert.Equal(t, "EXPIRED_TOKEN", code)
	assert.Equal(t, hub.CloseCredential, s.closeCode())
}

func TestSocket_ATokenThatEndsAfterTheYear2262Lives(t *testing.T) {
	p := newPod(t, nil)
	for _, exp := range []int64{9_223_372_037, 9_300_000_000, 18_500_000_000, 253_402_300_799, 1_900_000_000_000} {
		s := p.openRaw("", bearerHeader(token(t, map[string]any{"exp": exp})))
		require.Equal(t, "connection_status", s.read()["type"])
		s.send(`{"type":"auth","id":"again","token":"` + token(t, map[string]any{"exp": exp}) + `"}`)
		require.Equal(t, "connection_status", s.read()["type"], "%d", exp)
		s.alive()
		require.NoError(t, s.ws.Close())
		require.Eventually(t, func() bool { return p.hub.Len() == 0 }, soon, time.Millisecond)
	}
}

func TestSocket_DeathFreesEverything(t *testing.T) {
	p := newPod(t, func(st *setup) { st.hub.MaxConns = 1 })
	for range 3 {
		s := p.open("")
		require.Equal(t, 1, p.conv.registered())
		require.NoError(t, s.ws.NetConn().Close()) // no goodbye
		require.Eventually(t, func() bool {
			if p.hub.Acquire() != nil {
				return false
			}
			p.hub.Release()
			return true
		}, soon, time.Millisecond, "the slot was not given back")
		require.Zero(t, p.conv.registered())
	}
	p.conv.mu.Lock()
	defer p.conv.mu.Unlock()
	assert.Equal(t, 3, p.conv.left)
}

func TestSocket_ReaderDoesNotWaitForUseCases(t *testing.T) {
	p := newPod(t, nil)
	entered, gate := make(chan struct{}), make(chan struct{})
	p.conv.post = func(context.Context, live.Socket, chatbox.Command) error {
		close(entered)
		<-gate
		return nil
	}
	s := p.open("")
	pong := make(chan struct{})
	s.ws.SetPongHandler(func(string) error { close(pong); return nil })
	s.send(`{"type":"user_message","content":"x"}`)
	s.send(`{"type":"ping","id":"after"}`)
	<-entered
	answered := make(chan []byte, 1)
	go func() {
		_, b, _ := s.ws.ReadMessage()
		answered <- b
	}()
	require.NoError(t, s.ws.WriteControl(websocket.PingMessage, nil, time.Now().Add(soon)))
	<-pong
	assert.Empty(t, answered, "frames are answered in order")
	close(gate)
	assert.Contains(t, string(<-answered), `"pong"`)
}

func TestEndOfCredential(t *testing.T) {
	now := time.Now()
	assert.Zero(t, endOfCredential(chatbox.Actor{}, now))
	assert.Equal(t, now.Add(time.Minute), endOfCredential(chatbox.Actor{ExpiresAt: now.Add(time.Minute)}, now))
	assert.Equal(t, now.Add(50*time.Second), endOfCredential(chatbox.Actor{ExpiresAt: now.Add(-10 * time.Second)}, now),
		"what the leeway let in is not thrown out at once")
}

func TestAuth_RenewalOutlivesTheOldToken(t *testing.T) {
	t.Parallel() // it waits for the end of a token that must outlive a handshake on a busy machine
	p := newPod(t, nil)
	old := time.Now().Add(6 * time.Second).Truncate(time.Second)
	s := p.openRaw("", bearerHeader(token(t, map[string]any{"exp": old.Unix()})))
	require.Equal(t, "connection_status", s.read()["type"])
	later := time.Now().Add(time.Hour).Truncate(time.Second)
	s.send(`{"type":"auth","id":"a1","token":"` + token(t, map[string]any{"exp": later.Unix(), "roles": []string{"admin"}}) + `"}`)
	f := s.read()
	assert.Equal(t, "connection_status", f["type"])
	assert.Equal(t, "a1", f["id"])
	assert.NotContains(t, f, "session_id")
	meta, _ := f["metadata"].(map[string]any)
	assert.Equal(t, "credential_renewed", meta["event"])
	assert.Equal(t, stamp(later), meta["expires_at"])
	conn := p.onlyConn()
	assert.True(t, conn.Actor().Admin(), "roles are the newest token's")
	require.Eventually(t, func() bool { return time.Now().After(old.Add(1500 * time.Millisecond)) }, 2*soon, 50*time.Millisecond)
	s.alive()
}

func TestAuth_RefusalNamesTheTokenAndChangesNothing(t *testing.T) {
	t.Parallel() // as above
	p := newPod(t, nil)
	s := p.openRaw("", bearerHeader(token(t, map[string]any{"exp": time.Now().Add(12 * time.Second).Unix(), "roles": []string{"admin"}})))
	require.Equal(t, "connection_status", s.read()["type"])
	for name, tc := range map[string]struct{ frame, code string }{
		"none":           {`{"type":"auth"}`, "MISSING_FIELD"},
		"empty":          {`{"type":"auth","token":""}`, "MISSING_FIELD"},
		"a number":       {`{"type":"auth","token":7}`, "INVALID_FORMAT"},
		"rubbish":        {`{"type":"auth","token":"a.b.c"}`, "INVALID_TOKEN"},
		"expired":        {`{"type":"auth","token":"` + token(t, map[string]any{"exp": time.Now().Add(-time.Hour).Unix()}) + `"}`, "EXPIRED_TOKEN"},
		"another user":   {`{"type":"auth","token":"` + token(t, map[string]any{"user_id": "bob"}) + `"}`, "UNAUTHORIZED"},
		"another tenant": {`{"type":"auth","token":"` + token(t, map[string]any{"tenant": "acme"}) + `"}`, "UNAUTHORIZED"},
	} {
		s.send(tc.frame)
		code, message, _ := s.readError()
		assert.Equal(t, tc.code, code, name)
		assert.Contains(t, message, "token", name)
	}
	assert.True(t, p.onlyConn().Actor().Admin())
	s.alive()
	code, _, _ := s.readErrorWithin(3 * soon)
	assert.Equal(t, "EXPIRED_TOKEN", code, "its old end stands")
	assert.Equal(t, hub.CloseCredential, s.closeCode())
}
