package chatbox

import "time"

// Update is what pods tell each other about a session: exactly one of the
// pointers is set. Head is the session's head when it was published; a pod
// that has not delivered up to it has missed something. Redis is at most once
// by contract, so nothing here is relied on: history is.
type Update struct {
	Session SessionKey `json:"session"`
	Owner   string     `json:"owner"`
	Head    int64      `json:"-"`

	Event        *Event        `json:"event,omitempty"`
	Piece        *Piece        `json:"piece,omitempty"`
	Loading      *Loading      `json:"loading,omitempty"`
	Failure      *Failure      `json:"failure,omitempty"`
	Typing       *Typing       `json:"typing,omitempty"`
	Read         *Read         `json:"read,omitempty"`
	Notification *Notification `json:"aside,omitempty"`
	Watched      *Watched      `json:"watched,omitempty"`
	Notice       bool          `json:"notice,omitempty"` // only Head matters: re-read what is missing
}

// Typing says that somebody is writing, or no longer. It is a lease: whoever
// hears of a start and of no end lets it end by itself.
type Typing struct {
	Conn   ConnID `json:"conn"` // the socket it came from, which is not told
	UserID string `json:"user"`
	Sender Sender `json:"sender"`
	On     bool   `json:"on,omitempty"`
}

// Read says how far somebody has read; of one user only the farthest counts.
type Read struct {
	Conn   ConnID `json:"conn"` // the socket it came from, which is not told
	UserID string `json:"user"`
	Sender Sender `json:"sender"`
	Seq    int64  `json:"seq"`
}

// Audience is which of a session's sockets something is for.
type Audience string

// The audiences. What is for one that a pod does not know is told to nobody.
const (
	ToOwner Audience = "owner"
	ToStaff Audience = "staff" // who holds or watches it
)

// Notification is a notification about the session, told once and at most once.
type Notification struct {
	To       Audience          `json:"to"`
	Event    string            `json:"event"`
	Metadata map[string]string `json:"meta,omitempty"`
	After    int64             `json:"after,omitempty"` // told behind the event at this place
}

// What asides are about, by their names on the wire.
const (
	NotificationRating    = "rating_requested" // a talk with a person is over
	NotificationWatched   = "watched"          // staff reads along
	NotificationUnwatched = "unwatched"        // and no longer
	NotificationNote      = "note"             // staff's notes on it have changed
)

// Watched says whether staff watches the session. Whoever has been told so is
// not told again.
type Watched struct {
	On bool `json:"on,omitempty"`
}

// Piece is a stretch of a running answer's text, numbered inside its attempt.
// A snapshot's content replaces everything shown for the answer so far.
type Piece struct {
	AnswerID string `json:"id"`
	Gen      Gen    `json:"gen"`
	ReplyTo  string `json:"reply_to"`
	ModelID  string `json:"model,omitempty"`
	Attempt  int    `json:"attempt"`
	Index    int    `json:"index"` // a snapshot's: the piece it stands at, -1 before any
	Content  string `json:"content"`
	Snapshot bool   `json:"snapshot,omitempty"`
	Spent    Usage  `json:"-"` // so far; clients are not told before the end
}

// After reports whether the piece is beyond (attempt, index): what is not is a
// repeat.
func (p Piece) After(attempt, index int) bool {
	return p.Attempt > attempt || p.Attempt == attempt && p.Index > index
}

// Loading says that an answer has begun.
type Loading struct {
	AnswerID string `json:"id"`
	Gen      Gen    `json:"gen"`
	ReplyTo  string `json:"reply_to"`
	ModelID  string `json:"model,omitempty"`
}

// Failure says that an answer failed. Where a piece had been shown, the final
// that keeps the partial text is published before it.
type Failure struct {
	AnswerID string `json:"id"`
	Gen      Gen    `json:"gen"`
	ReplyTo  string `json:"reply_to"`
	Code     Code   `json:"code"`
	Message  string `json:"message"`
	// RetryAfter is when a repeat may help, where that is known.
	RetryAfter time.Duration `json:"retry_after,omitempty"`
}

// OpenAnswer is a running answer as the log of its pieces has it: exactly the
// text that was accepted, and so the text that clients were shown.
type OpenAnswer struct {
	AnswerID string
	Gen      Gen
	ReplyTo  string
	ModelID  string
	Attempt  int
	Index    int // -1 before any piece
	Text     string
	Spent    Usage // when its last piece was accepted
}

// Snapshot is the piece that shows all of it at once.
func (o OpenAnswer) Snapshot() Piece {
	return Piece{
		AnswerID: o.AnswerID, Gen: o.Gen, ReplyTo: o.ReplyTo, ModelID: o.ModelID,
		Attempt: o.Attempt, Index: o.Index, Content: o.Text, Snapshot: true,
	}
}
