package chatbox

import (
	"strings"
	"time"
	"unicode/utf8"
)

// Talk is the progress of a session's talks with people. A talk begins when a
// person joins and ends when the session returns to the model or ends. No
// decision about messages depends on it: a pod of a version without it folds
// on, and then a rating may not be requested.
type Talk struct {
	From  int64 `json:"from,omitempty"`  // the admin_join that began the newest talk
	Ended int64 `json:"ended,omitempty"` // the event that ended the newest talk to rate; 0: none
	By    int64 `json:"by,omitempty"`    // the event that names the talk's admin
}

// joined returns the talk after e, an admin_join. A transfer continues the
// talk.
func (t Talk) joined(before State, e Event) Talk {
	if before.HolderID == "" || t.From == 0 {
		t.From = e.Seq
	}
	return t
}

// ended returns the talk after e, which ends it if there is one. The talk was
// with the person who spoke last. A talk in which no person spoke does not
// count.
func (t Talk) ended(before State, e Event) Talk {
	if before.HolderID == "" {
		return t
	}
	said := before.LastReplySeq > t.From
	if t.From == 0 { // begun under a version without From
		said = before.LastReplySeq > before.AnswerableFrom
	}
	t.From = 0
	if said {
		t.Ended, t.By = e.Seq, before.LastReplySeq
	}
	return t
}

// MaxComment is the maximal length of a rating's comment, in code points.
const MaxComment = 1000

// Bounds of a rating's score.
const (
	MinScore = 1
	MaxScore = 5
)

// Rating is the session owner's rating of the newest talk with a person.
type Rating struct {
	Score   int    // 1-5
	Comment string // stored as written, without NUL characters
	Time    time.Time
	Talk    int64  // Talk.Ended of the rated talk
	AdminID string // the admin of the talk
}

// CheckRating returns the comment as it is stored. The error names the invalid
// field.
func CheckRating(score int, comment string) (string, error) {
	comment = strings.ReplaceAll(comment, "\x00", "")
	switch {
	case score < MinScore || score > MaxScore:
		return "", Invalid("score", "must be a whole number from 1 to 5")
	case !utf8.ValidString(comment):
		return "", Invalid("comment", "is not valid UTF-8")
	case utf8.RuneCountInString(comment) > MaxComment:
		return "", Invalid("comment", "is longer than 1000 characters")
	}
	return comment, nil
}
