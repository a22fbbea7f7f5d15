package llm

import (
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
)

const redacted = "[redacted]"

// Secret is a provider's key. However it is printed, logged or marshalled, by
// itself or inside a struct, exported field or not, its text does not appear;
// only Reveal returns it. The text is behind a pointer because package fmt
// prints unexported fields without asking their methods.
type Secret struct {
	text *string
	more *[]string // other texts that are hidden with it
}

// NewSecret wraps a key; an empty one is the zero Secret.
func NewSecret(text string) Secret {
	if text == "" {
		return Secret{}
	}
	return Secret{text: &text}
}

// Reveal returns the key itself: for the request's header and nothing else.
func (s Secret) Reveal() string {
	if s.text == nil {
		return ""
	}
	return *s.text
}

// minHidden is the shortest text that is hidden beside a key: a header's "on"
// is no secret, and hiding it would garble what is shown.
const minHidden = 8

// with returns the secret as one that hides others too; Reveal is as before.
func (s Secret) with(others Headers) Secret {
	var more []string
	for _, o := range others {
		if text := o.Reveal(); len(text) >= minHidden {
			more = append(more, text)
			if _, credential, ok := strings.Cut(text, " "); ok && len(credential) >= minHidden { // of "Bearer …"
				more = append(more, credential)
			}
		}
	}
	slices.SortFunc(more, func(a, b string) int { return len(b) - len(a) })
	s.more = &more
	return s
}

// hidden lists the texts that must not be shown.
func (s Secret) hidden() []string {
	var texts []string
	if s.text != nil {
		texts = append(texts, *s.text)
	}
	if s.more != nil {
		texts = append(texts, *s.more...)
	}
	return texts
}

// String says whether there is a key, never which.
func (s Secret) String() string {
	if s.text == nil {
		return ""
	}
	return redacted
}

// Format prints the same for every verb, %#v and %x included.
func (s Secret) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, s.String()) // a fmt.State does not fail
}

// LogValue is what logs show.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText is what JSON and the like show.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads the key from a configuration.
func (s *Secret) UnmarshalText(text []byte) error {
	*s = NewSecret(string(text))
	return nil
}
