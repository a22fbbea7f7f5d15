package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"chatbox"
	"chatbox/helpdesk"
	"chatbox/hub"
)

func (f *fakeAccess) Block(_ context.Context, admin chatbox.Actor, b helpdesk.Block) (helpdesk.Block, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	b.User.Tenant, b.At, b.By = admin.Tenant, time.UnixMilli(7), admin.UserID
	f.blocks[b.User] = b
	return b, nil
}

func (f *fakeAccess) Unblock(_ context.Context, admin chatbox.Actor, userID string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.blocks, chatbox.UserKey{Tenant: admin.Tenant, ID: userID})
	return nil
}

func (f *fakeAccess) BlockOf(_ context.Context, a chatbox.Actor, userID string) (helpdesk.Block, bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	b, ok := f.blocks[chatbox.UserKey{Tenant: a.Tenant, ID: userID}]
	return b, ok, nil
}

func (f *fakeAccess) BlockList(_ context.Context, a chatbox.Actor, q helpdesk.BlockQuery) ([]helpdesk.Block, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []helpdesk.Block
	for u, b := range f.blocks {
		if u.Tenant == a.Tenant && u.ID > q.After {
			out = append(out, b)
		}
	}
	slices.SortFunc(out, func(a, b helpdesk.Block) int { return strings.Compare(a.User.ID, b.User.ID) })
	return out[:min(len(out), q.Limit)], nil
}

func TestBlock_SaysWhatStands(t *testing.T) {
	p := newPod(t, nil)
	h := staff(t)
	ask := func(method, path, body string) map[string]any {
		t.Helper()
		status, _, b := p.call(method, "/admin"+path, h, strings.NewReader(body))
		require.Equal(t, http.StatusOK, status, "%s", b)
		var out map[string]any
		require.NoError(t, json.Unmarshal(b, &out))
		return out
	}
	for _, id := range []string{"ann", "a b/c", "ä%2f|x"} {
		path := "/users/" + url.PathEscape(id) + "/block"
		none := map[string]any{"user_id": id, "blocked": false}
		assert.Equal(t, none, ask(http.MethodGet, path, ""))
		bare := map[string]any{"user_id": id, "blocked": true, "blocked_at": "1970-01-01T00:00:00.007Z", "blocked_by": "root"}
		assert.Equal(t, bare, ask(http.MethodPut, path, ""))
		assert.Equal(t, bare, ask(http.MethodPut, path, `{"reason":null,"until":null}`))
		full := ask(http.MethodPut, path, `{"reason":" <b>loud</b>","until":"2099-01-01T02:00:00.1234+02:00"}`)
		assert.Equal(t, " <b>loud</b>", full["reason"])
		assert.Equal(t, "2099-01-01T00:00:00.123Z", full["until"])
		assert.Equal(t, full, ask(http.MethodGet, path, ""))
		assert.Equal(t, none, ask(http.MethodDelete, path, ""))
		assert.Equal(t, none, ask(http.MethodDelete, path, ""))
	}
	for i := range 5 {
		ask(http.MethodPut, fmt.Sprint("/users/u", i, "/block"), "")
	}
	var seen []any
	for cursor := ""; ; {
		page := ask(http.MethodGet, "/blocks?limit=2&cursor="+cursor, "")
		blocks, _ := page["blocks"].([]any)
		for _, b := range blocks {
			m, _ := b.(map[string]any)
			seen = append(seen, m["user_id"])
		}
		if cursor, _ = page["next_cursor"].(string); cursor == "" {
			break
		}
	}
	assert.Equal(t, []any{"u0", "u1", "u2", "u3", "u4"}, seen)
}

func TestAbuse_BlockedUsersReachNothing(t *testing.T) {
	p := newPod(t, nil)
	tok := token(t, map[string]any{"tenant": "acme"})
	ticket := p.ticket(tok)
	s := p.openRaw("", bearerHeader(tok))
	require.Equal(t, "connection_status", s.read()["type"])
	s.alive() // already admitted, so the block is not checked on admission any more
	status, _, b := p.call(http.MethodPut, "/admin/users/ann/block", staff(t), strings.NewReader(`{"reason":"cAnArY"}`))
	require.Equal(t, http.StatusOK, status, "%s", b)

	for name, tok := range map[string]string{"old": tok, "fresh": token(t, map[string]any{"tenant": "acme", "iat": time.Now().Unix()})} {
		status, _, f := p.refused("", bearerHeader(tok))
		assert.Equal(t, http.StatusForbidden, status, name)
		assert.Equal(t, "INSUFFICIENT_PERMISSIONS", f.Code)
		assert.Contains(t, f.Message, "blocked")
		assert.NotContains(t, f.Message, "cAnArY")
		for _, r := range []struct{ method, path string }{{http.MethodGet, "/sessions"}, {http.MethodPost, "/ticket"}, {http.MethodGet, "/admin/sessions"}} {
			status, f := p.fails(r.method, r.path, bearerHeader(tok), nil)
			assert.Equal(t, http.StatusForbidden, status, name)
			assert.Equal(t, "INSUFFICIENT_PERMISSIONS", f.Code)
		}
	}
	status, _, _ = p.refused("?ticket="+ticket, nil)
	assert.Equal(t, http.StatusForbidden, status, "nor does a ticket that was made before")
	s.send(`{"type":"auth","token":"` + tok + `"}`)
	code, message, _ := s.readError()
	assert.Equal(t, "INSUFFICIENT_PERMISSIONS", code)
	assert.Contains(t, message, "token")
	status, _, _ = p.call(http.MethodGet, "/shared/known", bearerHeader(tok), nil)
	assert.Equal(t, http.StatusOK, status, "what anyone may read")
	other := p.openRaw("", bearerHeader(token(t, nil)))
	assert.Equal(t, "connection_status", other.read()["type"], "of that name in another tenant")
	assert.NotContains(t, p.logs.String(), "cAnArY")

	p.gate.mu.Lock()
	p.gate.hidden = true // admitted just before the notification arrived
	p.gate.mu.Unlock()
	late := p.openRaw("", bearerHeader(tok))
	assert.Equal(t, hub.CloseDisconnected, late.closeCode())
}
