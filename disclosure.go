package chatbox

import (
	"errors"
	"strings"
	"unicode"
	"unicode/utf8"
)

// MaxDisclosure is the maximal length of a disclosure, in code points.
const MaxDisclosure = 1000

// CheckDisclosure checks the text that tells users that a model answers them.
func CheckDisclosure(text string) error {
	control := func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\t' }
	switch {
	case !utf8.ValidString(text):
		return errors.New("is not valid UTF-8")
	case utf8.RuneCountInString(text) > MaxDisclosure:
		return errors.New("is longer than 1,000 characters")
	case strings.ContainsFunc(text, control):
		return errors.New("has control characters")
	case text != "" && strings.TrimSpace(text) == "":
		return errors.New("has only white space")
	}
	return nil
}
