package persistence

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"sync"
)

// Tokens returns the tokens by which words can be found without being stored: for
// each word, in order, 8 bytes of an HMAC. The HMAC's key is derived from the
// sealing key for this tenant and purpose, so a word has different tokens if one
// of the three differs. Without the key a token can neither be computed nor
// traced to its word.
func (k *Keyring) Tokens(tenant, purpose string, words []string) ([]int64, error) {
	return k.first.tokensOf(tenant, purpose, words)
}

// TokensOfAll returns the words' tokens under each of the keys, the sealing key's
// first.
func (k *Keyring) TokensOfAll(tenant, purpose string, words []string) ([][]int64, error) {
	first, err := k.first.tokensOf(tenant, purpose, words)
	if err != nil {
		return nil, err
	}
	out := [][]int64{first}
	for _, e := range k.keys {
		if e == k.first {
			continue
		}
		tokens, err := e.tokensOf(tenant, purpose, words)
		if err != nil {
			return nil, err
		}
		out = append(out, tokens)
	}
	return out, nil
}

func (e *entry) tokensOf(tenant, purpose string, words []string) ([]int64, error) {
	key, err := e.tokenKey(tenant, purpose)
	if err != nil {
		return nil, fmt.Errorf("persistence: key %q: %w", e.id, err)
	}
	mac := hmac.New(sha256.New, key)
	out := make([]int64, len(words))
	var sum [sha256.Size]byte
	for i, w := range words {
		mac.Reset()
		mac.Write([]byte(w))
		out[i] = int64(binary.BigEndian.Uint64(mac.Sum(sum[:0]))) //nolint:gosec // only its bits matter
	}
	return out, nil
}

// mostTokenKeys is how many derived keys an entry remembers. Deriving a key takes
// longer than the tokens of a message of twenty words.
const mostTokenKeys = 4096

// tokenKeys remembers derived keys by their context. It is safe for concurrent
// use.
type tokenKeys struct {
	mu sync.RWMutex
	of map[string][]byte
}

// tokenKey returns the key of the tenant's tokens for the purpose. Callers must
// not change it.
func (e *entry) tokenKey(tenant, purpose string) ([]byte, error) {
	use := string(associate(tenant, purpose))
	e.tokens.mu.RLock()
	key := e.tokens.of[use]
	e.tokens.mu.RUnlock()
	if key != nil {
		return key, nil
	}
	key, err := hkdf.Key(sha256.New, e.words, nil, use, sha256.Size)
	if err != nil {
		return nil, err
	}
	e.tokens.mu.Lock()
	defer e.tokens.mu.Unlock()
	if e.tokens.of == nil || len(e.tokens.of) >= mostTokenKeys {
		e.tokens.of = map[string][]byte{} // the tenants in use come back at once
	}
	e.tokens.of[use] = key
	return key, nil
}
