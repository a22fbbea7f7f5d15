package api

import (
	"encoding/json"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"chatbox"
	"chatbox/hub"
)

func staff(t *testing.T) http.Header {
	t.Helper()
	return bearerHeader(token(t, map[string]any{"user_id": "root", "roles": []string{"chat_admin"}, "tenant": "acme"}))
}

func TestDisconnect_IsForAdminsOfTheTenant(t *testing.T) {
	p := newPod(t, nil)
	for _, id := range []string{"ann", "a b", "a/b", "ä%2f", "x@y.example", "a:b|c"} {
		path := "/admin/users/" + url.PathEscape(id) + "/disconnect"
		status, _, b := p.call(http.MethodPost, path, staff(t), nil)
		require.Equal(t, http.StatusOK, status, "%s: %s", id, b)
		var v disconnectView
		require.NoError(t, json.Unmarshal(b, &v))
		assert.Equal(t, id, v.UserID)
		assert.Equal(t, "disconnected", v.Status)
		p.gate.mu.Lock()
		assert.Contains(t, p.gate.withdrawn, chatbox.UserKey{Tenant: "acme", ID: id})
		p.gate.mu.Unlock()
		status, f := p.fails(http.MethodPost, path, bearerHeader(token(t, map[string]any{"roles": []string{"user"}})), nil)
		assert.Equal(t, http.StatusForbidden, status)
		assert.Equal(t, "INSUFFICIENT_PERMISSIONS", f.Code)
		status, _ = p.fails(http.MethodPost, path, nil, nil)
		assert.Equal(t, http.StatusUnauthorized, status)
	}
	status, f := p.fails(http.MethodPost, "/admin/users/%00/disconnect", staff(t), nil)
	assert.Equal(t, http.StatusBadRequest, status)
	assert.Equal(t, "INVALID_FORMAT", f.Code)
}

func TestAbuse_WithdrawnCredentialsOpenNothing(t *testing.T) {
	p := newPod(t, nil)
	now := time.Now()
	of := func(issued any) string { return token(t, map[string]any{"tenant": "acme", "iat": issued}) }
	old, ageless, fresh := of(now.Add(-time.Minute).Unix()), of(nil), of(now.Add(2*time.Second).Unix())
	ticket := p.ticket(old)
	s := p.openRaw("", bearerHeader(fresh))
	require.Equal(t, "connection_status", s.read()["type"])
	status, _, _ := p.call(http.MethodPost, "/admin/users/ann/disconnect", staff(t), nil)
	require.Equal(t, http.StatusOK, status)

	for name, tok := range map[string]string{"old": old, "without a time of issue": ageless} {
		status, _, f := p.refused("", bearerHeader(tok))
		assert.Equal(t, http.StatusUnauthorized, status, name)
		assert.Equal(t, "INVALID_TOKEN", f.Code)
		for _, r := range []struct{ method, path string }{{http.MethodGet, "/sessions"}, {http.MethodPost, "/ticket"}} {
			status, f := p.fails(r.method, r.path, bearerHeader(tok), nil)
			assert.Equal(t, http.StatusUnauthorized, status, name)
			assert.Equal(t, "INVALID_TOKEN", f.Code)
		}
		s.send(`{"type":"auth","token":"` + tok + `"}`)
		code, message, _ := s.readError()
		assert.Equal(t, "INVALID_TOKEN", code)
		assert.Contains(t, message, "token")
	}
	status, _, f := p.refused("?ticket="+ticket, nil)
	assert.Equal(t, http.StatusUnauthorized, status, "nor does a ticket that was asked for before")
	assert.Equal(t, "INVALID_TOKEN", f.Code)
	s.send(`{"type":"auth","token":"` + fresh + `"}`)
	assert.Equal(t, "connection_status", s.read()["type"])
	status, _, _ = p.call(http.MethodGet, "/sessions", bearerHeader(fresh), nil)
	assert.Equal(t, http.StatusOK, status)
	other := p.openRaw("", bearerHeader(token(t, nil)))
	assert.Equal(t, "connection_status", other.read()["type"], "of that name in another tenant")
}

// TestAbuse_DisconnectedBetweenTheDoorAndTheHub: a user admitted just before is
// not in the hub yet when the notification arrives, and must still be
// disconnected.
func TestAbuse_DisconnectedBetweenTheDoorAndTheHub(t *testing.T) {
	p := newPod(t, nil)
	p.gate.hidden = true
	ann := chatbox.UserKey{ID: "ann"}
	p.gate.withdrawn[ann] = chatbox.Withdrawal{User: ann, Before: time.Now()}
	s := p.openRaw("", bearerHeader(token(t, nil)))
	assert.Equal(t, hub.CloseDisconnected, s.closeCode())

	delete(p.gate.withdrawn, ann)
	s = p.open("")
	p.gate.mu.Lock()
	p.gate.withdrawn[ann] = chatbox.Withdrawal{User: ann, Before: time.Now()}
	p.gate.mu.Unlock()
	s.send(`{"type":"auth","token":"` + token(t, nil) + `"}`)
	assert.Equal(t, hub.CloseDisconnected, s.closeCode())
}

func TestLimits_RESTBeyondTheLimitSaysWhenToComeAgain(t *testing.T) {
	p := newPod(t, nil)
	p.gate.admit = func(chatbox.Actor) error {
		return &chatbox.Error{Code: chatbox.RateLimited, Message: "too many requests", RetryAfter: 1200 * time.Millisecond}
	}
	for _, r := range []struct{ method, path string }{
		{http.MethodGet, "/sessions"},
		{http.MethodPost, "/ticket"},
		{http.MethodGet, "/admin/cluster"},
		{http.MethodPost, "/admin/users/ann/disconnect"},
	} {
		_, h, b := p.call(r.method, r.path, staff(t), nil)
		status, f := p.fails(r.method, r.path, staff(t), nil)
		assert.Equal(t, http.StatusTooManyRequests, status)
		assert.Equal(t, "TOO_MANY_REQUESTS", f.Code)
		assert.NotEmpty(t, f.RequestID)
		assert.Equal(t, "2", h.Get("Retry-After"), "%s", b)
	}
	status, _, _ := p.call(http.MethodGet, "/healthz", nil, nil)
	assert.Equal(t, http.StatusOK, status, "probes are nobody's requests")
}
