package api

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"log/slog"
	"maps"
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

// issuer signs tokens and publishes its keys.
type issuer struct {
	t   *testing.T
	url string
	hit atomic.Int64

	mu     sync.Mutex // guards following
	shown  []any      // jose.JSONWebKey, or anything else that is JSON
	status int
	gate   chan struct{} // not nil: responses wait for it
}

func newIssuer(t *testing.T, shown ...any) *issuer {
	t.Helper()
	is := &issuer{t: t, shown: shown, status: http.StatusOK}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		is.hit.Add(1)
		is.mu.Lock()
		gate, status, body := is.gate, is.status, map[string]any{"keys": is.shown}
		is.mu.Unlock()
		if gate != nil {
			<-gate
		}
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(body)
	}))
	t.Cleanup(srv.Close)
	is.url = srv.URL
	return is
}

func (is *issuer) change(f func()) {
	is.mu.Lock()
	defer is.mu.Unlock()
	f()
}

// set returns an empty key set of the issuer; gap is the minimum between fetches
// on demand.
func (is *issuer) set(gap time.Duration) *KeySet {
	k := NewKeySet(is.url, slog.New(slog.DiscardHandler))
	k.gap = gap
	is.t.Cleanup(k.http.CloseIdleConnections)
	return k
}

func (is *issuer) auth(change ...func(*AuthConfig)) *Auth {
	cfg := AuthConfig{
		Secret: []byte(secret), Keys: is.set(0),
		Algorithms: []string{"HS256", "RS256", "RS384", "RS512", "ES256", "ES384", "ES512", "EdDSA"},
	}
	for _, f := range change {
		f(&cfg)
	}
	return NewAuth(cfg)
}

func rsaKey(t *testing.T, bits int) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, bits)
	require.NoError(t, err)
	return key
}

func ecKey(t *testing.T, curve elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	require.NoError(t, err)
	return key
}

func public(kid string, key crypto.Signer) jose.JSONWebKey {
	return jose.JSONWebKey{KeyID: kid, Key: key.Public(), Use: "sig"}
}

// by signs a token that names its key; header adds to or removes from it.
func by(t *testing.T, method jwt.SigningMethod, key any, header, change map[string]any) string {
	t.Helper()
	c := jwt.MapClaims{"user_id": "ann", "exp": time.Now().Add(time.Hour).Unix()}
	maps.Copy(c, change)
	tok := jwt.NewWithClaims(method, c)
	maps.Copy(tok.Header, header)
	s, err := tok.SignedString(key)
	require.NoError(t, err)
	return s
}

func kid(id string) map[string]any { return map[string]any{"kid": id} }

func TestKeySet_VerifiesEachKind(t *testing.T) {
	r, e2, e3, e5 := rsaKey(t, 2048), ecKey(t, elliptic.P256()), ecKey(t, elliptic.P384()), ecKey(t, elliptic.P521())
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	is := newIssuer(t, map[string]any{"kty": "of a later time", "kid": "x"}, 7, public("r", r), public("e2", e2), public("e3", e3), public("e5", e5), public("ed", ed))
	a := is.auth()
	for _, tc := range []struct {
		id     string
		method jwt.SigningMethod
		key    any
	}{
		{"r", jwt.SigningMethodRS256, r},
		{"r", jwt.SigningMethodRS384, r},
		{"r", jwt.SigningMethodRS512, r},
		{"ed", jwt.SigningMethodEdDSA, ed},
		{"e2", jwt.SigningMethodES256, e2},
		{"e3", jwt.SigningMethodES384, e3},
		{"e5", jwt.SigningMethodES512, e5},
	} {
		actor, err := a.Actor(t.Context(), by(t, tc.method, tc.key, kid(tc.id), nil))
		require.NoError(t, err, tc.method.Alg())
		assert.Equal(t, "ann", actor.UserID)
	}
	_, err = a.Actor(t.Context(), token(t, nil))
	require.NoError(t, err, "the secret's tokens go on")
	assert.EqualValues(t, 1, is.hit.Load(), "one fetch serves all")
	requireUnauthenticated(t, a, by(t, jwt.SigningMethodES256, ecKey(t, elliptic.P256()), kid("e2"), nil))
	requireUnauthenticated(t, a, by(t, jwt.SigningMethodRS256, r, kid("e2"), nil))
}

func TestKeySet_TokenWithoutKidNeedsTheOnlyKey(t *testing.T) {
	one, two := rsaKey(t, 2048), rsaKey(t, 2048)
	is := newIssuer(t, public("1", one), public("e", ecKey(t, elliptic.P256())))
	_, err := is.auth().Actor(t.Context(), by(t, jwt.SigningMethodRS256, one, nil, nil))
	require.NoError(t, err)
	is.change(func() { is.shown = []any{public("1", one), public("2", two)} })
	requireUnauthenticated(t, is.auth(), by(t, jwt.SigningMethodRS256, one, nil, nil))
}

