package chatbox

import "time"

// Withdrawal says that a user's credentials that were issued before a moment
// no longer count, on any pod.
type Withdrawal struct {
	User   UserKey
	Before time.Time // a whole second, as times of issue are
	Until  time.Time // Redis has a copy; the history has the withdrawal for good
}

// Covers reports whether the withdrawal takes the actor's credential away. One
// that does not say when it was issued may be old, and is taken away.
func (w Withdrawal) Covers(a Actor) bool {
	return a.User() == w.User && a.IssuedAt.Before(w.Before)
}
