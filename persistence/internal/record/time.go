package record

import (
	"time"

	"chatbox"
)

// Times are kept as milliseconds UTC: what the wire shows.

// Millis is how a time is stored; the zero time survives.
func Millis(t time.Time) int64 { return t.UnixMilli() }

// Time undoes Millis.
func Time(ms int64) time.Time {
	t := time.UnixMilli(ms).UTC()
	if t.IsZero() {
		return time.Time{}
	}
	return t
}

// Activity is by what sessions are listed: a session without events was last
// active when it was made.
func Activity(st chatbox.State, created time.Time) int64 {
	if st.LastActivity.IsZero() {
		return Millis(created)
	}
	return Millis(st.LastActivity)
}

// Normal is the fold with its times as they are stored.
func Normal(st chatbox.State) chatbox.State {
	st.LastActivity, st.EndedAt = Time(Millis(st.LastActivity)), Time(Millis(st.EndedAt))
	st.StartedAt, st.WaitingSince = Time(Millis(st.StartedAt)), Time(Millis(st.WaitingSince))
	return st
}
