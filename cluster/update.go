package cluster

import (
	"time"

	"chatbox"
)

// Update is a message between pods about a session; exactly one of the
// pointers or Notice is set. Head is the session's head when the update was
// published. A pod that has not delivered up to Head has missed something. The
// bus delivers at most once, so nothing relies on an update: the history is
// the truth.
type Update struct {
	Session chatbox.SessionKey `json:"session"`
	Owner   string             `json:"owner"`
	Head    int64              `json:"-"`

	Event        *chatbox.Event `json:"event,omitempty"`
	Piece        *Piece         `json:"piece,omitempty"`
	Loading      *Loading       `json:"loading,omitempty"`
	Failure      *Failure       `json:"failure,omitempty"`
	Typing       *Typing        `json:"typing,omitempty"`
	Read         *Read          `json:"read,omitempty"`
	Notification *Notification  `json:"aside,omitempty"`
	Watched      *Watched       `json:"watched,omitempty"`
	Notice       bool           `json:"notice,omitempty"` // only Head matters: read the missing events
}

// Typing says that a user types or has stopped. It is a lease: a start without an
// end expires.
type Typing struct {
	Conn   chatbox.ConnID `json:"conn"` // the sending socket, which does not receive it
	UserID string         `json:"user"`
	Sender chatbox.Sender `json:"sender"`
	On     bool           `json:"on,omitempty"`
}

// Read is how far somebody has read. Of one user only the highest Seq counts.
type Read struct {
	Conn   chatbox.ConnID `json:"conn"` // the sending socket, which does not receive it
	UserID string         `json:"user"`
	Sender chatbox.Sender `json:"sender"`
	Seq    int64          `json:"seq"`
}

// Audience selects the sockets of a session that receive a notification.
type Audience string

// The audiences. A pod delivers a notification for an unknown audience to
// nobody.
const (
	ToOwner Audience = "owner"
	ToStaff Audience = "staff" // the admins who hold or watch it
)

// Notification is a notification about the session, sent at most once.
type Notification struct {
	To       Audience          `json:"to"`
	Event    string            `json:"event"`
	Metadata map[string]string `json:"meta,omitempty"`
	After    int64             `json:"after,omitempty"` // delivered after the event with this seq
}

// Subjects of notifications, by their names on the wire.
const (
	NotificationRating    = "rating_requested" // a talk with a person is over
	NotificationWatched   = "watched"          // staff watches the session
	NotificationUnwatched = "unwatched"        // staff no longer watches it
	NotificationNote      = "note"             // staff's notes on it have changed
)

// Watched says whether staff watches the session. A socket that was sent the
// same value before is not sent it again.
type Watched struct {
	On bool `json:"on,omitempty"`
}

// Piece is a stretch of a running answer's text, numbered within its attempt.
// A snapshot's content replaces all text shown for the answer so far.
type Piece struct {
	AnswerID string        `json:"id"`
	Gen      chatbox.Gen   `json:"gen"`
	ReplyTo  string        `json:"reply_to"`
	ModelID  string        `json:"model,omitempty"`
	Attempt  int           `json:"attempt"`
	Index    int           `json:"index"` // of a snapshot: the last piece that it includes, -1 for none
	Content  string        `json:"content"`
	Snapshot bool          `json:"snapshot,omitempty"`
	Spent    chatbox.Usage `json:"-"` // so far; clients see it only at the end
}

// After reports whether the piece is newer than (attempt, index). A piece that
// is not newer is a repeat.
func (p Piece) After(attempt, index int) bool {
	return p.Attempt > attempt || p.Attempt == attempt && p.Index > index
}

// Loading says that an answer has begun.
type Loading struct {
	AnswerID string      `json:"id"`
	Gen      chatbox.Gen `json:"gen"`
	ReplyTo  string      `json:"reply_to"`
	ModelID  string      `json:"model,omitempty"`
}

// Failure says that an answer failed. If a piece was shown, the final with the
// partial text is published before the failure.
type Failure struct {
	AnswerID string       `json:"id"`
	Gen      chatbox.Gen  `json:"gen"`
	ReplyTo  string       `json:"reply_to"`
	Code     chatbox.Code `json:"code"`
	Message  string       `json:"message"`
	// RetryAfter is the time after which a retry may help; zero: unknown.
	RetryAfter time.Duration `json:"retry_after,omitempty"`
	// Again is set if no generation has ended, so that the failure may come several
	// times: of each try of a recording's transcript while a person holds the session.
	Again bool `json:"again,omitempty"`
}

// OpenAnswer is a running answer as stored in the log of its pieces: exactly
// the accepted text, and so the text that clients were shown.
type OpenAnswer struct {
	AnswerID string
	Gen      chatbox.Gen
	ReplyTo  string
	ModelID  string
	Attempt  int
	Index    int // -1 before any piece
	Text     string
	Spent    chatbox.Usage // as of its last piece
}

// Snapshot returns a piece with the whole text.
func (o OpenAnswer) Snapshot() Piece {
	return Piece{
		AnswerID: o.AnswerID, Gen: o.Gen, ReplyTo: o.ReplyTo, ModelID: o.ModelID,
		Attempt: o.Attempt, Index: o.Index, Content: o.Text, Snapshot: true,
	}
}
