package chatbox

import (
	"strings"
	"time"
	"unicode/utf8"
)

// Opinion is what a session's owner thinks of an answer.
type Opinion string

// The opinions.
const (
	OpinionUp   Opinion = "up"
	OpinionDown Opinion = "down"
	OpinionNone Opinion = "none" // takes an earlier opinion back
)

// Feedback is the owner's opinion of one answer. It is not part of the log.
type Feedback struct {
	Opinion Opinion // up or down
	Comment string  // stored as written, without NUL characters
	Time    time.Time
}

// Value returns the opinion, which is none without feedback.
func (f *Feedback) Value() Opinion {
	if f == nil {
		return OpinionNone
	}
	return f.Opinion
}

// CheckFeedback returns the comment as it is stored. The error names the invalid
// field.
func CheckFeedback(o Opinion, comment string) (string, error) {
	comment = strings.ReplaceAll(comment, "\x00", "")
	switch {
	case o != OpinionUp && o != OpinionDown && o != OpinionNone:
		return "", Invalid("value", "must be up, down or none")
	case !utf8.ValidString(comment):
		return "", Invalid("comment", "is not valid UTF-8")
	case utf8.RuneCountInString(comment) > MaxComment:
		return "", Invalid("comment", "is longer than 1000 characters")
	case o == OpinionNone && comment != "":
		return "", Invalid("comment", "is stored only with up or down")
	}
	return comment, nil
}
