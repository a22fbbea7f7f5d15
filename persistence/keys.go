package persistence

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
)

// SingleKeyID is the id under which ENCRYPTION_KEY seals; ENCRYPTION_KEYS may
// name it to take that key over into a list.
const SingleKeyID = "default"

const redacted = "[redacted]"

// Key is one secret of a keyring. However it is printed, only its id shows.
type Key struct {
	ID     string // 1-32 of A-Z a-z 0-9 . _ -; stored in the clear with all it seals
	Secret [secretSize]byte
}

// String hides the secret.
func (k Key) String() string { return k.ID + ":" + redacted }

// Format hides the secret whatever the verb.
func (k Key) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, k.String()) }

// LogValue hides the secret.
func (k Key) LogValue() slog.Value { return slog.StringValue(k.String()) }

// MarshalText hides the secret.
func (k Key) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// ParseKeys reads the values of ENCRYPTION_KEY and ENCRYPTION_KEYS. The first
// of multi seals; single seals only where multi is empty, else it joins the
// end of the list as an old key called SingleKeyID, unless the list has one of
// that id. All faults are reported together; no error contains a secret.
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
				faults = append(faults, fmt.Errorf("ENCRYPTION_KEYS, entry %d: the id %q is there twice", i+1, k.ID))
			default:
				seen[k.ID] = true
				keys = append(keys, k)
			}
		}
	}
	if single != "" {
		secret, err := parseSecret(single)
		switch {
		case err != nil:
			faults = append(faults, fmt.Errorf("ENCRYPTION_KEY: %w", err))
		case !seen[SingleKeyID]:
			keys = append(keys, Key{ID: SingleKeyID, Secret: secret})
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

// parseSecret takes 32 raw bytes, else 64 hexadecimal digits, else base64.
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

// parseBase64 takes the standard and the URL alphabet, padded or not.
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