func TestKeySet_RotationIsSeenAtTheFirstToken(t *testing.T) {
	old, fresh := rsaKey(t, 2048), rsaKey(t, 2048)
	is := newIssuer(t, public("old", old))
	a := is.auth()
	_, err := a.Actor(t.Context(), by(t, jwt.SigningMethodRS256, old, kid("old"), nil))
	require.NoError(t, err)
	is.change(func() { is.shown = []any{public("new", fresh)} })
	_, err = a.Actor(t.Context(), by(t, jwt.SigningMethodRS256, fresh, kid("new"), nil))
	require.NoError(t, err)
	requireUnauthenticated(t, a, by(t, jwt.SigningMethodRS256, old, kid("old"), nil))
}

func TestKeySet_UnknownKeysAskTheIssuerRarely(t *testing.T) {
	key := rsaKey(t, 2048)
	is := newIssuer(t, public("k", key))
	a := is.auth(func(c *AuthConfig) { c.Keys = is.set(time.Hour) })
	_, err := a.Actor(t.Context(), by(t, jwt.SigningMethodRS256, key, kid("k"), nil))
	require.NoError(t, err)
	for range 50 {
		requireUnauthenticated(t, a, by(t, jwt.SigningMethodRS256, key, kid(rand.Text()), nil))
	}
	assert.EqualValues(t, 1, is.hit.Load())
}

func TestKeySet_ManyTokensShareOneFetch(t *testing.T) {
	key := rsaKey(t, 2048)
	is := newIssuer(t, public("k", key))
	gate := make(chan struct{})
	is.gate = gate
	a, tok := is.auth(), by(t, jwt.SigningMethodRS256, key, kid("k"), nil)
	var wg sync.WaitGroup
	var entered atomic.Int64
	for range 20 {
		wg.Go(func() {
			entered.Add(1)
			_, err := a.Actor(t.Context(), tok)
			assert.NoError(t, err)
		})
	}
	require.Eventually(t, func() bool { return entered.Load() == 20 && is.hit.Load() == 1 }, soon, time.Millisecond)
	close(gate)
	wg.Wait()
	assert.LessOrEqual(t, is.hit.Load(), int64(1))
}

func TestKeySet_OutageTakesNothingAway(t *testing.T) {
	key, other := rsaKey(t, 2048), rsaKey(t, 2048)
	is := newIssuer(t, public("k", key))
	a := is.auth()
	known, unknown := by(t, jwt.SigningMethodRS256, key, kid("k"), nil), by(t, jwt.SigningMethodRS256, other, kid("new"), nil)
	_, err := a.Actor(t.Context(), known)
	require.NoError(t, err)
	for name, broken := range map[string]func(){
		"status": func() { is.status = http.StatusInternalServerError },
		"empty":  func() { is.shown = []any{} },
		"none of use": func() {
			is.shown = []any{
				public("k", rsaKey(t, 1024)),
				jose.JSONWebKey{KeyID: "k", Key: []byte(secret)},
				jose.JSONWebKey{KeyID: "k", Key: key},
				jose.JSONWebKey{KeyID: "k", Key: key.Public(), Use: "enc"},
			}
		},
		"moved": func() { is.status = http.StatusFound },
	} {
		is.change(func() { is.status, is.shown = http.StatusOK, []any{public("k", key)}; broken() })
		_, err := a.Actor(t.Context(), unknown)
		require.ErrorIs(t, err, chatbox.Unavailable, "%s: whether it is good nobody knows", name)
		_, err = a.Actor(t.Context(), known)
		require.NoError(t, err, name)
	}
	is.change(func() { is.status, is.shown = http.StatusOK, []any{public("k", key)} })
	requireUnauthenticated(t, a, unknown)

	away := newIssuer(t)
	away.change(func() { away.status = http.StatusBadGateway })
	_, err = away.auth().Actor(t.Context(), known)
	require.ErrorIs(t, err, chatbox.Unavailable)
}

func TestKeySet_RunFetchesBeforeAnybodyAsks(t *testing.T) {
	is := newIssuer(t, public("k", rsaKey(t, 2048)))
	p := newPod(t, func(st *setup) { st.auth.Keys = is.set(time.Hour) })
	require.Eventually(t, func() bool {
		k := p.auth.keys
		k.mu.Lock()
		defer k.mu.Unlock()
		return len(k.keys) == 1
	}, soon, time.Millisecond)
}

