package api

import (
	"crypto/rand"
	"net/http"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"chatbox"
	"chatbox/app/history"
)

// Behind a proxy, the requests of one address are counted until they show a
// credential.
func TestAbuse_CrowdOfOneAddress(t *testing.T) {
	const most = 3
	key := rsaKey(t, 2048)
	is := newIssuer(t, public("k", key))
	p := newPod(t, func(st *setup) {
		st.cfg.TrustedProxies, st.cfg.Unknown = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, most
		st.auth.Keys, st.auth.Algorithms = is.set(0), []string{"HS256", "RS256"}
	})
	require.Eventually(t, func() bool { return p.auth.keys.size() == 1 }, soon, time.Millisecond)
	gate := make(chan struct{})
	is.change(func() { is.gate = gate }) // a token with an unknown key waits for the issuer
	from := func(address, token string) http.Header {
		h := http.Header{"X-Forwarded-For": {address}}
		if token != "" {
			h.Set("Authorization", "Bearer "+token)
		}
		return h
	}
	ask := func(h http.Header) int {
		status, _, _ := p.call(http.MethodGet, "/sessions", h, nil)
		return status
	}
	inside := make(chan struct{})
	leave := make(chan struct{})
	p.conv.sessions = func(chatbox.Actor, chatbox.SessionQuery) (chatbox.SessionPage, error) {
		inside <- struct{}{}
		<-leave
		return chatbox.SessionPage{}, nil
	}
	var wg sync.WaitGroup
	for range most * 2 { // they have shown credentials
		wg.Go(func() { assert.Equal(t, http.StatusOK, ask(from("192.0.2.7", token(t, nil)))) })
		<-inside
	}
	for range most {
		wg.Go(func() {
			assert.Equal(t, http.StatusUnauthorized, ask(from("192.0.2.7", by(t, jwt.SigningMethodRS256, key, kid(rand.Text()), nil))))
		})
	}
	refused := func() bool { return ask(from("192.0.2.7", "")) == http.StatusTooManyRequests }
	require.Eventually(t, refused, soon, time.Millisecond)
	status, f := p.fails(http.MethodGet, "/sessions", from("192.0.2.7", ""), nil)
	assert.Equal(t, http.StatusTooManyRequests, status)
	assert.Equal(t, "TOO_MANY_REQUESTS", f.Code)
	assert.Equal(t, http.StatusUnauthorized, ask(from("192.0.2.8", "")), "another address")
	assert.Equal(t, http.StatusTooManyRequests, ask(from("192.0.2.8, 192.0.2.7", "")), "what the client wrote counts for nothing")
	assert.Equal(t, http.StatusUnauthorized, ask(nil), "the proxy itself is not limited")
	close(gate)
	close(leave)
	wg.Wait()
	assert.Equal(t, http.StatusUnauthorized, ask(from("192.0.2.7", "")), "they have left")
}

// A client that guesses share tokens is soon refused, for any guesses and any
// address that it claims.
func TestAbuse_ShareTokensGuessed(t *testing.T) {
	p := newPod(t, nil)
	asked := 0
	p.conv.shared = func(string) (chatbox.Share, history.Pages, error) {
		asked++
		return chatbox.Share{}, nil, chatbox.NotFound
	}
	guess := func() (int, http.Header) {
		status, h, _ := p.call(http.MethodGet, "/shared/"+rand.Text(), http.Header{"X-Forwarded-For": {"198.51.100." + rand.Text()[:1]}}, nil)
		return status, h
	}
	var status int
	var h http.Header
	for range 2*anonymousPerMinute + 1 { // in two minutes, where one ends meanwhile
		if status, h = guess(); status != http.StatusNotFound {
			break
		}
	}
	assert.Equal(t, http.StatusTooManyRequests, status)
	assert.NotEmpty(t, h.Get("Retry-After"))
	assert.LessOrEqual(t, asked, 2*anonymousPerMinute)
}
