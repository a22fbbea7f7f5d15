package api

import (
	"bytes"
	"compress/gzip"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"chatbox"
)

// shows returns a key set whose issuer responds with h.
func shows(t *testing.T, h http.HandlerFunc) *KeySet {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	k := NewKeySet(srv.URL, slog.New(slog.DiscardHandler))
	k.gap = 0
	t.Cleanup(k.http.CloseIdleConnections)
	return k
}

// setOf returns a key set's document.
func setOf(t *testing.T, keys ...any) string {
	t.Helper()
	b, err := json.Marshal(map[string]any{"keys": keys})
	require.NoError(t, err)
	return string(b)
}

func rsAuth(k *KeySet) *Auth { return NewAuth(AuthConfig{Keys: k, Algorithms: []string{"RS256"}}) }

// The pod keeps running after any response of an issuer, and a token that cannot
// be checked is not refused as invalid.
func TestKeySet_WhatIssuersAnswer(t *testing.T) {
	key := rsaKey(t, 2048)
	tok := by(t, jwt.SigningMethodRS256, key, kid("k"), nil)
	good := setOf(t, public("k", key))
	say := func(body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, body) }
	}
	packed := func(body []byte, times int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			for range times {
				_, _ = z.Write(body)
			}
			_ = z.Close()
		}
	}
	for name, tc := range map[string]struct {
		h     http.HandlerFunc
		taken bool
	}{
		"a set": {h: say(good), taken: true},
		"of another content type": {h: func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			say(good)(w, r)
		}, taken: true},
		"packed":                         {h: packed([]byte(good), 1), taken: true},
		"chunked":                        {h: func(w http.ResponseWriter, _ *http.Request) { w.(http.Flusher).Flush(); say(good)(w, nil) }, taken: true},
		"behind many that are of no use": {h: say(strings.Replace(good, "[", "["+strings.Repeat(`{"kty":"x"},`, 1000), 1)), taken: true},
		"100,000 keys of no use":         {h: say(`{"keys":[` + strings.Repeat(`{},`, 100_000) + `{}]}`)},
		"100,000 keys and more":          {h: say(strings.Replace(good, "[", "["+strings.Repeat(`{"kty":"oct"},`, 100_000), 1))},
		"a page":                         {h: say("<!doctype html><title>Sign in</title>")},
		"nothing":                        {h: say("")},
		"half of it":                     {h: say(good[:len(good)/2])},
		"null":                           {h: say("null")},
		"a list":                         {h: say("[" + good + "]")},
		"no list of keys":                {h: say(`{"keys":{"k":1}}`)},
		"a deep one":                     {h: say(`{"keys":` + strings.Repeat("[", 100_000))},
		"a huge one":                     {h: say(good + strings.Repeat(" ", 2<<20))},
		"one without end":                {h: func(w http.ResponseWriter, r *http.Request) { endless(w, r, 64<<10, 0) }},
		"one that drips":                 {h: func(w http.ResponseWriter, r *http.Request) { endless(w, r, 1, 20*time.Millisecond) }},
		"a bomb":                         {h: packed(bytes.Repeat([]byte(" "), 1<<20), 64)},
		"a length that is not kept": {h: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "99999")
			_, _ = io.WriteString(w, good)
		}},
		"a redirect":             {h: func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/elsewhere", http.StatusFound) }},
		"no content":             {h: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }},
		"a broken connection":    {h: func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }},
		"a key of 2 bits":        {h: say(setOf(t, map[string]any{"kty": "RSA", "kid": "k", "n": "Aw", "e": "AQAB"}))},
		"a key without a number": {h: say(setOf(t, map[string]any{"kty": "RSA", "kid": "k"}))},
		"a secret of that name":  {h: say(setOf(t, jose.JSONWebKey{KeyID: "k", Key: []byte(secret)}))},
		"the key twice":          {h: say(setOf(t, public("k", key), public("k", rsaKey(t, 2048))))},
	} {
		t.Run(name, func(t *testing.T) {
			k := shows(t, tc.h)
			k.http.Timeout = 300 * time.Millisecond
			actor, err := rsAuth(k).Actor(t.Context(), tok)
			switch {
			case tc.taken:
				require.NoError(t, err)
				assert.Equal(t, "ann", actor.UserID)
			case name == "the key twice": // a good set, whose names say nothing
				require.ErrorIs(t, err, chatbox.Unauthenticated)
			default:
				require.ErrorIs(t, err, chatbox.Unavailable)
			}
			assert.LessOrEqual(t, k.size(), maxKeys)
		})
	}
}

// endless writes until the reader stops.
func endless(w http.ResponseWriter, r *http.Request, size int, every time.Duration) {
	piece := bytes.Repeat([]byte(" "), size)
	tick := time.NewTicker(every + 1)
	defer tick.Stop()
	for {
		if _, err := w.Write(piece); err != nil {
			return
		}
		_ = http.NewResponseController(w).Flush()
		select {
		case <-tick.C:
		case <-r.Context().Done():
			return
		}
	}
}

// An issuer that is unavailable when the pod starts is asked again until it
// answers.
func TestKeySet_IssuerComesLater(t *testing.T) {
	key := rsaKey(t, 2048)
	var up atomic.Bool
	set := setOf(t, public("k", key))
	k := shows(t, func(w http.ResponseWriter, _ *http.Request) {
		if !up.Load() {
			panic(http.ErrAbortHandler)
		}
		_, _ = io.WriteString(w, set)
	})
	a, tok := rsAuth(k), by(t, jwt.SigningMethodRS256, key, kid("k"), nil)
	for range 3 {
		_, err := a.Actor(t.Context(), tok)
		require.ErrorIs(t, err, chatbox.Unavailable)
	}
	up.Store(true)
	_, err := a.Actor(t.Context(), tok)
	require.NoError(t, err)
}

