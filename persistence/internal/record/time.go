package record

import (
	"time"

	"chatbox"
)

// Times are stored in milliseconds UTC, the resolution of the wire.

// Millis returns the stored form of a time. The zero time is preserved.
func Millis(t time.Time) int64 { return t.UnixMilli() }

// Time reverses Millis.
func Time(ms int64) time.Time {
	t := time.UnixMilli(ms).UTC()
	if t.IsZero() {
		return time.Time{}
	}
	return t
}

// Activity returns the time that lists sort by. A session without events was last
// active when it was created.
func Activity(st chatbox.State, created time.Time) int64 {
	if st.LastActivity.IsZero() {
		return Millis(created)
	}
	return Millis(st.LastActivity)
}

// Normal returns the fold with its times rounded as they are stored.
func Normal(st chatbox.State) chatbox.State {
	st.LastActivity, st.EndedAt = Time(Millis(st.LastActivity)), Time(Millis(st.EndedAt))
	st.StartedAt, st.WaitingSince = Time(Millis(st.StartedAt)), Time(Millis(st.WaitingSince))
	return st
}
