package helpdesk

import (
	"cmp"
	"time"

	"chatbox"
)

// Waiting is a session whose user has asked for a person and whom no person
// has joined yet. Since is zero if it is unknown.
type Waiting struct {
	Session chatbox.SessionKey
	Owner   string
	Since   time.Time
}

// WaitingOf returns the session's entry in the queue; false if it does not wait.
func WaitingOf(s chatbox.Session) (w Waiting, waits bool) {
	return Waiting{Session: s.Key, Owner: s.Owner, Since: s.State.WaitingSince}, s.State.HelpPending && !s.Erased
}

// Compare orders a tenant's queue: the longest wait comes first, then the
// smaller id. A wait of unknown length comes before all others.
func (w Waiting) Compare(o Waiting) int {
	return cmp.Or(w.Since.Compare(o.Since), cmp.Compare(w.Session.ID, o.Session.ID))
}
