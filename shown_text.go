package chatbox

import (
	"errors"
	"strings"
	"unicode"
	"unicode/utf8"
)

// MaxShownText is the maximal length of an operator's text to users, in code points.
const MaxShownText = 1000

// CheckShownText rejects a text that cannot be shown to users as a message.
func CheckShownText(text string) error {
	control := func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\t' }
	switch {
	case !utf8.ValidString(text):
		return errors.New("is not valid UTF-8")
	case utf8.RuneCountInString(text) > MaxShownText:
		return errors.New("is longer than 1,000 characters")
	case strings.ContainsFunc(text, control):
		return errors.New("has control characters")
	}
	return nil
}
