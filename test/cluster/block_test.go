package cluster

import (
	"context"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"chatbox"
	"chatbox/app/devstack"
	"chatbox/helpdesk"
)

// refusedAt fails unless the n-th pod refuses the token, by socket and by
// request.
func (c *cluster) refusedAt(n int, token string) {
	c.t.Helper()
	_, status := c.dial(n, url.Values{"token": {token}})
	assert.Equal(c.t, http.StatusForbidden, status)
	status, _, body := c.call(n, http.MethodGet, "/sessions", token)
	assert.Equal(c.t, http.StatusForbidden, status)
	assert.Equal(c.t, "INSUFFICIENT_PERMISSIONS", body["code"])
}

// admittedAt waits until the n-th pod lets the token in again.
func (c *cluster) admittedAt(n int, token string) {
	c.t.Helper()
	c.until("request admitted", func() bool {
		status, _, _ := c.call(n, http.MethodGet, "/sessions", token)
		return status == http.StatusOK
	})
	ws, status := c.dial(n, url.Values{"token": {token}})
	require.Equal(c.t, http.StatusSwitchingProtocols, status)
	_ = ws.Close()
}

// Blocked on one pod is blocked on all, with every credential, and with Redis
// emptied; unblocked is unblocked on all.
func TestBlock_KeepsAPersonOutEverywhere(t *testing.T) {
	c := start(t, 3)
	d := c.device("zoe", "kept", c.podURL(1))
	c.answered(d, "kept", c.say(d, "kept", "hello [[words=2]]"))
	token, namesake := c.signed("zoe", nil), c.signed("zoe", jwt.MapClaims{"tenant": "another"})
	_, share := c.request(token, http.MethodPost, "/chatbox/sessions/kept/share", nil)
	_, _, body := c.call(0, http.MethodPost, "/ticket", token)
	ticket := url.Values{"ticket": {body["ticket"].(string)}}
	hers, others := c.sockets(token), c.sockets(namesake)
	admin := c.staffToken("root", "admin")
	status, body := c.request(admin, http.MethodPut, "/chatbox/admin/users/zoe/block", map[string]any{"reason": "loud"})
	require.Equal(t, http.StatusOK, status, "%v", body)
	assert.Equal(t, "loud", body["reason"])
	for _, ws := range hers {
		assert.Equal(t, 4503, c.closed(ws))
	}
	for n := range 3 { // the sockets went when each pod knew
		for _, tok := range []string{token, c.signed("zoe", jwt.MapClaims{"iat": time.Now().Add(time.Minute).Unix()})} {
			c.refusedAt(n, tok)
		}
	}
	_, status = c.dial(2, ticket)
	assert.Equal(t, http.StatusForbidden, status)
	link := share["share_token"].(string)
	status, _ = c.request(token, http.MethodGet, "/chatbox/shared/"+link, nil)
	assert.Equal(t, http.StatusOK, status, "what anyone may read she may read")

	require.NoError(t, c.hot().rdb.FlushDB(c.ctx).Err())
	for n := range 3 {
		c.refusedAt(n, token)
	}
	_, list := c.request(c.staffToken("vic", "chat_viewer"), http.MethodGet, "/chatbox/admin/blocks", nil)
	assert.InDelta(t, 1, list["count"], 0)
	for _, ws := range others {
		require.NoError(t, ws.WriteMessage(websocket.TextMessage, []byte(`{"type":"ping"}`)))
		_, _, err := ws.ReadMessage()
		require.NoError(t, err, "of that name in another tenant")
	}

	status, body = c.request(admin, http.MethodDelete, "/chatbox/admin/users/zoe/block", nil)
	require.Equal(t, http.StatusOK, status)
	assert.Equal(t, map[string]any{"user_id": "zoe", "blocked": false}, body)
	for n := range 3 {
		c.admittedAt(n, token)
	}
	assert.Len(t, c.history("zoe", "kept"), 2, "her sessions are as they were")
	_, log := c.request(admin, http.MethodGet, "/chatbox/admin/audit?action=user.unblock", nil)
	assert.InDelta(t, 1, log["count"], 0)
	status, _ = c.request(admin, http.MethodPut, "/chatbox/admin/users/root/block", nil)
	assert.Equal(t, http.StatusBadRequest, status, "nobody locks themselves out")
}

// A block ends at its time on every pod, without a notification.
func TestBlock_IsOverByItself(t *testing.T) {
	c := start(t, 3)
	token := c.signed("zoe", nil)
	until := time.Now().Add(3 * time.Second)
	status, _ := c.request(c.staffToken("root", "admin"), http.MethodPut, "/chatbox/admin/users/zoe/block", map[string]any{"until": until.Format(time.RFC3339Nano)})
	require.Equal(t, http.StatusOK, status)
	for n := range 3 {
		c.until("news or end of it", func() bool {
			status, _, _ := c.call(n, http.MethodGet, "/sessions", token)
			return status == http.StatusForbidden || time.Now().After(until)
		})
	}
	for n := range 3 {
		c.admittedAt(n, token)
	}
	assert.False(t, time.Now().Before(until.Truncate(time.Millisecond)))
	_, body := c.request(c.staffToken("root", "admin"), http.MethodGet, "/chatbox/admin/users/zoe/block", nil)
	assert.Equal(t, map[string]any{"user_id": "zoe", "blocked": false}, body)
}

// A pod that was told nothing finds who is blocked in the history, at its start
// and later; and the person's erasing takes the block away.
func TestBlock_IsFoundInTheHistoryAndErasedWithThePerson(t *testing.T) {
	seen := &behind{}
	c := start(t, 2, seen.watch, func(cfg *devstack.Config) { cfg.Access.Reload = 200 * time.Millisecond })
	token, u := c.signed("zoe", nil), chatbox.UserKey{ID: "zoe"}
	ws, _ := c.dial(1, url.Values{"token": {token}})
	at := time.Now().UTC().Truncate(time.Millisecond)
	require.NoError(t, seen.Blocks.PutBlock(t.Context(), helpdesk.Block{User: u, Reason: "loud", At: at, By: "root"}))
	assert.Equal(t, 4503, c.closed(ws))
	c.until("pods that read it", func() bool {
		one, _, _ := c.call(0, http.MethodGet, "/sessions", token)
		two, _, _ := c.call(1, http.MethodGet, "/sessions", token)
		return one == http.StatusForbidden && two == http.StatusForbidden
	})
	admin := c.staffToken("root", "admin")
	c.until("person erased", func() bool {
		status, _ := c.request(admin, http.MethodDelete, "/chatbox/admin/users/zoe", nil)
		return status == http.StatusOK
	})
	_, err := seen.Blocks.BlockOf(context.WithoutCancel(t.Context()), u)
	require.ErrorIs(t, err, chatbox.NotFound)
	status, _, _ := c.call(0, http.MethodGet, "/sessions", token)
	assert.Contains(t, []int{http.StatusForbidden, http.StatusUnauthorized}, status, "the old credentials are void")
	for n := range 2 {
		c.admittedAt(n, c.signed("zoe", nil)) // issued since: somebody of that name
	}
}
