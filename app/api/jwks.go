package api

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"

	"chatbox"
	"chatbox/internal/outage"
	"chatbox/internal/sleep"
)

// Limits of fetching an issuer's keys.
const (
	keysEvery   = 5 * time.Minute // after a success
	keysAgain   = 2 * time.Second // after a failure; doubles up to keysEvery
	keysGap     = 5 * time.Second // minimum between fetches caused by unknown keys
	keysTimeout = 3 * time.Second // per fetch
	maxKeysBody = 1 << 20         // bytes of a key set
	maxKeys     = 100             // per key set, not counting unusable ones
	maxKeyID    = 256             // bytes; longer ids are never looked up
	minRSABits  = 2048
)

// KeySet holds an issuer's public keys and refreshes them. While the issuer is
// unavailable, the keys fetched last stay in use. It is safe for concurrent use.
type KeySet struct {
	url  string
	http *http.Client
	away *outage.Outage
	gap  time.Duration

	mu     sync.Mutex // guards following
	keys   []jose.JSONWebKey
	failed bool          // the latest fetch failed, or there was none
	next   time.Time     // unknown keys cause no fetch before this time
	flight chan struct{} // closed when the running fetch ends; nil: none runs
}

// NewKeySet returns a key set that is empty until Run or the first token fetches
// it. It does not follow redirects.
func NewKeySet(url string, log *slog.Logger) *KeySet {
	transport := &http.Transport{
		Proxy: http.ProxyFromEnvironment, TLSHandshakeTimeout: keysTimeout, MaxIdleConns: 1, IdleConnTimeout: time.Minute,
		MaxResponseHeaderBytes: 64 << 10,
	}
	return &KeySet{
		url: url, away: outage.New("signing keys", log), gap: keysGap, failed: true,
		http: &http.Client{
			Transport: transport, Timeout: keysTimeout,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

// Run refreshes the keys periodically until ctx ends.
func (k *KeySet) Run(ctx context.Context) {
	defer k.http.CloseIdleConnections()
	again := keysAgain
	for {
		pause := keysEvery - rand.N(keysEvery/10) //nolint:gosec // jitter needs no secrecy
		if err := k.refresh(ctx, true); err != nil && ctx.Err() == nil {
			pause, again = again, min(2*again, keysEvery)
		} else {
			again = keysAgain
		}
		if !sleep.For(ctx, pause) {
			return
		}
	}
}

// Check fetches the keys once and returns how many can be used. It changes
// nothing.
func (k *KeySet) Check(ctx context.Context) (usable int, err error) {
	defer k.http.CloseIdleConnections()
	keys, err := k.fetch(ctx)
	return len(keys), err
}

// find returns the key for a token's kid and algorithm. An unknown key causes a
// fetch, at most one per gap. It returns chatbox.Unavailable if the issuer cannot
// be reached, because the token may be valid.
func (k *KeySet) find(ctx context.Context, kid, alg string) (any, error) {
	if len(kid) > maxKeyID {
		return nil, errNoKey
	}
	if key, ok := k.lookup(kid, alg); ok {
		return key, nil
	}
	err := k.refresh(ctx, false)
	if key, ok := k.lookup(kid, alg); ok {
		return key, nil
	}
	if err != nil {
		return nil, chatbox.NewError(chatbox.Unavailable, "the credential cannot be checked at the moment", err)
	}
	return nil, errNoKey
}

var errNoKey = errors.New("no such key")

// lookup returns the cached key. A token without a kid is accepted if exactly one
// key fits.
func (k *KeySet) lookup(kid, alg string) (any, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	var found any
	for _, key := range k.keys {
		if kid != "" && key.KeyID != kid || !fits(key, alg) {
			continue
		}
		if found != nil {
			return nil, false // ambiguous
		}
		found = key.Key
	}
	return found, found != nil
}

// fits reports whether the key may verify the algorithm.
func fits(key jose.JSONWebKey, alg string) bool {
	if key.Algorithm != "" && key.Algorithm != alg {
		return false
	}
	switch pub := key.Key.(type) {
	case *rsa.PublicKey:
		return strings.HasPrefix(alg, "RS")
	case *ecdsa.PublicKey:
		curves := map[string]string{"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}
		return curves[alg] == pub.Params().Name
	case ed25519.PublicKey:
		return alg == "EdDSA"
	default:
		return false
	}
}

// refresh fetches the set, or joins the running fetch. Unless must is set, it
// does so at most once per gap; in between it returns the result of the latest
// fetch.
func (k *KeySet) refresh(ctx context.Context, must bool) error {
	k.mu.Lock()
	flight := k.flight
	if flight == nil {
		if !must && time.Now().Before(k.next) {
			defer k.mu.Unlock()
			return k.failureLocked()
		}
		flight = make(chan struct{})
		k.flight, k.next = flight, time.Now().Add(k.gap)
		k.mu.Unlock()
		return k.fetchAndSettle(ctx, flight)
	}
	k.mu.Unlock()
	select {
	case <-flight:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.failureLocked()
}

func (k *KeySet) failureLocked() error {
	if k.failed {
		return errors.New("the latest fetch of the issuer's keys failed")
	}
	return nil
}

// fetchAndSettle runs one fetch. It does not end if the caller that started it
// goes away, because others may wait for it.
func (k *KeySet) fetchAndSettle(ctx context.Context, flight chan struct{}) error {
	keys, err := k.fetch(context.WithoutCancel(ctx))
	k.away.Note(ctx, err) // the previous keys stay in use
	k.mu.Lock()
	defer k.mu.Unlock()
	k.failed = err != nil
	if err == nil {
		k.keys = keys
	}
	k.flight = nil
	close(flight)
	return err
}

func (k *KeySet) fetch(ctx context.Context) ([]jose.JSONWebKey, error) {
	ctx, cancel := context.WithTimeout(ctx, keysTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, k.url, nil)
	if err != nil {
		return nil, errors.New("JWT_JWKS_URL cannot be requested")
	}
	req.Header.Set("Accept", "application/json, application/jwk-set+json")
	resp, err := k.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("fetch keys: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("fetch keys: status %d", resp.StatusCode)
	}
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxKeysBody+1))
	if err != nil {
		return nil, fmt.Errorf("fetch keys: %w", err)
	}
	return parseKeys(b)
}

// parseKeys parses a key set. It returns the public signature keys of the kinds
// that tokens may have and skips all others. A set without any is an error, so
// that a broken issuer does not replace working keys.
func parseKeys(b []byte) ([]jose.JSONWebKey, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if len(b) > maxKeysBody || json.Unmarshal(b, &set) != nil {
		return nil, errors.New("fetch keys: not a key set")
	}
	var keys []jose.JSONWebKey
	for _, raw := range set.Keys {
		var key jose.JSONWebKey
		if len(keys) < maxKeys && key.UnmarshalJSON(raw) == nil && usable(key) {
			keys = append(keys, key)
		}
	}
	if len(keys) == 0 {
		return nil, errors.New("fetch keys: the set holds no usable key")
	}
	return keys, nil
}

func usable(key jose.JSONWebKey) bool {
	if key.Use != "" && key.Use != "sig" || !key.Valid() || len(key.KeyID) > maxKeyID {
		return false
	}
	switch pub := key.Key.(type) {
	case *rsa.PublicKey:
		return pub.N.BitLen() >= minRSABits
	case *ecdsa.PublicKey, ed25519.PublicKey:
		return true
	default: // a secret, or a private key that should not be published
		return false
	}
}
