package cluster

import (
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"chatbox/app/devstack"
)

// signed is a token of the stack with these claims beside the usual ones.
func (c *cluster) signed(user string, claims jwt.MapClaims) string {
	c.t.Helper()
	all := jwt.MapClaims{"user_id": user, "iat": time.Now().Unix(), "exp": time.Now().Add(time.Hour).Unix()}
	maps.Copy(all, claims)
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, all).SignedString(c.stack.Secret())
	require.NoError(c.t, err)
	return token
}

// sockets opens two at each of three pods.
func (c *cluster) sockets(token string) (open []*websocket.Conn) {
	c.t.Helper()
	for n := range 6 {
		ws, _ := c.dial(n%3, url.Values{"token": {token}})
		open = append(open, ws)
	}
	return open
}

// call makes a REST request at the n-th pod.
func (c *cluster) call(n int, method, path, token string) (status int, header http.Header, body map[string]any) {
	c.t.Helper()
	req, err := http.NewRequestWithContext(c.ctx, method, c.podURL(n)+"/chatbox"+path, nil)
	require.NoError(c.t, err)
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := c.http.Do(req)
	require.NoError(c.t, err)
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	require.NoError(c.t, err)
	require.NoError(c.t, json.Unmarshal(b, &body), "%s", b)
	return resp.StatusCode, resp.Header, body
}

// dial opens a socket at the n-th pod; status is that of a refusal.
func (c *cluster) dial(n int, query url.Values) (ws *websocket.Conn, status int) {
	c.t.Helper()
	at := strings.Replace(c.podURL(n), "http", "ws", 1) + "/chatbox/ws?" + query.Encode()
	ws, resp, err := websocket.DefaultDialer.DialContext(c.ctx, at, nil)
	require.NotNil(c.t, resp, "%v", err)
	_ = resp.Body.Close()
	if err != nil {
		return nil, resp.StatusCode
	}
	c.t.Cleanup(func() { _ = ws.Close() })
	_, _, err = ws.ReadMessage() // the greeting
	require.NoError(c.t, err)
	return ws, resp.StatusCode
}

// closed reads until the socket is closed and returns the code.
func (c *cluster) closed(ws *websocket.Conn) int {
	c.t.Helper()
	require.NoError(c.t, ws.SetReadDeadline(time.Now().Add(patience)))
	for {
		if _, _, err := ws.ReadMessage(); err != nil {
			var closing *websocket.CloseError
			require.ErrorAs(c.t, err, &closing)
			return closing.Code
		}
	}
}

func TestTicket_OpensOneSocketOnAnyPod(t *testing.T) {
	c := start(t, 3)
	for n := range 3 {
		_, _, body := c.call(n, http.MethodPost, "/ticket", c.signed("ann", nil))
		q := url.Values{"ticket": {body["ticket"].(string)}}
		_, status := c.dial((n+1)%3, q)
		require.Equal(t, http.StatusSwitchingProtocols, status)
		for other := range 3 {
			_, status = c.dial(other, q)
			assert.Equal(t, http.StatusUnauthorized, status)
		}
	}
}

func TestDisconnect_ClosesEverySocketAndRefusesOldTokens(t *testing.T) {
	c := start(t, 3)
	old, admin := c.signed("ann", nil), c.signed("root", jwt.MapClaims{"roles": []string{"admin"}})
	namesake := c.signed("ann", jwt.MapClaims{"tenant": "another"})
	_, _, body := c.call(0, http.MethodPost, "/ticket", old)
	ticket := url.Values{"ticket": {body["ticket"].(string)}}
	hers, others := c.sockets(old), c.sockets(namesake)
	status, _, body := c.call(1, http.MethodPost, "/admin/users/ann/disconnect", admin)
	require.Equal(t, http.StatusOK, status, "%v", body)
	fresh := c.signed("ann", nil) // issued when the answer was there
	for _, ws := range hers {
		assert.Equal(t, 4503, c.closed(ws))
	}
	_, status = c.dial(2, ticket)
	assert.Equal(t, http.StatusUnauthorized, status)
	for n := range 3 {
		for _, void := range []string{old, c.signed("ann", jwt.MapClaims{"iat": nil})} {
			_, status = c.dial(n, url.Values{"token": {void}})
			assert.Equal(t, http.StatusUnauthorized, status)
			status, _, body = c.call(n, http.MethodGet, "/sessions", void)
			assert.Equal(t, http.StatusUnauthorized, status)
			assert.Equal(t, "INVALID_TOKEN", body["code"])
		}
		_, status = c.dial(n, url.Values{"token": {fresh}})
		assert.Equal(t, http.StatusSwitchingProtocols, status)
		status, _, _ = c.call(n, http.MethodGet, "/sessions", fresh)
		assert.Equal(t, http.StatusOK, status)
	}
	for _, ws := range others {
		require.NoError(t, ws.WriteMessage(websocket.TextMessage, []byte(`{"type":"ping"}`)))
		_, _, err := ws.ReadMessage()
		require.NoError(t, err, "of that name in another tenant")
	}
}

