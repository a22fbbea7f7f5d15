package chatbox

import (
	"strings"
	"time"
	"unicode/utf8"
)

// Bounds of notes.
const (
	MaxNote  = 4000 // code points
	MaxNotes = 200  // on one session
)

// Note is what a member of staff wrote about a session for the others. Nobody
// else ever sees it.
type Note struct {
	ID         string
	Session    SessionKey
	AuthorID   string // empty: erased
	AuthorName string // may be empty
	Text       string // as it was written
	CreatedAt  time.Time
	UpdatedAt  time.Time // zero: it is as it was written first
	Unreadable bool      // no key opens the text or the author's name
}

// CheckNote refuses a text that cannot be a note's.
func CheckNote(text string) error {
	switch {
	case text == "":
		return Missing("text")
	case strings.TrimSpace(text) == "":
		return Invalid("text", "must not be blank")
	case utf8.RuneCountInString(text) > MaxNote:
		return Invalid("text", "is longer than 4000 characters")
	}
	return nil
}
