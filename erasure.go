package chatbox

import "time"

// Reasons for which a session ended, under their name in the metadata.
const (
	MetaReason   = "reason"
	ReasonEnded  = "ended"
	ReasonErased = "erased"
)

// Erasure returns the last event of an erased session. Every pod makes the
// same one, so that sockets learn of the erasure even when the log is gone.
func Erasure(k SessionKey, owner string, seq int64, at time.Time) Event {
	return Event{
		Session: k, Seq: seq, Key: ServerKey(ReasonErased), ID: ReasonErased, Type: TypeSessionEnded,
		Sender: SenderSystem, UserID: owner, Owner: owner, Metadata: map[string]string{MetaReason: ReasonErased},
		Time: at, Status: StatusComplete,
	}
}

// Erases reports whether the event erases its session. No event follows it,
// and earlier ones may be gone.
func (e Event) Erases() bool {
	return e.Type == TypeSessionEnded &&
		(e.Metadata[MetaReason] == ReasonErased || e.Unreadable && e.Key == ServerKey(ReasonErased))
}

// Tombstone is an erased session whose remains are still being deleted.
type Tombstone struct {
	Session SessionKey
	At      time.Time // when it was erased
}

// Erasing is a person who is being erased. Credentials that were issued before At
// are withdrawn.
type Erasing struct {
	User UserKey
	At   time.Time
}

// erasureLeeway is how far ahead the clock of a ready pod may be. Within it a
// session of unknown credential counts as begun before the erasure.
const erasureLeeway = time.Minute

// Covers reports whether the session is one of the person's sessions to erase: it
// was begun with a withdrawn credential, or before the erasure. A session that the
// person begins later with a new credential stays. The clocks of pods and of token
// issuers differ, so either sign counts: text that stays readable would be worse
// than the loss of a session that began within the difference.
func (e Erasing) Covers(s Session) bool {
	if s.IssuedAt.IsZero() { // a token without iat is withdrawn for good, and older versions did not store the time
		return !s.CreatedAt.After(e.At.Add(erasureLeeway))
	}
	return s.IssuedAt.Before(e.At) || !s.CreatedAt.After(e.At)
}

// Share lets anyone with its token read the session as of the share's
// creation.
type Share struct {
	Session SessionKey
	Name    string // the session's name at that time
	// Unreadable is set if no key decrypts the name, which is then empty.
	Unreadable bool
	Head       int64 // the session's last event at that time
	CreatedAt  time.Time
	ExpiresAt  time.Time
}
