package chatbox

import (
	"cmp"
	"time"
)

// Waiting is a session whose user has asked for a person and to whom nobody has
// come yet. Since is zero where it was not kept.
type Waiting struct {
	Session SessionKey
	Owner   string
	Since   time.Time
}

// Waiting is the session's place among those that wait; false: it does not.
func (s Session) Waiting() (w Waiting, waits bool) {
	return Waiting{Session: s.Key, Owner: s.Owner, Since: s.State.WaitingSince}, s.State.HelpPending && !s.Erased
}

// Compare orders a tenant's queue: who has waited longest comes first, of those
// alike in it the smaller id. Who waits since nobody knows when comes before
// all others.
func (w Waiting) Compare(o Waiting) int {
	return cmp.Or(w.Since.Compare(o.Since), cmp.Compare(w.Session.ID, o.Session.ID))
}
