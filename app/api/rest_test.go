package api

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"chatbox"
	"chatbox/cluster"
)

func endedSession() chatbox.Session {
	return chatbox.Session{
		Key: chatbox.SessionKey{ID: "s-1"}, Owner: "ann", Name: "a < b", CreatedAt: at(),
		State: chatbox.State{
			Head: 5, Ended: true, EndedAt: at().Add(90 * time.Second), LastActivity: at().Add(90 * time.Second), ModelID: "small",
			Tokens: 26, Answers: 2, ResponseTotal: 3000, ResponseMax: 2000, AdminAssisted: true, HelpRequested: true,
		},
	}
}

func TestSessions_ListsAsTheContractSays(t *testing.T) {
	p := newPod(t, nil)
	p.conv.sessions = func(a chatbox.Actor, q chatbox.SessionQuery) (chatbox.SessionPage, error) {
		assert.Equal(t, "ann", a.UserID)
		assert.Equal(t, chatbox.SessionQuery{User: a.User(), Status: "ended", Limit: 2, Cursor: "c1"}, q)
		return chatbox.SessionPage{Sessions: []chatbox.Session{endedSession()}, Next: "c2"}, nil
	}
	status, h, body := p.call(http.MethodGet, "/sessions?limit=2&cursor=c1&status=ended", bearerHeader(token(t, nil)), nil)
	require.Equal(t, http.StatusOK, status)
	assert.Equal(t, "application/json", h.Get("Content-Type"))
	assert.JSONEq(t, `{"sessions":[{"id":"s-1","session_id":"s-1","user_id":"ann","name":"a < b","status":"ended","is_active":false,
		"start_time":"2026-03-04T05:06:07.080Z","end_time":"2026-03-04T05:07:37.080Z","last_activity":"2026-03-04T05:07:37.080Z",
		"duration":90,"message_count":5,"total_tokens":26,"max_response_time":2000,"avg_response_time":1500,
		"admin_assisted":true,"help_requested":true,"model_id":"small"}],
		"user_id":"ann","count":1,"limit":2,"truncated":true,"next_cursor":"c2"}`, string(body))
}

// Clients of the earlier service show each entry of a history as a bubble with
// its content.
func TestHistory_NoEntryWithoutWords(t *testing.T) {
	p := newPod(t, nil)
	p.conv.history = func(chatbox.Actor, string, chatbox.HistoryQuery) (chatbox.History, error) {
		var events []chatbox.Event
		for i, typ := range []chatbox.Type{chatbox.TypeModelSelect, chatbox.TypeHelpRequest, chatbox.TypeSessionEnded} {
			events = append(events, *event(func(e *chatbox.Event) {
				e.Seq, e.Type, e.Content, e.ModelID = int64(i+1), typ, "", "small"
			}).Event)
		}
		return chatbox.History{Session: endedSession(), Events: events}, nil
	}
	_, _, body := p.call(http.MethodGet, "/sessions/s-1", bearerHeader(token(t, nil)), nil)
	var h struct{ Messages []struct{ Content string } }
	require.NoError(t, json.Unmarshal(body, &h))
	require.Len(t, h.Messages, 3, "one entry per event")
	for i, words := range []string{"Switched to small.", "Asked for a person.", "The conversation has ended."} {
		assert.Equal(t, words, h.Messages[i].Content)
	}
}

func TestSessions_EmptyListIsNoNull(t *testing.T) {
	p := newPod(t, nil)
	_, _, body := p.call(http.MethodGet, "/sessions", bearerHeader(token(t, nil)), nil)
	assert.JSONEq(t, `{"sessions":[],"user_id":"ann","count":0,"limit":50,"truncated":false,"next_cursor":""}`, string(body))
}

