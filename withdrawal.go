package chatbox

import "time"

// Withdrawal invalidates a user's credentials that were issued before a time,
// on every pod.
type Withdrawal struct {
	User   UserKey
	Before time.Time // a whole second, like times of issue
	Until  time.Time // until then Redis has a copy; the history never deletes the withdrawal
}

// Covers reports whether the withdrawal invalidates the actor's credential. A
// credential without a time of issue may be old and is invalidated.
func (w Withdrawal) Covers(a Actor) bool {
	return a.User() == w.User && a.IssuedAt.Before(w.Before)
}
