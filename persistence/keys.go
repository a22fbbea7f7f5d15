package persistence

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
)

// SingleKeyID is the id of the key in ENCRYPTION_KEY. Use it in ENCRYPTION_KEYS
// to move that key into the list.
const SingleKeyID = "default"

const redacted = "[redacted]"

// Key is one secret of a keyring. Printing it in any form shows only its id.
type Key struct {
	ID     string // 1-32 of A-Z a-z 0-9 . _ -; stored unencrypted in every box
	Secret [secretSize]byte
}

// String hides the secret.
func (k Key) String() string { return k.ID + ":" + redacted }

// Format hides the secret for every verb.
func (k Key) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, k.String()) }

// LogValue hides the secret.
func (k Key) LogValue() slog.Value { return slog.StringValue(k.String()) }

// MarshalText hides the secret.
func (k Key) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// ParseKeys parses the values of ENCRYPTION_KEY and ENCRYPTION_KEYS. The first
// key of multi seals. If multi is empty, single seals; otherwise single is
// appended to the list as an old key with the id SingleKeyID. If the list has that
// id, its key must be the same. All faults are returned joined. No error contains
// a secret.
func ParseKeys(single, multi string) ([]Key, error) {
	var keys []Key
	var faults []error
	seen := map[string]bool{}
	if multi != "" {
		for i, part := range strings.Split(multi, ",") {
			k, err := parseNamed(strings.TrimSpace(part))
			switch {
			case err != nil:
				faults = append(faults, fmt.Errorf("ENCRYPTION_KEYS, entry %d: %w", i+1, err))
			case seen[k.ID]:
				faults = append(faults, fmt.Errorf("ENCRYPTION_KEYS, entry %d: duplicate id %q", i+1, k.ID))
			default:
				seen[k.ID] = true
				keys = append(keys, k)
			}
		}
	}
	if single != "" {
		secret, err := parseSecret(single)
		listed := slices.IndexFunc(keys, func(k Key) bool { return k.ID == SingleKeyID })
		switch {
		case err != nil:
			faults = append(faults, fmt.Errorf("ENCRYPTION_KEY: %w", err))
		case listed < 0:
			keys = append(keys, Key{ID: SingleKeyID, Secret: secret})
		case keys[listed].Secret != secret:
			faults = append(faults, fmt.Errorf("ENCRYPTION_KEY: is not the key %q of ENCRYPTION_KEYS, and one id can have one key only: "+
				"keep the one that sealed the history, or give the other another id", SingleKeyID))
		}
	}
	if single == "" && multi == "" {
		faults = append(faults, errors.New("ENCRYPTION_KEY or ENCRYPTION_KEYS is required"))
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	return keys, nil
}

func parseNamed(s string) (Key, error) {
	id, text, found := strings.Cut(s, ":")
	if !found || !validKeyID(id) {
		return Key{}, errors.New("must be id:base64, the id 1-32 of A-Z a-z 0-9 . _ -")
	}
	secret, ok := parseBase64(text)
	if !ok {
		return Key{}, errors.New("the key must be base64 of exactly 32 bytes")
	}
	return Key{ID: id, Secret: secret}, nil
}

// parseSecret accepts 32 raw bytes, 64 hexadecimal digits or base64, in that
// order.
func parseSecret(s string) (secret [secretSize]byte, err error) {
	if len(s) == secretSize {
		copy(secret[:], s)
		return secret, nil
	}
	if len(s) == hex.EncodedLen(secretSize) {
		if b, err := hex.DecodeString(s); err == nil {
			copy(secret[:], b)
			return secret, nil
		}
	}
	if secret, ok := parseBase64(s); ok {
		return secret, nil
	}
	return secret, errors.New("must be 32 raw bytes, 64 hexadecimal digits or base64 of exactly 32 bytes")
}

// parseBase64 accepts the standard and the URL alphabet, with or without padding.
func parseBase64(s string) (secret [secretSize]byte, ok bool) {
	s = strings.TrimRight(s, "=")
	s = strings.NewReplacer("-", "+", "_", "/").Replace(s)
	b, err := base64.RawStdEncoding.Strict().DecodeString(s)
	if err != nil || len(b) != secretSize {
		return secret, false
	}
	copy(secret[:], b)
	return secret, true
}

func validKeyID(id string) bool {
	if id == "" || len(id) > 32 {
		return false
	}
	for _, c := range []byte(id) {
		alnum := c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z'
		if !alnum && c != '.' && c != '_' && c != '-' {
			return false
		}
	}
	return true
}
