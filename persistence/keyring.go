package persistence

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
)

// ErrUndecipherable means that a sealed box is not what this keyring sealed
// for that place: another or unknown key, altered bytes, or a box moved from
// elsewhere. What was in it is never returned, nor the box.
var ErrUndecipherable = errors.New("persistence: undecipherable")

var errShort = errors.New("too short")

// boxVersion is the first byte of every box: the construction and layout.
const boxVersion = 1

// Keyring seals what must not be readable at rest. The first key seals, all
// open, so a key is rotated by putting a new one in front. It is immutable and
// safe for concurrent use.
//
// A box is: version, length of the key's id, the id, nonce, sealed text. The
// associated data binds it to the version, the key's id and the place that the
// caller names.
type Keyring struct {
	first    *entry
	ids      []string // in the order of the list
	keys     map[string]*entry
	failures atomic.Uint64
}

type entry struct {
	id     string
	xaes   *xaes
	digest []byte // the key of digests, derived from the secret
	words  []byte // that of tenants' keys of tokens, likewise
}

// NewKeyring makes a keyring; ids must be valid and different.
func NewKeyring(keys []Key) (*Keyring, error) {
	if len(keys) == 0 {
		return nil, errors.New("persistence: a keyring needs a key")
	}
	k := &Keyring{keys: make(map[string]*entry, len(keys))}
	for _, key := range keys {
		if !validKeyID(key.ID) {
			return nil, errors.New("persistence: a key's id must be 1-32 of A-Z a-z 0-9 . _ -")
		}
		if k.keys[key.ID] != nil {
			return nil, fmt.Errorf("persistence: two keys have the id %q", key.ID)
		}
		x, err := newXAES(key.Secret)
		if err != nil {
			return nil, fmt.Errorf("persistence: key %q: %w", key.ID, err)
		}
		digest, err := hkdf.Key(sha256.New, key.Secret[:], nil, "chatbox digest", sha256.Size)
		if err != nil {
			return nil, fmt.Errorf("persistence: key %q: %w", key.ID, err)
		}
		words, err := hkdf.Key(sha256.New, key.Secret[:], nil, "chatbox words", sha256.Size)
		if err != nil {
			return nil, fmt.Errorf("persistence: key %q: %w", key.ID, err)
		}
		e := &entry{id: key.ID, xaes: x, digest: digest, words: words}
		k.keys[key.ID] = e
		k.ids = append(k.ids, key.ID)
		if k.first == nil {
			k.first = e
		}
	}
	return k, nil
}

// Seal encrypts plain for the place that ad names.
func (k *Keyring) Seal(plain []byte, ad ...string) ([]byte, error) {
	return k.first.seal(plain, ad)
}

// KeyIDs lists the ids of the keys, the sealing one's first.
func (k *Keyring) KeyIDs() []string { return slices.Clone(k.ids) }

// SealWith is Seal under the key of the id, which must be one of the keyring's.
func (k *Keyring) SealWith(id string, plain []byte, ad ...string) ([]byte, error) {
	e := k.keys[id]
	if e == nil {
		return nil, fmt.Errorf("persistence: there is no key %q", id)
	}
	return e.seal(plain, ad)
}

// Probe says by which key a box claims to be sealed, and whether it opens for the
// place that ad names. Unlike Open it counts no failure. What is no box has no
// id.
func (k *Keyring) Probe(box []byte, ad ...string) (id string, opens bool) {
	_, err := k.open(box, ad)
	if len(box) < 2 || box[0] != boxVersion || len(box) < 2+int(box[1]) {
		return "", false
	}
	if id = string(box[2 : 2+int(box[1])]); !validKeyID(id) {
		return "", false
	}
	return id, err == nil
}

func (e *entry) seal(plain []byte, ad []string) ([]byte, error) {
	box := make([]byte, 0, 2+len(e.id)+nonceSize+len(plain)+gcmTag)
	box = append(box, boxVersion, byte(len(e.id))) //nolint:gosec // at most 32
	box = append(box, e.id...)
	box, err := e.xaes.seal(box, plain, e.associate(ad))
	if err != nil {
		return nil, fmt.Errorf("persistence: seal: %w", err)
	}
	return box, nil
}

// Open decrypts a box that was sealed for the place that ad names, under any
// of the keys. All failures are ErrUndecipherable and are counted.
func (k *Keyring) Open(box []byte, ad ...string) ([]byte, error) {
	plain, err := k.open(box, ad)
	if err != nil {
		k.failures.Add(1)
		return nil, fmt.Errorf("%w: %w", ErrUndecipherable, err)
	}
	return plain, nil
}

// Digests are what the text may be found by without being kept: a digest of 32
// bytes under each of the keys, the sealing one's first. Nobody without the key
// can make them; different purposes have different ones.
func (k *Keyring) Digests(purpose, text string) [][]byte {
	out := make([][]byte, 0, len(k.keys))
	add := func(e *entry) {
		mac := hmac.New(sha256.New, e.digest)
		mac.Write(associate(purpose, text))
		out = append(out, mac.Sum(nil))
	}
	add(k.first)
	for _, e := range k.keys {
		if e != k.first {
			add(e)
		}
	}
	return out
}

// Failures counts the boxes that could not be opened since the start: a metric
// reads it.
func (k *Keyring) Failures() uint64 { return k.failures.Load() }

func (k *Keyring) open(box []byte, ad []string) ([]byte, error) {
	if len(box) < 2 {
		return nil, errShort
	}
	if box[0] != boxVersion {
		return nil, fmt.Errorf("unknown version %d", box[0])
	}
	rest := box[2:]
	n := int(box[1])
	if len(rest) < n {
		return nil, errShort
	}
	e := k.keys[string(rest[:n])]
	if e == nil {
		return nil, errors.New("unknown key")
	}
	return e.xaes.open(rest[n:], e.associate(ad))
}

func (e *entry) associate(ad []string) []byte {
	parts := make([]string, 0, 2+len(ad))
	parts = append(parts, string([]byte{boxVersion}), e.id)
	return associate(append(parts, ad...)...)
}
