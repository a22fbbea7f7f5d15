package kind

import (
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
)

// Eight-bit text that is not UTF-8 is read as Windows-1252, the superset of Latin-1
// that programs of western languages write. Text in another such encoding is read
// with wrong letters; nothing in it says which one it is.

// Legacy returns text that is not valid UTF-8 in UTF-8, and false if it is no text.
// Text in UTF-8 with a few broken characters keeps all others.
func Legacy(s string) (string, bool) {
	valid, broken := 0, 0
	for rest := s; rest != ""; {
		r, n := utf8.DecodeRuneInString(rest)
		switch {
		case r == utf8.RuneError && n == 1:
			broken++
		case n > 1:
			valid++
		case r < ' ' && !strings.ContainsRune("\t\n\v\f\r\x1b", r):
			return "", false
		}
		rest = rest[n:]
	}
	if valid > broken {
		return strings.ToValidUTF8(s, "\uFFFD"), true
	}
	for i := range len(s) {
		if unassigned(s[i]) {
			return "", false
		}
	}
	text, err := charmap.Windows1252.NewDecoder().String(s)
	return text, err == nil
}

// unassigned reports whether Windows-1252 has no character for the byte.
func unassigned(b byte) bool { return strings.IndexByte("\x81\x8d\x8f\x90\x9d", b) >= 0 }
