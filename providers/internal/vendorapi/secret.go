package vendorapi

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
)

// Redacted stands for a secret.
const Redacted = "[redacted]"

// Secret is a provider's key. Printing, logging and marshalling a Secret never
// show its text, also if it is part of a struct, in an exported or unexported
// field. Only Reveal returns the text. It is stored behind a pointer, because
// package fmt prints unexported fields without calling their methods.
type Secret struct {
	text *string
	more *[]string // other texts to hide; see with
}

// NewSecret returns a Secret for the key. For an empty key it returns the zero
// Secret.
func NewSecret(text string) Secret {
	if text == "" {
		return Secret{}
	}
	return Secret{text: &text}
}

// Reveal returns the key. It must be used only for the header of a request.
func (s Secret) Reveal() string {
	if s.text == nil {
		return ""
	}
	return *s.text
}

// minHidden is the length in bytes of the shortest header value that is hidden in
// addition to the key. Short values such as "on" are not secret, and hiding them
// would garble messages.
const minHidden = 8

// With returns a Secret with the same key that also hides the texts, and of
// "Bearer …" the credential. Short texts are not hidden.
func (s Secret) With(others ...string) Secret {
	var more []string
	for _, text := range others {
		if len(text) >= minHidden {
			more = append(more, text)
			if _, credential, ok := strings.Cut(text, " "); ok && len(credential) >= minHidden {
				more = append(more, credential)
			}
		}
	}
	slices.SortFunc(more, func(a, b string) int { return len(b) - len(a) })
	s.more = &more
	return s
}

// hidden returns the texts that must not be shown.
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

// String returns "[redacted]", or "" for an empty key.
func (s Secret) String() string {
	if s.text == nil {
		return ""
	}
	return Redacted
}

// Format writes the result of String for every verb, including %#v and %x.
func (s Secret) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, s.String()) // a fmt.State does not fail
}

// LogValue returns the result of String.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText returns the result of String. It never fails.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText sets the key. It never fails.
func (s *Secret) UnmarshalText(text []byte) error {
	*s = NewSecret(string(text))
	return nil
}

// Bearer returns the header that carries the key, in the form of OpenAI or of
// Azure, or no header if the key is empty.
func Bearer(key Secret, azure bool) http.Header {
	switch {
	case key.Reveal() == "":
		return http.Header{}
	case azure:
		return http.Header{"Api-Key": {key.Reveal()}}
	default:
		return http.Header{"Authorization": {"Bearer " + key.Reveal()}}
	}
}