func TestHistory_ShowsOneMessagePerEvent(t *testing.T) {
	p := newPod(t, nil)
	p.conv.history = func(_ chatbox.Actor, id string, q chatbox.HistoryQuery) (chatbox.History, error) {
		assert.Equal(t, "s-1", id)
		assert.Equal(t, chatbox.HistoryQuery{Limit: 500, AfterSeq: -1}, q)
		return chatbox.History{Session: endedSession(), Truncated: true, Events: []chatbox.Event{
			*event(func(*chatbox.Event) {}).Event, *answer(chatbox.FinishStop, "Grüße 👋", 1, false).Event,
		}}, nil
	}
	status, _, body := p.call(http.MethodGet, "/sessions/s-1", bearerHeader(token(t, nil)), nil)
	require.Equal(t, http.StatusOK, status)
	assert.JSONEq(t, `{"session_id":"s-1","name":"a < b","model_id":"small","status":"ended","head_seq":5,"truncated":true,"messages":[
		{"id":"m-1","seq":3,"type":"user_message","sender":"user","content":"  if a < b && b > c {\n\treturn \"é\"\n  }  ",
		 "timestamp":"2026-03-04T05:06:07.080Z","status":"complete","metadata":{"page":"/pricing"}},
		{"id":"ans_k3n2","seq":4,"type":"ai_response","sender":"ai","content":"Grüße 👋","timestamp":"2026-03-04T05:06:07.080Z",
		 "status":"complete","model_id":"small","metadata":{"attempt":"1","index":"1","reply_to":"m-1","finish":"stop",
		 "tokens_prompt":"21","tokens_completion":"5","length":"7"}}]}`, string(body))
	assert.Contains(t, string(body), "a < b", "text is not escaped")
}

func TestHistory_PassesItsBounds(t *testing.T) {
	p := newPod(t, nil)
	got := make(chan chatbox.HistoryQuery, 1)
	p.conv.history = func(a chatbox.Actor, id string, q chatbox.HistoryQuery) (chatbox.History, error) {
		got <- q
		return chatbox.History{Session: chatbox.Session{Key: a.Session(id)}}, nil
	}
	for query, want := range map[string]chatbox.HistoryQuery{
		"?limit=1&before_seq=9": {Limit: 1, BeforeSeq: 9, AfterSeq: -1},
		"?after_seq=0":          {Limit: 500, AfterSeq: 0},
	} {
		status, _, _ := p.call(http.MethodGet, "/sessions/s-1"+query, bearerHeader(token(t, nil)), nil)
		require.Equal(t, http.StatusOK, status)
		assert.Equal(t, want, <-got)
	}
}

func TestParameters_FaultsAreNamed(t *testing.T) {
	p := newPod(t, nil)
	for path, field := range map[string]string{
		"/sessions?limit=x": "limit", "/sessions?limit=0": "limit", "/sessions?limit=201": "limit", "/sessions?status=gone": "status",
		"/sessions/s?limit=501": "limit", "/sessions/s?before_seq=0": "before_seq", "/sessions/s?after_seq=-1": "after_seq",
		"/sessions/s?before_seq=1&after_seq=1": "before_seq", "/sessions/s?after_seq=99999999999999999999": "after_seq",
	} {
		status, f := p.fails(http.MethodGet, path, bearerHeader(token(t, nil)), nil)
		assert.Equal(t, http.StatusBadRequest, status, path)
		assert.Equal(t, "INVALID_FORMAT", f.Code, path)
		assert.Contains(t, f.Message, field, path)
		assert.Equal(t, f.Message, f.Error)
		assert.NotEmpty(t, f.RequestID)
	}
}

func TestEnd_IsForTheOwner(t *testing.T) {
	p := newPod(t, nil)
	ended := make(chan string, 1)
	p.conv.end = func(a chatbox.Actor, id string) error { ended <- a.UserID + " " + id; return nil }
	status, _, body := p.call(http.MethodPost, "/sessions/s-1/end", bearerHeader(token(t, nil)), nil)
	assert.Equal(t, http.StatusOK, status)
	assert.JSONEq(t, `{"status":"ended"}`, string(body))
	assert.Equal(t, "ann s-1", <-ended)
}

func TestCluster_ListsPods(t *testing.T) {
	p := newPod(t, nil)
	p.conv.pods = func() ([]cluster.PodInfo, error) {
		return []cluster.PodInfo{{ID: "pod-1", Version: "1.0", State: "serving", Connections: 3, Generations: 1, LastHeartbeat: at()}}, nil
	}
	staff := bearerHeader(token(t, map[string]any{"roles": []string{"admin"}}))
	status, _, body := p.call(http.MethodGet, "/admin/cluster", staff, nil)
	assert.Equal(t, http.StatusOK, status)
	assert.JSONEq(t, `{"pods":[{"id":"pod-1","version":"1.0","state":"serving","connections":3,"generations":1,
		"last_heartbeat":"2026-03-04T05:06:07.080Z"}]}`, string(body))
}

