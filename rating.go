package chatbox

import (
	"strings"
	"time"
	"unicode/utf8"
)

// Talk is how far a session's talks with people have come: each begins when one
// joins and ends when the session is nobody's again, or at its end. No decision
// about messages rests on it: a pod of a version that does not know it folds on
// without, and then a talk may not be asked about.
type Talk struct {
	From  int64 `json:"from,omitempty"`  // the admin_join with which the newest began
	Ended int64 `json:"ended,omitempty"` // the event that ended the newest one that is to be rated; 0: there was none
	By    int64 `json:"by,omitempty"`    // the event that names who it was with
}

// joined is the talk after e, an admin_join: a transfer goes on with it.
func (t Talk) joined(before State, e Event) Talk {
	if before.HolderID == "" || t.From == 0 {
		t.From = e.Seq
	}
	return t
}

// ended is the talk after e, which ends it where there is one. It was with
// whoever spoke last in it. One in which no person said anything was none.
func (t Talk) ended(before State, e Event) Talk {
	if before.HolderID == "" {
		return t
	}
	said := before.LastReplySeq > t.From
	if t.From == 0 { // begun under a version that did not say
		said = before.LastReplySeq > before.AnswerableFrom
	}
	t.From = 0
	if said {
		t.Ended, t.By = e.Seq, before.LastReplySeq
	}
	return t
}

// MaxComment is how long a rating's comment may be, in code points.
const MaxComment = 1000

// Bounds of a rating's score.
const (
	MinScore = 1
	MaxScore = 5
)

// Rating is what a session's owner says of the newest talk with a person.
type Rating struct {
	Score   int    // 1-5
	Comment string // kept as written, but NUL
	Time    time.Time
	Talk    int64  // Talk.Ended of the one that was rated
	AdminID string // who it was with
}

// CheckRating returns the comment as it is kept; what is wrong is named by its
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

// RatingView is where the rating of a session stands.
type RatingView struct {
	Requested bool   // there is a talk to be rated, and it has not been
	AdminID   string // who the talk was with; empty: there was none
	AdminName string // may be empty
	Rating    *Rating
}
