package chatbox

import "time"

// Why a session ended, by the name of its metadata.
const (
	MetaReason   = "reason"
	ReasonEnded  = "ended"
	ReasonErased = "erased"
)

// Erasure is the last event of an erased session: every pod makes the same
// one, so that sockets can be told when nothing of the session is left to read.
func Erasure(k SessionKey, owner string, seq int64, at time.Time) Event {
	return Event{
		Session: k, Seq: seq, Key: ServerKey(ReasonErased), ID: ReasonErased, Type: TypeSessionEnded,
		Sender: SenderSystem, UserID: owner, Owner: owner, Metadata: map[string]string{MetaReason: ReasonErased},
		Time: at, Status: StatusComplete,
	}
}

// Erases reports whether nothing of the session is told after the event, and
// perhaps not all before it.
func (e Event) Erases() bool {
	return e.Type == TypeSessionEnded &&
		(e.Metadata[MetaReason] == ReasonErased || e.Unreadable && e.Key == ServerKey(ReasonErased))
}

// Tombstone is an erased session whose traces are still looked for.
type Tombstone struct {
	Session SessionKey
	At      time.Time // when it was erased
}

// Share lets anyone who has its token read a session as it was when the share
// was made.
type Share struct {
	Session SessionKey
	Name    string // the session's then
	// Unreadable is set where no key opens the name, which is empty then.
	Unreadable bool
	Head       int64 // its last event then
	CreatedAt  time.Time
	ExpiresAt  time.Time
}