func TestAbuse_PublicKeyAsSecret(t *testing.T) {
	key := rsaKey(t, 2048)
	is := newIssuer(t, public("k", key))
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	require.NoError(t, err)
	jwk, err := public("k", key).MarshalJSON()
	require.NoError(t, err)
	for _, a := range []*Auth{is.auth(), is.auth(func(c *AuthConfig) { c.Secret = nil })} {
		for _, known := range [][]byte{
			der, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), jwk, key.N.Bytes(),
			x509.MarshalPKCS1PublicKey(key.Public().(*rsa.PublicKey)),
			{},
		} {
			requireUnauthenticated(t, a, by(t, jwt.SigningMethodHS256, known, kid("k"), nil))
		}
	}
}

func TestAbuse_KeysThatATokenBringsAlong(t *testing.T) {
	mine := rsaKey(t, 2048)
	evil := newIssuer(t, public("k", mine))
	is := newIssuer(t, public("k", rsaKey(t, 2048)))
	a := is.auth()
	for name, header := range map[string]map[string]any{
		"jku": {"kid": "k", "jku": evil.url}, "x5u": {"kid": "k", "x5u": evil.url}, "jwk": {"kid": "k", "jwk": public("k", mine)},
		"x5c": {"kid": "k", "x5c": []string{"MII"}}, "only a jwk": {"jwk": public("k", mine)}, "url as kid": kid(evil.url),
		"path": kid("../../../../dev/null"), "query": kid("k' UNION SELECT 'x"), "nothing": kid(""), "huge": kid(strings.Repeat("k", 10_000)),
		"NUL": kid("k\x00"), "a number": {"kid": 1}, "an object": {"kid": map[string]any{"$ne": ""}}, "null": {"kid": nil},
	} {
		t.Run(name, func(t *testing.T) { requireUnauthenticated(t, a, by(t, jwt.SigningMethodRS256, mine, header, nil)) })
	}
	assert.Zero(t, evil.hit.Load(), "nobody is asked but the configured issuer")
	requireUnauthenticated(t, a, by(t, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, kid("k"), nil))
	requireUnauthenticated(t, a, by(t, jwt.SigningMethodPS256, mine, kid("k"), nil))
}

func TestAbuse_IssuersTokenIsStillJudged(t *testing.T) {
	key := rsaKey(t, 2048)
	is := newIssuer(t, jose.JSONWebKey{KeyID: "k", Key: key.Public(), Use: "sig", Algorithm: "RS256"})
	a := is.auth(func(c *AuthConfig) {
		c.Issuer, c.Audience, c.Algorithms = "https://id.example.com", "chat", []string{"HS256", "RS256", "RS512"}
	})
	good := map[string]any{"iss": "https://id.example.com", "aud": "chat"}
	_, err := a.Actor(t.Context(), by(t, jwt.SigningMethodRS256, key, kid("k"), good))
	require.NoError(t, err)
	requireUnauthenticated(t, a, by(t, jwt.SigningMethodRS512, key, kid("k"), good)) // the key says what it is for
	requireUnauthenticated(t, a, by(t, jwt.SigningMethodRS384, key, kid("k"), good)) // not pinned
	requireUnauthenticated(t, a, by(t, jwt.SigningMethodRS256, key, kid("k"), map[string]any{"iss": "https://evil.example.com", "aud": "chat"}))
	requireUnauthenticated(t, a, by(t, jwt.SigningMethodRS256, key, kid("k"), map[string]any{"iss": good["iss"], "aud": "shop"}))
	old := map[string]any{"iss": good["iss"], "aud": "chat", "exp": time.Now().Add(-time.Hour).Unix()}
	_, err = a.Actor(t.Context(), by(t, jwt.SigningMethodRS256, key, kid("k"), old))
	require.ErrorIs(t, err, chatbox.TokenExpired)
}

func TestAbuse_IssuerAwayIsNotTheClientsFault(t *testing.T) {
	is := newIssuer(t)
	is.change(func() { is.status = http.StatusBadGateway })
	p := newPod(t, func(st *setup) {
		st.auth.Keys, st.auth.Algorithms = is.set(time.Hour), []string{"HS256", "RS256"}
	})
	status, h, f := p.refused("", bearerHeader(by(t, jwt.SigningMethodRS256, rsaKey(t, 2048), kid("k"), nil)))
	assert.Equal(t, http.StatusServiceUnavailable, status)
	assert.Equal(t, "SERVICE_ERROR", f.Code)
	assert.NotEmpty(t, h.Get("Retry-After"))
	assert.Zero(t, p.conv.registered())
	p.open("").alive()
}

// size is how many keys are known.
func (k *KeySet) size() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.keys)
}
