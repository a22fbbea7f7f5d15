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
	minEntropy = 70 // bits, as entropy estimates them: of 4,000,000 random texts of 32 hexadecimal digits the least had 73
)

// placeholders are what people leave standing in examples, as normal sees them.
func placeholders() []string {
	return []string{
		"changeme", "changethis", "replaceme", "replacethis", "placeholder", "insertyour", "yoursecret", "yourjwt", "yourkey",
		"yourapikey", "yourtoken", "yourencryption", "yourpassword", "mysecret", "supersecret", "topsecret", "verysecret", "secretkey",
		"jwtsecret", "encryptionkey", "secretsecret", "password", "passw0rd", "letmein", "qwerty", "donotuse", "insecure",
		"notsecure", "notsosecret", "dummy", "foobar", "lorem", "deadbeef",
	}
}

// normal is a text without case and punctuation.
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

// placeholder reports whether a text is one that was meant to be replaced.
func placeholder(s string) bool {
	n := normal(s)
	for _, p := range placeholders() {
		if strings.Contains(n, p) {
			return true
		}
	}
	return false
}

// weakness says why a secret must not be used, or nothing.
func weakness(s string) string {
	if placeholder(s) {
		return "is a placeholder: generate a random one, such as openssl rand -hex 32 prints"
	}
	if entropy(s) < minEntropy {
		return "is too predictable: generate a random one, such as openssl rand -hex 32 prints"
	}
	return ""
}

// entropy estimates from above how many bits it takes to guess a text: by how
// often each byte occurs, counting a repeated text once and nothing for a byte
// that goes on as the two before it did.
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

// period is the shortest text of which s is a repetition, whole or cut off.
func period(s string) string {
	for n := 1; n < len(s); n++ {
		if s[n:] == s[:len(s)-n] {
			return s[:n]
		}
	}
	return s
}

// published reports whether a text is a PEM block, a JWK or a set of them. As the
// secret of an HMAC a public key would let anybody sign.
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
