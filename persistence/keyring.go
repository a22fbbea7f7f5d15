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

// ErrUndecipherable means that this keyring did not seal the box for that place:
// the key differs or is unknown, bytes were altered, or the box was moved from
// elsewhere. Neither the box nor its content is returned.
var ErrUndecipherable = errors.New("persistence: undecipherable")

var errShort = errors.New("too short")

// boxVersion is the first byte of every box. It identifies the construction and
// the layout.
const boxVersion = 1

// Keyring encrypts data at rest. The first key seals and all keys open, so a key
// is rotated by adding a new one at the front. It is immutable and safe for
// concurrent use.
//
// A box consists of the version, the length of the key's id, the id, the nonce
// and the ciphertext. The associated data binds the box to the version, the key's
// id and the place that the caller names.
type Keyring struct {
	first    *entry
	ids      []string // in list order
	keys     map[string]*entry
	failures atomic.Uint64
}

type entry struct {
	id     string
	xaes   *xaes
	digest []byte // key of the digests, derived from the secret
	words  []byte // key from which the tenants' token keys are derived; itself derived from the secret
	tokens tokenKeys
	files  []byte // key from which the keys of files are derived; itself derived from the secret
}

// NewKeyring returns a keyring. The ids must be valid and distinct.
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
		files, err := hkdf.Key(sha256.New, key.Secret[:], nil, "chatbox files", sha256.Size)
		if err != nil {
			return nil, fmt.Errorf("persistence: key %q: %w", key.ID, err)
		}
		e := &entry{id: key.ID, xaes: x, digest: digest, words: words, files: files}
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

// KeyIDs returns the ids of the keys, with the sealing key's first.
func (k *Keyring) KeyIDs() []string { return slices.Clone(k.ids) }

// SealWith seals under the key with the given id, which must be in the keyring.
func (k *Keyring) SealWith(id string, plain []byte, ad ...string) ([]byte, error) {
	e := k.keys[id]
	if e == nil {
		return nil, fmt.Errorf("persistence: unknown key %q", id)
	}
	return e.seal(plain, ad)
}

// Probe returns the id of the key that a box names, and whether the box opens for
// the place that ad names. Unlike Open it does not count failures. The id is
// empty if the bytes are not a box.
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

// Open decrypts a box that was sealed for the place that ad names, under any of
// the keys. Every failure is ErrUndecipherable and is counted.
func (k *Keyring) Open(box []byte, ad ...string) ([]byte, error) {
	plain, err := k.open(box, ad)
	if err != nil {
		k.failures.Add(1)
		return nil, fmt.Errorf("%w: %w", ErrUndecipherable, err)
	}
	return plain, nil
}

// Digests returns 32-byte keyed digests by which a text can be found without
// being stored: one for each key, the sealing key's first. They cannot be
// computed without the key. Different purposes give different digests.
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

// DeriveFileKey returns a 32-byte key for one object of the file store, derived
// from the key with the given id, a random salt and the place of the object. An
// empty id means the sealing key, whose id it returns. Other places and other
// salts give unrelated keys.
func (k *Keyring) DeriveFileKey(id string, salt []byte, place ...string) (used string, key []byte, err error) {
	e := k.first
	if id != "" {
		e = k.keys[id]
	}
	if e == nil {
		k.failures.Add(1)
		return "", nil, fmt.Errorf("%w: unknown key", ErrUndecipherable)
	}
	key, err = hkdf.Key(sha256.New, e.files, salt, string(associate(place...)), secretSize)
	if err != nil {
		return "", nil, fmt.Errorf("persistence: derive a file's key: %w", err)
	}
	return e.id, key, nil
}

// Failures returns how many boxes could not be opened since the start, for a
// metric.
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