// A token with a known key does not wait for a slow issuer, however many tokens
// have unknown keys.
func TestKeySet_SlowIssuerDelaysOnlyWhoNeedsIt(t *testing.T) {
	key := rsaKey(t, 2048)
	is := newIssuer(t, public("k", key))
	a := is.auth()
	known := by(t, jwt.SigningMethodRS256, key, kid("k"), nil)
	_, err := a.Actor(t.Context(), known)
	require.NoError(t, err)
	gate := make(chan struct{})
	is.change(func() { is.gate = gate })
	var wg sync.WaitGroup
	for n := range 50 {
		tok := by(t, jwt.SigningMethodRS256, key, kid(fmt.Sprint("unknown-", n)), nil)
		wg.Go(func() {
			_, err := a.Actor(t.Context(), tok)
			assert.ErrorIs(t, err, chatbox.Unauthenticated)
		})
	}
	require.Eventually(t, func() bool { return is.hit.Load() == 2 }, soon, time.Millisecond)
	_, err = a.Actor(t.Context(), known) // hangs if it waits
	require.NoError(t, err)
	close(gate)
	wg.Wait()
}

// Keys change while tokens are checked. As long as the issuer publishes a token's
// key, the token is valid.
func TestKeySet_RotatesUnderLoad(t *testing.T) {
	const turns, checkers = 8, 4
	keys := make([]*rsa.PrivateKey, turns+1)
	tokens := make([]string, turns+1)
	for n := range keys {
		keys[n] = rsaKey(t, 2048)
		tokens[n] = by(t, jwt.SigningMethodRS256, keys[n], kid(fmt.Sprint(n)), nil)
	}
	is := newIssuer(t, public("0", keys[0]))
	a := is.auth()
	var at atomic.Int64
	var checked [turns + 1]atomic.Int64
	var wg sync.WaitGroup
	for range checkers {
		wg.Go(func() {
			for {
				n := at.Load()
				if _, err := a.Actor(t.Context(), tokens[n]); err != nil {
					if at.Load() > n { // its key may be gone by now
						continue
					}
					assert.NoError(t, err, n)
					return
				}
				if checked[n].Add(1); n == turns {
					return
				}
			}
		})
	}
	for n := range turns {
		require.Eventually(t, func() bool { return checked[n].Load() > 3 }, soon, time.Millisecond)
		is.change(func() { is.shown = []any{public(fmt.Sprint(n), keys[n]), public(fmt.Sprint(n+1), keys[n+1])} })
		at.Add(1)
		require.Eventually(t, func() bool { return checked[n+1].Load() > 3 }, soon, time.Millisecond)
		is.change(func() { is.shown = []any{public(fmt.Sprint(n+1), keys[n+1])} })
	}
	wg.Wait()
	_, err := a.Actor(t.Context(), by(t, jwt.SigningMethodRS256, keys[0], kid("new"), nil))
	require.ErrorIs(t, err, chatbox.Unauthenticated)
	requireUnauthenticated(t, a, tokens[0])
}

// A published key is never accepted as an HMAC secret, in any encoding.
func TestAbuse_PublishedKeyAsSecret(t *testing.T) {
	r, e := rsaKey(t, 2048), ecKey(t, elliptic.P256())
	is := newIssuer(t, public("r", r), public("e", e))
	res, err := http.Get(is.url)
	require.NoError(t, err)
	published, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	require.NoError(t, json.Unmarshal(published, &set))
	forms := [][]byte{published, bytes.TrimSpace(published), set.Keys[0], set.Keys[1], {}, []byte("null"), []byte("r"), []byte(is.url)}
	for _, signer := range []crypto.Signer{r, e} {
		der, err := x509.MarshalPKIXPublicKey(signer.Public())
		require.NoError(t, err)
		cert, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{SerialNumber: big.NewInt(1)}, &x509.Certificate{}, signer.Public(), signer)
		require.NoError(t, err)
		for kind, bytesOf := range map[string][]byte{"PUBLIC KEY": der, "CERTIFICATE": cert, "RSA PUBLIC KEY": x509.MarshalPKCS1PublicKey(&r.PublicKey)} {
			text := pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: bytesOf})
			forms = append(forms, bytesOf, text, bytes.TrimSpace(text), bytes.ReplaceAll(text, []byte("\n"), []byte("\r\n")),
				[]byte(base64.StdEncoding.EncodeToString(bytesOf)), []byte(base64.RawURLEncoding.EncodeToString(bytesOf)))
		}
	}
	forms = append(forms, r.N.Bytes(), []byte(base64.RawURLEncoding.EncodeToString(r.N.Bytes())), []byte(r.N.String()))
	if pub, ok := e.Public().(*ecdsa.PublicKey); ok {
		raw, err := pub.Bytes()
		require.NoError(t, err)
		forms = append(forms, raw)
	}
	for _, a := range []*Auth{is.auth(), is.auth(func(c *AuthConfig) { c.Secret = nil }), rsAuth(is.set(0))} {
		for _, form := range forms {
			for _, method := range []jwt.SigningMethod{jwt.SigningMethodHS256, jwt.SigningMethodHS384, jwt.SigningMethodHS512} {
				for _, header := range []map[string]any{kid("r"), kid("e"), nil} {
					requireUnauthenticated(t, a, by(t, method, form, header, map[string]any{"roles": []string{"admin"}}))
				}
			}
		}
	}
}
