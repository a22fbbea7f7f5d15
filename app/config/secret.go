package config

import (
	"errors"
	"fmt"
	"math"
	"strings"

	"chatbox/providers/llm"
)

const (
	minSecret  = 32 // bytes
	minEntropy = 70 // bits, as entropy estimates them: the least of 4,000,000 random texts of 32 hexadecimal digits had 73
)

// placeholders lists texts that are common in examples, as normal returns them.
func placeholders() []string {
	return []string{
		"changeme", "changethis", "replaceme", "replacethis", "placeholder", "insertyour", "yoursecret", "yourjwt", "yourkey",
		"yourapikey", "yourtoken", "yourencryption", "yourpassword", "mysecret", "supersecret", "topsecret", "verysecret", "secretkey",
		"jwtsecret", "encryptionkey", "secretsecret", "password", "passw0rd", "letmein", "qwerty", "donotuse", "insecure",
		"notsecure", "notsosecret", "dummy", "foobar", "lorem", "deadbeef",
	}
}

// normal returns a text in lower case without punctuation.
func normal(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'A' && r <= 'Z':
			return r + 'a' - 'A'
		case r >= 'a' && r <= 'z' || r >= '0' && r <= '9':
			return r
		default:
			return -1
		}
	}, s)
}

// placeholder reports whether a text contains a placeholder from an example.
func placeholder(s string) bool {
	n := normal(s)
	for _, p := range placeholders() {
		if strings.Contains(n, p) {
			return true
		}
	}
	return false
}

// weakness returns the reason why a secret must not be used, or "".
func weakness(s string) string {
	if placeholder(s) {
		return "is a placeholder: generate a random one, such as openssl rand -hex 32 prints"
	}
	if entropy(s) < minEntropy {
		return "is too predictable: generate a random one, such as openssl rand -hex 32 prints"
	}
	return ""
}

// entropy returns an upper estimate of the bits needed to guess a text. It is
// computed from the frequency of each byte. A repeated text counts once, and a
// byte that continues the sequence of the two before it does not count.
func entropy(s string) float64 {
	s = period(s)
	var counts [256]int
	surprising := 0
	for i := range len(s) {
		counts[s[i]]++
		if i < 2 || s[i]-s[i-1] != s[i-1]-s[i-2] {
			surprising++
		}
	}
	perByte := 0.0
	for _, n := range counts {
		if n > 0 {
			p := float64(n) / float64(len(s))
			perByte -= p * math.Log2(p)
		}
	}
	return perByte * float64(surprising)
}

// period returns the shortest prefix whose repetition yields s. The last
// repetition may be incomplete.
func period(s string) string {
	for n := 1; n < len(s); n++ {
		if s[n:] == s[:len(s)-n] {
			return s[:n]
		}
	}
	return s
}

// published reports whether a text is a PEM block, a JWK or a set of JWKs. A
// public key must not be used as an HMAC secret, since anybody could sign with
// it.
func published(s string) bool {
	return strings.Contains(s, "-----BEGIN ") || strings.Contains(s, `"kty"`)
}

func strongSecret(into *llm.Secret, least int) func(string) error {
	return func(s string) error {
		if len(s) < least {
			return fmt.Errorf("must have at least %d bytes", least)
		}
		if published(s) {
			return errors.New("is a key in a published form, which others may have: where tokens are signed with a private key, JWT_JWKS_URL says where its public one is")
		}
		if why := weakness(s); why != "" {
			return errors.New(why)
		}
		*into = llm.NewSecret(s)
		return nil
	}
}
