package api

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"chatbox"
	"chatbox/hub"
)

// ticket asks for one with the token.
func (p *pod) ticket(token string) string {
	p.t.Helper()
	status, _, b := p.call(http.MethodPost, "/ticket", bearerHeader(token), nil)
	require.Equal(p.t, http.StatusOK, status, "%s", b)
	var v ticketView
	require.NoError(p.t, json.Unmarshal(b, &v))
	require.EqualValues(p.t, 30, v.ExpiresIn)
	return v.Ticket
}

func TestTicket_OpensOneSocketAsItsTokenWould(t *testing.T) {
	p := newPod(t, nil)
	ticket := p.ticket(token(t, map[string]any{
		"user_id": "bob", "tenant": "acme", "roles": []string{"admin"}, "exp": time.Now().Add(3 * time.Second).Unix(),
	}))
	s := p.openRaw("?ticket="+ticket, nil)
	assert.Equal(t, "bob", s.read()["user_id"])
	actor := p.onlyConn().Actor()
	assert.Equal(t, "acme", actor.Tenant)
	assert.True(t, actor.Admin())
	status, _, f := p.refused("?ticket="+ticket, nil)
	assert.Equal(t, http.StatusUnauthorized, status)
	assert.Equal(t, "INVALID_TOKEN", f.Code)
	code, _, _ := s.readError()
	assert.Equal(t, "EXPIRED_TOKEN", code, "it ends with the token")
	assert.Equal(t, hub.CloseCredential, s.closeCode())
}

func TestTicket_IsForThoseWithAToken(t *testing.T) {
	p := newPod(t, nil)
	status, f := p.fails(http.MethodPost, "/ticket", nil, nil)
	assert.Equal(t, http.StatusUnauthorized, status)
	assert.Equal(t, "INVALID_TOKEN", f.Code)
	status, _ = p.fails(http.MethodGet, "/ticket", nil, nil)
	assert.Equal(t, http.StatusMethodNotAllowed, status)
	ticket := p.ticket(token(t, nil))
	status, _ = p.fails(http.MethodGet, "/sessions", bearerHeader(ticket), nil)
	assert.Equal(t, http.StatusUnauthorized, status, "a ticket opens sockets and nothing else")
}

func TestAbuse_CredentialsCountInOrder(t *testing.T) {
	p := newPod(t, nil)
	good := token(t, nil)
	refused := func(query string, h http.Header) {
		t.Helper()
		status, _, f := p.refused(query, h)
		assert.Equal(t, http.StatusUnauthorized, status)
		assert.Equal(t, "INVALID_TOKEN", f.Code)
	}
	refused("?ticket=rubbish&token="+good, nil)
	refused("?ticket="+p.ticket(good), http.Header{"Sec-WebSocket-Protocol": {"chatbox.v1, bearer.rubbish"}})
	refused("?ticket="+p.ticket(good), bearerHeader("rubbish"))
	refused("?ticket=", nil)
	refused("?ticket=%00&token="+good, nil)

	ticket := p.ticket(good)
	s := p.openRaw("?ticket="+ticket+"&token=rubbish", bearerHeader(token(t, map[string]any{"user_id": "header"})))
	assert.Equal(t, "header", s.read()["user_id"])
	s = p.openRaw("?ticket="+ticket+"&token="+token(t, map[string]any{"user_id": "query"}), nil)
	assert.Equal(t, "ann", s.read()["user_id"], "the header's attempt has not used it up")
	p.gate.mu.Lock()
	defer p.gate.mu.Unlock()
	assert.Len(t, p.gate.tickets, 2)
}

func TestAbuse_TicketsOfATokenThatEndedSince(t *testing.T) {
	p := newPod(t, nil)
	p.gate.tickets["old"] = chatbox.Actor{UserID: "ann", ExpiresAt: time.Now().Add(-Leeway - time.Second)}
	status, _, f := p.refused("?ticket=old", nil)
	assert.Equal(t, http.StatusUnauthorized, status)
	assert.Equal(t, "EXPIRED_TOKEN", f.Code)
}

func TestAbuse_RefusedTicketsLeaveNothingBehind(t *testing.T) {
	p := newPod(t, func(st *setup) { st.hub.MaxConns = 1; st.cfg.QueryToken = false })
	for range 10 {
		p.refused("?ticket=rubbish", nil)
		status, _, _ := p.refused("?ticket="+p.ticket(token(t, nil)), http.Header{"Origin": {"https://evil.example.com"}})
		assert.Equal(t, http.StatusForbidden, status)
		status, _ = p.fails(http.MethodGet, "/ws?ticket="+p.ticket(token(t, nil)), nil, nil)
		assert.Equal(t, http.StatusBadRequest, status)
	}
	assert.Zero(t, p.conv.registered())
	p.gate.down = true
	status, h, f := p.refused("?ticket=any", nil)
	assert.Equal(t, http.StatusServiceUnavailable, status)
	assert.Equal(t, "SERVICE_ERROR", f.Code)
	assert.NotEmpty(t, h.Get("Retry-After"))
	status, f = p.fails(http.MethodPost, "/ticket", bearerHeader(token(t, nil)), nil)
	assert.Equal(t, http.StatusServiceUnavailable, status)
	assert.Equal(t, "SERVICE_ERROR", f.Code)
	p.gate.down = false
	s := p.openRaw("?ticket="+p.ticket(token(t, nil)), nil)
	s.read()
	s.alive()
}

func TestAbuse_TicketIsNeverEchoedOrLogged(t *testing.T) {
	p := newPod(t, nil)
	ticket := p.ticket(token(t, nil))
	_, _, body := p.call(http.MethodGet, "/nothing?ticket="+ticket, nil, nil)
	assert.NotContains(t, string(body), ticket)
	s := p.openRaw("?ticket="+ticket+"&session_id=s-1&last_seq=x", nil)
	s.read()
	_, message, _ := s.readError()
	assert.NotContains(t, message, ticket)
	_, _, f := p.refused("?ticket="+ticket, nil)
	assert.NotContains(t, f.Message, ticket)
	assert.NotContains(t, p.logs.String(), ticket)
	assert.Contains(t, p.logs.String(), `"route":"/chatbox/ticket"`)
}