func TestLimits_RESTIsCountedOverAllPods(t *testing.T) {
	c := start(t, 3, func(cfg *devstack.Config) { cfg.Access.UserRate, cfg.Access.AdminRate = 9, 12 })
	for user, want := range map[string]struct {
		claims jwt.MapClaims
		limit  int
	}{"ann": {nil, 9}, "root": {jwt.MapClaims{"roles": []string{"chat_admin"}}, 12}, "vic": {jwt.MapClaims{"roles": []string{"chat_viewer"}}, 12}} {
		token := c.signed(user, want.claims)
		for i := range want.limit {
			status, _, body := c.call(i%3, http.MethodGet, "/sessions", token)
			require.Equal(t, http.StatusOK, status, "%d: %v", i, body)
		}
		for n := range 3 {
			status, header, body := c.call(n, http.MethodGet, "/sessions", token)
			assert.Equal(t, http.StatusTooManyRequests, status)
			assert.Equal(t, "TOO_MANY_REQUESTS", body["code"])
			assert.NotEmpty(t, header.Get("Retry-After"))
		}
	}
}

// This reads until a frame of the type has come.
func (c *cluster) heard(ws *websocket.Conn, typ string) map[string]any {
	c.t.Helper()
	require.NoError(c.t, ws.SetReadDeadline(time.Now().Add(patience)))
	for {
		var f map[string]any
		require.NoError(c.t, ws.ReadJSON(&f))
		if f["type"] == typ {
			return f
		}
	}
}

func TestRead_IsToldOnOtherPodsAndAfterAResume(t *testing.T) {
	c := start(t, 3)
	q := url.Values{"token": {c.signed("ann", nil)}}
	one, _ := c.dial(0, q)
	send := func(ws *websocket.Conn, frame string) {
		t.Helper()
		require.NoError(t, ws.WriteMessage(websocket.TextMessage, []byte(frame)))
	}
	send(one, `{"type":"model_select","id":"m1","session_id":"s","model_id":"fast"}`)
	c.heard(one, "ack")
	q.Set("session_id", "s")
	two, _ := c.dial(1, q)
	c.heard(two, "resumed")
	send(one, `{"type":"read","session_id":"s","seq":2}`)
	e, _ := c.heard(one, "error")["error"].(map[string]any)
	assert.Equal(t, "INVALID_FORMAT", e["code"])
	assert.Contains(t, e["message"], "seq")
	send(one, `{"type":"read","seq":1}`)
	f := c.heard(two, "read")
	assert.Equal(t, "s", f["session_id"])
	assert.InDelta(t, 1, f["seq"], 0)
	assert.Equal(t, "user", f["sender"])
	assert.Equal(t, "ann", f["user_id"])
	three, _ := c.dial(2, q)
	c.heard(three, "resumed")
	assert.InDelta(t, 1, c.heard(three, "read")["seq"], 0)
	stranger, _ := c.dial(2, url.Values{"token": {c.signed("bob", nil)}})
	send(stranger, `{"type":"read","session_id":"s","seq":1}`)
	e, _ = c.heard(stranger, "error")["error"].(map[string]any)
	assert.Equal(t, "UNAUTHORIZED", e["code"])
}