func TestHealth(t *testing.T) {
	p := newPod(t, nil)
	status, _, body := p.call(http.MethodGet, "/healthz", nil, nil)
	assert.Equal(t, http.StatusOK, status)
	assert.JSONEq(t, `{"status":"healthy"}`, string(body))

	status, _, body = p.call(http.MethodGet, "/readyz", nil, nil)
	assert.Equal(t, http.StatusOK, status)
	assert.JSONEq(t, `{"status":"ready","checks":{"redis":true,"mongodb":true,"bus":true,"llm":true}}`, string(body))

	p.ready.ready = false
	status, _, body = p.call(http.MethodGet, "/readyz", nil, nil)
	assert.Equal(t, http.StatusServiceUnavailable, status)
	assert.JSONEq(t, `{"status":"not ready","checks":{"redis":false,"mongodb":true,"bus":true,"llm":true},"causes":{"redis":"out of memory"}}`, string(body))
}

func TestReady_AnswersInTimeThoughACheckHangs(t *testing.T) {
	p := newPod(t, nil)
	p.ready.hangs = make(chan struct{})
	defer close(p.ready.hangs)
	began := time.Now()
	status, _, _ := p.call(http.MethodGet, "/readyz", nil, nil)
	assert.Equal(t, http.StatusServiceUnavailable, status)
	assert.Less(t, time.Since(began), time.Second)
}

func TestReady_NotWhileDraining(t *testing.T) {
	p := newPod(t, nil)
	p.hub.Refuse()
	status, _, _ := p.call(http.MethodGet, "/readyz", nil, nil)
	assert.Equal(t, http.StatusServiceUnavailable, status)
	status, _, _ = p.call(http.MethodGet, "/healthz", nil, nil)
	assert.Equal(t, http.StatusOK, status)
}

func TestMetrics_AreServedToAllowedNetworks(t *testing.T) {
	p := newPod(t, nil)
	status, _, body := p.call(http.MethodGet, "/metrics/prometheus", nil, nil)
	assert.Equal(t, http.StatusOK, status)
	assert.Contains(t, string(body), "chat_connections 0")
}

func TestRoutes_UnknownAreKnownBeforeAuthentication(t *testing.T) {
	p := newPod(t, nil)
	for _, tc := range []struct {
		method, path string
		status       int
	}{
		{http.MethodGet, "/nothing", http.StatusNotFound},
		{http.MethodGet, "/sessions/a/b/c", http.StatusNotFound},
		{http.MethodPost, "/nothing", http.StatusNotFound},
		{http.MethodDelete, "/sessions", http.StatusMethodNotAllowed},
		{http.MethodPost, "/ws", http.StatusMethodNotAllowed},
		{http.MethodGet, "/sessions/a/end", http.StatusMethodNotAllowed},
		{http.MethodGet, "/sessions/a/messages", http.StatusMethodNotAllowed},
		{http.MethodPost, "/sessions/a/export", http.StatusMethodNotAllowed},
		{http.MethodGet, "/sessions/a/share", http.StatusMethodNotAllowed},
		{http.MethodPut, "/sessions/a", http.StatusMethodNotAllowed},
		{http.MethodPost, "/shared/a", http.StatusMethodNotAllowed},
		{http.MethodGet, "/shared", http.StatusNotFound},
	} {
		status, f := p.fails(tc.method, tc.path, nil, nil)
		assert.Equal(t, tc.status, status, tc.path)
		assert.NotEmpty(t, f.Code)
		assert.NotEmpty(t, f.RequestID)
	}
}

