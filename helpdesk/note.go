package helpdesk

import (
	"strings"
	"time"
	"unicode/utf8"

	"chatbox"
)

// Bounds of notes.
const (
	MaxNote  = 4000 // code points
	MaxNotes = 200  // per session
)

// Note is a text that a member of staff wrote about a session for other staff.
// Nobody else ever sees it.
type Note struct {
	ID         string
	Session    chatbox.SessionKey
	AuthorID   string // empty: erased
	AuthorName string // may be empty
	Text       string // as written
	CreatedAt  time.Time
	UpdatedAt  time.Time // zero: never changed
	Unreadable bool      // no key decrypts the text or the author's name
}

// CheckNote rejects an empty, blank or too long text.
func CheckNote(text string) error {
	switch {
	case text == "":
		return chatbox.Missing("text")
	case strings.TrimSpace(text) == "":
		return chatbox.Invalid("text", "must not be blank")
	case utf8.RuneCountInString(text) > MaxNote:
		return chatbox.Invalid("text", "is longer than 4000 characters")
	}
	return nil
}
