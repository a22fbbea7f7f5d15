package api

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"chatbox"
	"chatbox/app/live"
)

func requireUnauthenticated(t *testing.T, a *Auth, token string) {
	t.Helper()
	_, err := a.Actor(t.Context(), token)
	require.ErrorIs(t, err, chatbox.Unauthenticated)
}

func auth() *Auth { return NewAuth(AuthConfig{Secret: []byte(secret)}) }

func TestAbuse_TokenWithoutSignature(t *testing.T) {
	requireUnauthenticated(t, auth(), signed(t, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, nil))
	parts := strings.Split(token(t, nil), ".")
	requireUnauthenticated(t, auth(), parts[0]+"."+parts[1]+".")
	for _, alg := range []string{"None", "NONE", "nOnE", ""} {
		header := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"` + alg + `","typ":"JWT"}`))
		requireUnauthenticated(t, auth(), header+"."+parts[1]+".")
		requireUnauthenticated(t, auth(), header+"."+parts[1]+"."+parts[2])
	}
}

func TestAbuse_TokenOfAnotherKindOfKey(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	requireUnauthenticated(t, auth(), signed(t, jwt.SigningMethodES256, key, nil))
	open := NewAuth(AuthConfig{Secret: []byte(secret), Algorithms: []string{"HS256", "ES256"}})
	requireUnauthenticated(t, open, signed(t, jwt.SigningMethodES256, key, nil))
	none := NewAuth(AuthConfig{})
	requireUnauthenticated(t, none, signed(t, jwt.SigningMethodHS256, []byte{}, nil))
}

func TestAbuse_TokenSignedWithAnotherSecret(t *testing.T) {
	requireUnauthenticated(t, auth(), signed(t, jwt.SigningMethodHS256, []byte(strings.ToUpper(secret)), nil))
}

func TestAbuse_TokenOfAlgorithmThatIsNotPinned(t *testing.T) {
	a := NewAuth(AuthConfig{Secret: []byte(secret), Algorithms: []string{"HS512"}})
	requireUnauthenticated(t, a, token(t, nil))
	_, err := a.Actor(t.Context(), signed(t, jwt.SigningMethodHS512, []byte(secret), nil))
	require.NoError(t, err)
}

func TestAbuse_TokenAlteredAfterSigning(t *testing.T) {
	parts := strings.Split(token(t, nil), ".")
	other := strings.Split(token(t, map[string]any{"roles": []string{"admin"}}), ".")
	requireUnauthenticated(t, auth(), parts[0]+"."+other[1]+"."+parts[2])
}

func TestAbuse_TokenPastItsTime(t *testing.T) {
	a := auth()
	_, err := a.Actor(t.Context(), token(t, map[string]any{"exp": time.Now().Add(-2 * time.Minute).Unix()}))
	require.ErrorIs(t, err, chatbox.TokenExpired)
	_, err = a.Actor(t.Context(), token(t, map[string]any{"exp": time.Now().Add(-30 * time.Second).Unix()}))
	require.NoError(t, err, "clocks may be a minute apart")
	requireUnauthenticated(t, a, token(t, map[string]any{"nbf": time.Now().Add(2 * time.Minute).Unix()}))
	requireUnauthenticated(t, a, token(t, map[string]any{"exp": nil}))
	requireUnauthenticated(t, a, token(t, map[string]any{"exp": "never"}))

	legacy := NewAuth(AuthConfig{Secret: []byte(secret), NoExpiry: true})
	actor, err := legacy.Actor(t.Context(), token(t, map[string]any{"exp": nil}))
	require.NoError(t, err)
	assert.True(t, actor.ExpiresAt.IsZero())
	_, err = legacy.Actor(t.Context(), token(t, map[string]any{"exp": time.Now().Add(-2 * time.Minute).Unix()}))
	require.ErrorIs(t, err, chatbox.TokenExpired, "an exp that is there counts")
}

func TestAbuse_TokenMeantForAnother(t *testing.T) {
	a := NewAuth(AuthConfig{Secret: []byte(secret), Issuer: "https://id.example.com", Audience: "chat"})
	good := map[string]any{"iss": "https://id.example.com", "aud": []string{"chat", "shop"}}
	_, err := a.Actor(t.Context(), token(t, good))
	require.NoError(t, err)
	for _, bad := range []map[string]any{
		{},
		{"iss": good["iss"]},
		{"aud": "chat"},
		{"iss": "https://evil.example.com", "aud": "chat"},
		{"iss": good["iss"], "aud": "shop"},
		{"iss": good["iss"], "aud": "shop", "exp": time.Now().Add(-time.Hour).Unix()},
	} {
		requireUnauthenticated(t, a, token(t, bad))
	}
}

func TestAbuse_TokenWithStrangeClaims(t *testing.T) {
	for name, claims := range map[string]map[string]any{
		"nobody":               {"user_id": nil},
		"an empty name":        {"user_id": ""},
		"a number for a user":  {"user_id": 42},
		"an object for a user": {"user_id": map[string]any{"$ne": ""}},
		"NUL in the user":      {"user_id": "a\x00b"},
		"an endless user":      {"user_id": strings.Repeat("u", 10_000)},
		"a string for roles":   {"roles": "admin"},
		"a number in roles":    {"roles": []any{"admin", 1}},
		"a number for tenant":  {"tenant": 7},
	} {
		t.Run(name, func(t *testing.T) { requireUnauthenticated(t, auth(), token(t, claims)) })
	}
	tok := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"user_id": "ann", "exp": time.Now().Add(time.Hour).Unix()})
	tok.Header["crit"] = []string{"b64"}
	critical, err := tok.SignedString([]byte(secret))
	require.NoError(t, err)
	requireUnauthenticated(t, auth(), critical)
	requireUnauthenticated(t, auth(), strings.Repeat("x", 1<<20))
	requireUnauthenticated(t, auth(), "")
	requireUnauthenticated(t, auth(), "a.b.c")
}

func TestAbuse_RolesComeFromTheTokenAlone(t *testing.T) {
	actor, err := auth().Actor(t.Context(), token(t, map[string]any{"roles": []string{"user", "chat_admin"}, "tenant": "acme", "name": "Ann"}))
	require.NoError(t, err)
	assert.True(t, actor.Admin())
	assert.Equal(t, "acme", actor.Tenant)
	actor, err = auth().Actor(t.Context(), token(t, map[string]any{"roles": []string{"Admin", "admin "}, "role": "admin"}))
	require.NoError(t, err)
	assert.False(t, actor.Admin())
}

func TestAbuse_BadCredentialIsNotRescuedByAnother(t *testing.T) {
	p := newPod(t, nil)
	good := token(t, nil)
	status, _, f := p.refused("?token="+good, bearerHeader("rubbish"))
	assert.Equal(t, http.StatusUnauthorized, status)
	assert.Equal(t, "INVALID_TOKEN", f.Code)
	status, _, _ = p.refused("?token="+good, http.Header{"Sec-WebSocket-Protocol": {"chatbox.v1, bearer.rubbish"}})
	assert.Equal(t, http.StatusUnauthorized, status)
}

func TestAbuse_QueryTokenWhereItIsSwitchedOff(t *testing.T) {
	p := newPod(t, func(st *setup) { st.cfg.QueryToken = false })
	status, _, _ := p.refused("?token="+token(t, nil), nil)
	assert.Equal(t, http.StatusUnauthorized, status)
}

func TestAbuse_ExpiredTokenSaysSo(t *testing.T) {
	p := newPod(t, nil)
	old := token(t, map[string]any{"exp": time.Now().Add(-time.Hour).Unix()})
	status, _, f := p.refused("", bearerHeader(old))
	assert.Equal(t, http.StatusUnauthorized, status)
	assert.Equal(t, "EXPIRED_TOKEN", f.Code)
	status, f = p.fails(http.MethodGet, "/sessions", bearerHeader(old), nil)
	assert.Equal(t, http.StatusUnauthorized, status)
	assert.Equal(t, "EXPIRED_TOKEN", f.Code)
}

func TestAbuse_TokenIsNeverEchoedOrLogged(t *testing.T) {
	p := newPod(t, nil)
	p.conv.post = func(context.Context, live.Socket, chatbox.Command) error { return errors.New("boom") }
	good := token(t, nil)
	bad := good[:len(good)-4] + "AAAA"
	ws, resp, err := p.dial("", http.Header{"Sec-WebSocket-Protocol": {"chatbox.v1, bearer." + good}})
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	assert.Equal(t, "chatbox.v1", resp.Header.Get("Sec-WebSocket-Protocol"))
	require.NoError(t, ws.Close())
	s := p.openRaw("?token="+good, nil)
	s.read()
	s.send(`{"type":"user_message","content":"x"}`)
	_, message, _ := s.readError()
	assert.NotContains(t, message, "boom")
	for _, token := range []string{good, bad} {
		if token == bad {
			_, _, f := p.refused("?token="+token, nil)
			assert.NotContains(t, f.Message, token)
		}
		for _, path := range []string{"/nothing?token=" + token, "/sessions?token=" + token, "/shared/" + token} {
			_, _, body := p.call(http.MethodGet, path, bearerHeader(token), nil)
			assert.NotContains(t, string(body), token)
		}
	}
	assert.Contains(t, p.logs.String(), "boom", "the cause is for operators")
	for part := range strings.SplitSeq(good+"."+bad, ".") {
		assert.NotContains(t, p.logs.String(), part)
	}
}

func TestAbuse_ForeignOrigin(t *testing.T) {
	p := newPod(t, func(st *setup) {
		st.cfg.Origins.List = []string{"https://app.example.com", "https://*.shop.example.com:8443"}
	})
	dial := func(origin string) int {
		h := bearerHeader(token(t, nil))
		if origin != "" {
			h["Origin"] = strings.Split(origin, "|")
		}
		ws, resp, err := p.dial("", h)
		require.NotNil(t, resp)
		if err == nil {
			require.NoError(t, ws.Close())
		}
		require.NoError(t, resp.Body.Close())
		return resp.StatusCode
	}
	for _, origin := range []string{
		"https://evil.example.com", "http://app.example.com", "https://app.example.com:444", "https://app.example.com.evil.org",
		"https://evilapp.example.com", "https://shop.example.com:8443", "https://a.shop.example.com", "null", "file://", "https://",
		"https://app.example.com@evil.org", "*",
		"https://app.example.com/", "https://app.example.com/x", "https://me@app.example.com", "https://me:pw@app.example.com", "https://@app.example.com",
		"https://app.example.com?", "https://app.example.com?x", "https://app.example.com#", "https://app.example.com:", "//app.example.com",
		"https://app.example.com https://evil.org", "https://evil.org/.shop.example.com:8443", "https://x@a.shop.example.com:8443",
		"https://app.example.com|https://app.example.com", "|https://app.example.com",
	} {
		assert.Equal(t, http.StatusForbidden, dial(origin), origin)
	}
	assert.Zero(t, p.conv.tried, "a refused origin takes no slot")
	for _, origin := range []string{"", "https://app.example.com", "HTTPS://APP.EXAMPLE.COM:443", "https://a.b.shop.example.com:8443"} {
		assert.Equal(t, http.StatusSwitchingProtocols, dial(origin), origin)
	}
}

func TestAbuse_ChecksComeInOrderAndLeaveNothing(t *testing.T) {
	p := newPod(t, func(st *setup) { st.hub.MaxConns = 1 })
	foreign := bearerHeader(token(t, nil))
	foreign.Set("Origin", "https://evil.example.com")

	status, _, _ := p.refused("", http.Header{"Origin": {"https://evil.example.com"}})
	assert.Equal(t, http.StatusUnauthorized, status, "credential before origin")
	p.conv.connect = func(chatbox.Actor) error { return chatbox.NewError(chatbox.LimitExceeded, "", nil) }
	status, _, _ = p.refused("", foreign)
	assert.Equal(t, http.StatusForbidden, status, "origin before the user's cap")

	first := bearerHeader(token(t, nil))
	status, h, f := p.refused("", first)
	assert.Equal(t, http.StatusTooManyRequests, status)
	assert.Equal(t, "CONNECTION_LIMIT_EXCEEDED", f.Code)
	assert.NotEmpty(t, h.Get("Retry-After"))

	p.conv.connect = nil
	p.open("")
	status, h, f = p.refused("", first)
	assert.Equal(t, http.StatusServiceUnavailable, status, "the pod's cap comes last")
	assert.Equal(t, "this pod has all the connections it can take", f.Message)
	assert.NotEmpty(t, h.Get("Retry-After"))
	assert.Equal(t, 1, p.conv.registered(), "the user's slot was given back")

	p.conv.connect = func(chatbox.Actor) error {
		return chatbox.NewError(chatbox.Unavailable, "", errors.New("redis is away"))
	}
	status, _, f = p.refused("", first)
	assert.Equal(t, http.StatusServiceUnavailable, status)
	assert.Equal(t, "SERVICE_ERROR", f.Code)

	p.hub.Refuse()
	status, h, f = p.refused("", nil)
	assert.Equal(t, http.StatusServiceUnavailable, status, "draining comes before the credential")
	assert.Equal(t, "DRAINING", f.Code)
	assert.NotEmpty(t, h.Get("Retry-After"))
}

func TestAbuse_FailedUpgradesLockNobodyOut(t *testing.T) {
	p := newPod(t, func(st *setup) { st.hub.MaxConns = 2 })
	h := bearerHeader(token(t, nil))
	for _, broken := range []map[string]string{
		{"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13"},
		{"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "12", "Sec-WebSocket-Key": "x"},
		{"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "short"},
	} {
		for k, v := range broken {
			h.Set(k, v)
		}
		for range 10 {
			status, f := p.fails(http.MethodGet, "/ws", h, nil)
			require.Equal(t, http.StatusBadRequest, status)
			require.Equal(t, "INVALID_FORMAT", f.Code)
		}
	}
	assert.Zero(t, p.conv.registered())
	p.open("").alive()
	p.open("").alive()
}

func TestAbuse_PlainGetOfTheSocket(t *testing.T) {
	p := newPod(t, nil)
	status, f := p.fails(http.MethodGet, "/ws", nil, nil)
	assert.Equal(t, http.StatusUnauthorized, status)
	assert.Equal(t, "INVALID_TOKEN", f.Code)
	status, f = p.fails(http.MethodGet, "/ws", bearerHeader(token(t, nil)), nil)
	assert.Equal(t, http.StatusBadRequest, status)
	assert.Equal(t, "INVALID_FORMAT", f.Code)
}

func TestAbuse_RubbishOnTheSocketIsAnsweredAndItStays(t *testing.T) {
	p := newPod(t, nil)
	s := p.open("")
	for _, frame := range []string{
		"", "null", "[]", "{", `"x"`, "{}{}", strings.Repeat("[", 200_000), strings.Repeat(`{"a":`, 20_000),
		`{"type":{"$gt":""}}`, `{"type":"user_message","content":["x"]}`, `{"type":"user_message","content":"` + "\xc3\x28" + `"}`,
		`{"type":"user_message","content":"\ud83d"}`, `{"type":"__proto__"}`, `{"type":"user_message","content":"x","metadata":{"a":[]}}`,
	} {
		s.send(frame)
		code, _, _ := s.readError()
		assert.Contains(t, []string{"INVALID_FORMAT", "MISSING_FIELD"}, code)
	}
	require.NoError(t, s.ws.WriteMessage(websocket.BinaryMessage, []byte(`{"type":"ping"}`)))
	code, message, _ := s.readError()
	assert.Equal(t, "INVALID_FORMAT", code)
	assert.Contains(t, message, "binary")
	s.alive()
}

func TestAbuse_FrameBeyondTheLimit(t *testing.T) {
	p := newPod(t, nil)
	s := p.open("")
	s.send(`{"type":"ping","id":"still-there","x":"` + strings.Repeat("x", 256<<10-60) + `"}`)
	require.Equal(t, "pong", s.read()["type"])
	_ = s.ws.WriteMessage(websocket.TextMessage, make([]byte, 1<<20)) // may fail: the pod stops reading
	assert.Equal(t, websocket.CloseMessageTooBig, s.closeCode())
}

// A frame is refused by its announced length, before its payload arrives.
func TestAbuse_FrameThatAnnouncesTooMuch(t *testing.T) {
	const text, final, masked = 1, 0x80, 0x80
	length := func(n uint64) []byte { return binary.BigEndian.AppendUint64([]byte{masked | 127}, n) }
	mask := []byte{1, 2, 3, 4}
	for name, frame := range map[string][]byte{
		"just beyond":             slices.Concat([]byte{final | text}, length(256<<10+1), mask),
		"4 GiB":                   slices.Concat([]byte{final | text}, length(1<<32), mask),
		"2^63-1":                  slices.Concat([]byte{final | text}, length(1<<63-1), mask),
		"2^63":                    slices.Concat([]byte{final | text}, length(1<<63), mask),
		"2^64-1":                  slices.Concat([]byte{final | text}, length(1<<64-1), mask),
		"2^64-1, binary":          slices.Concat([]byte{final | 2}, length(1<<64-1), mask),
		"2^64-1, and it comes":    slices.Concat([]byte{final | text}, length(1<<64-1), mask, make([]byte, 4096)),
		"2^63-1, in a second one": slices.Concat([]byte{text, masked | 1}, mask, []byte{'x'}, []byte{final}, length(1<<63-1), mask),
		"in many small ones":      slices.Concat([]byte{text, masked | 1}, mask, []byte{'x'}, bytes.Repeat(slices.Concat([]byte{0, masked | 126, 0xff, 0xff}, mask, make([]byte, 0xffff)), 5)),
	} {
		t.Run(name, func(t *testing.T) {
			s := newPod(t, nil).open("")
			_, err := s.ws.NetConn().Write(frame)
			require.NoError(t, err)
			assert.Equal(t, websocket.CloseMessageTooBig, s.closeCode())
		})
	}
}

func TestAbuse_HandlerThatPanicsTakesOnlyItsSocketAlong(t *testing.T) {
	p := newPod(t, nil)
	p.conv.post = func(context.Context, live.Socket, chatbox.Command) error { panic("boom") }
	s, other := p.open(""), p.open("")
	s.send(`{"type":"user_message","content":"x"}`)
	assert.Equal(t, websocket.CloseInternalServerErr, s.closeCode())
	other.alive()
}

func TestAbuse_ForwardedForIsNotBelieved(t *testing.T) {
	away := func(st *setup) { st.cfg.MetricsNetworks = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")} }
	p := newPod(t, away)
	status, f := p.fails(http.MethodGet, "/metrics/prometheus", http.Header{"X-Forwarded-For": {"10.1.2.3"}}, nil)
	assert.Equal(t, http.StatusForbidden, status)
	assert.Equal(t, "INSUFFICIENT_PERMISSIONS", f.Code)

	p = newPod(t, func(st *setup) {
		away(st)
		st.cfg.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	})
	for forwarded, want := range map[string]int{
		"10.1.2.3": http.StatusOK, "8.8.8.8": http.StatusForbidden, "10.1.2.3, 8.8.8.8": http.StatusForbidden,
		"8.8.8.8, 10.1.2.3, 127.0.0.9": http.StatusOK, "rubbish": http.StatusForbidden, "10.1.2.3, rubbish": http.StatusForbidden,
	} {
		status, _, _ := p.call(http.MethodGet, "/metrics/prometheus", http.Header{"X-Forwarded-For": {forwarded}}, nil)
		assert.Equal(t, want, status, forwarded)
	}
}

func TestAbuse_RequestIDIsNotALogInjection(t *testing.T) {
	p := newPod(t, nil)
	_, h, _ := p.call(http.MethodGet, "/healthz", http.Header{"X-Request-Id": {"mine-1"}}, nil)
	assert.Equal(t, "mine-1", h.Get("X-Request-Id"))
	_, h, _ = p.call(http.MethodGet, "/healthz", http.Header{"X-Request-Id": {strings.Repeat("x", 100) + "<script>"}}, nil)
	assert.NotContains(t, h.Get("X-Request-Id"), "<")
}

func TestAbuse_CausesStayInside(t *testing.T) {
	p := newPod(t, nil)
	p.conv.sessions = func(chatbox.Actor, chatbox.SessionQuery) (chatbox.SessionPage, error) {
		return chatbox.SessionPage{}, chatbox.NewError(chatbox.StoreFailed, "", errors.New("mongodb://10.0.0.7 says no"))
	}
	status, f := p.fails(http.MethodGet, "/sessions", bearerHeader(token(t, nil)), nil)
	assert.Equal(t, http.StatusServiceUnavailable, status)
	assert.Equal(t, "DATABASE_ERROR", f.Code)
	assert.NotContains(t, f.Message+f.Error, "10.0.0.7")
	assert.Equal(t, 1, strings.Count(p.logs.String(), "10.0.0.7"), "logged once")
}

func TestAbuse_OthersSessionsLookUnknown(t *testing.T) {
	p := newPod(t, nil)
	p.conv.history = func(_ chatbox.Actor, id string, _ chatbox.HistoryQuery) (chatbox.History, error) {
		if id == "theirs" {
			return chatbox.History{}, chatbox.NewError(chatbox.NotYours, "this belongs to bob", nil)
		}
		return chatbox.History{}, chatbox.NewError(chatbox.NotFound, "no such session", nil)
	}
	p.conv.end = func(_ chatbox.Actor, id string) error {
		_, err := p.conv.history(chatbox.Actor{}, id, chatbox.HistoryQuery{})
		return err
	}
	for _, call := range [][2]string{{http.MethodGet, ""}, {http.MethodPost, "/end"}} {
		var seen []failure
		for _, id := range []string{"theirs", "nobodys", "not%20a%20name"} {
			status, f := p.fails(call[0], "/sessions/"+id+call[1], bearerHeader(token(t, nil)), nil)
			assert.Equal(t, http.StatusNotFound, status)
			f.RequestID = ""
			seen = append(seen, f)
		}
		assert.Equal(t, seen[0], seen[1])
		assert.Equal(t, seen[0], seen[2])
	}
}

func TestAbuse_AdminRoutesAreForAdmins(t *testing.T) {
	p := newPod(t, nil)
	status, f := p.fails(http.MethodGet, "/admin/cluster", bearerHeader(token(t, nil)), nil)
	assert.Equal(t, http.StatusForbidden, status)
	assert.Equal(t, "INSUFFICIENT_PERMISSIONS", f.Code)
	status, _ = p.fails(http.MethodGet, "/admin/cluster", nil, nil)
	assert.Equal(t, http.StatusUnauthorized, status)
}

func TestAbuse_BodyBeyondTheLimit(t *testing.T) {
	p := newPod(t, nil)
	h := bearerHeader(token(t, nil))
	h.Set("Expect", "100-continue")
	status, f := p.fails(http.MethodPost, "/sessions/s/end", h, strings.NewReader(strings.Repeat("x", 1<<20)))
	assert.Equal(t, http.StatusRequestEntityTooLarge, status)
	assert.Equal(t, "INVALID_FORMAT", f.Code)
}