// Browsers that came by https are told to use only https. This cannot be
// triggered by a client's own header, and applies to the socket's handshake too.
func TestResponses_StrictTransportSecurity(t *testing.T) {
	trusting := newPod(t, func(st *setup) { st.cfg.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")} })
	for proto, want := range map[string]string{
		"https": stayEncrypted, "HTTPS": stayEncrypted, "https, http": stayEncrypted, "http": "", "http, https": "", "": "", "httpsx": "",
	} {
		for _, path := range []string{"/healthz", "/nothing", "/ws"} {
			_, h, _ := trusting.call(http.MethodGet, path, http.Header{"X-Forwarded-Proto": {proto}}, nil)
			assert.Equal(t, want, h.Get("Strict-Transport-Security"), "%s %q", path, proto)
		}
	}
	_, h, _ := newPod(t, nil).call(http.MethodGet, "/healthz", http.Header{"X-Forwarded-Proto": {"https"}}, nil)
	assert.Empty(t, h.Get("Strict-Transport-Security"), "a proxy that nobody trusts")

	r := httptest.NewRequest(http.MethodGet, "https://chat.example/healthz", nil)
	assert.True(t, cameEncrypted(r, nil), "TLS that ends at the pod")
}

func TestResponses_CarrySecurityHeaders(t *testing.T) {
	p := newPod(t, nil)
	check := func(h http.Header, what string) {
		assert.Equal(t, "nosniff", h.Get("X-Content-Type-Options"), what)
		assert.Equal(t, "DENY", h.Get("X-Frame-Options"), what)
		assert.Equal(t, "no-store", h.Get("Cache-Control"), what)
		assert.NotEmpty(t, h.Get("Content-Security-Policy"), what)
		assert.NotEmpty(t, h.Get("Referrer-Policy"), what)
	}
	for _, path := range []string{"/healthz", "/nothing", "/sessions", "/ws", "/metrics/prometheus", "/sessions/s/export", "/shared/x"} {
		_, h, _ := p.call(http.MethodGet, path, nil, nil)
		check(h, path)
	}
	ws, resp, err := p.dial("", bearerHeader(token(t, nil)))
	require.NoError(t, err)
	check(resp.Header, "101")
	require.NoError(t, resp.Body.Close())
	require.NoError(t, ws.Close())
}

func TestCORS_OnlyListedOrigins(t *testing.T) {
	p := newPod(t, func(st *setup) { st.cfg.CORS = Origins{List: []string{"https://shop.example.com"}} })
	preflight := http.Header{"Origin": {"https://shop.example.com"}, "Access-Control-Request-Method": {"POST"}}
	status, h, _ := p.call(http.MethodOptions, "/sessions/s/end", preflight, nil)
	assert.Equal(t, http.StatusNoContent, status)
	assert.Equal(t, "https://shop.example.com", h.Get("Access-Control-Allow-Origin"))
	assert.Contains(t, h.Get("Access-Control-Allow-Headers"), "Authorization")
	assert.Empty(t, h.Get("Access-Control-Allow-Credentials"))

	_, h, _ = p.call(http.MethodGet, "/healthz", http.Header{"Origin": {"https://evil.example.com"}}, nil)
	assert.Empty(t, h.Get("Access-Control-Allow-Origin"))
	assert.Equal(t, "Origin", h.Get("Vary"))
}

func TestRender_EveryCodeIsShown(t *testing.T) {
	known := map[string]bool{}
	for _, c := range []string{
		"INVALID_FORMAT", "MISSING_FIELD", "NOT_FOUND", "UNAUTHORIZED", "INSUFFICIENT_PERMISSIONS", "INVALID_TOKEN", "EXPIRED_TOKEN",
		"TOO_MANY_REQUESTS", "CONNECTION_LIMIT_EXCEEDED", "LLM_UNAVAILABLE", "LLM_TIMEOUT", "DATABASE_ERROR", "SERVICE_ERROR",
		"SESSION_ENDED", "TAKEN_OVER", "DRAINING",
	} {
		known[c] = true
	}
	for _, code := range []chatbox.Code{
		chatbox.InvalidArgument, chatbox.MissingField, chatbox.Unauthenticated, chatbox.TokenExpired, chatbox.NotYours,
		chatbox.PermissionDenied, chatbox.NotFound, chatbox.Ended, chatbox.TakenOver, chatbox.RateLimited, chatbox.LimitExceeded,
		chatbox.TooLarge, chatbox.Unavailable, chatbox.Unreadable, chatbox.StoreFailed, chatbox.ModelFailed, chatbox.ModelTimeout,
		chatbox.ModelRefused, chatbox.ModelFiltered, chatbox.Draining, chatbox.Internal, chatbox.Clash, chatbox.NotOwner,
	} {
		s := show(&chatbox.Error{Code: code})
		assert.True(t, known[s.wire], "%s: %s", code, s.wire)
		assert.NotEmpty(t, s.message, code)
		assert.GreaterOrEqual(t, s.status, 400, code)
		_, err := json.Marshal(s.frameError())
		require.NoError(t, err)
	}
}
