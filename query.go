package chatbox

import "time"

// SessionQuery asks for one page of a user's sessions.
type SessionQuery struct {
	User   UserKey
	Status string // "", "active" or "ended"
	Limit  int    // 1-200
	Cursor string // of the page before; opaque, InvalidArgument naming cursor when it is not one of ours
}

// SessionPage is one page of sessions; Next is empty on the last.
type SessionPage struct {
	Sessions []Session
	Next     string
}

// Holding is a session that an admin holds.
type Holding struct {
	Session SessionKey
	Holder  string
	Since   int64 // the place of the admin_join by which it became the admin's
}

// PendingTurn is a message that wants an answer.
type PendingTurn struct {
	Session SessionKey
	Gen     Gen
	Since   time.Time // the message's
	At      int64     // Turn.At
	Claims  int       // of this run: where it is not 0, somebody may be answering
}

// Seed is what Redis is to have of a session that it lost, or that it fell
// behind in: all of it as of State.Head.
type Seed struct {
	Session SessionKey
	Owner   string
	State   State
	Turns   []PendingTurn // every turn that wants an answer, in the order of At
}

// HistoryQuery asks for one page of a session's events, oldest first. Without
// bounds it is the newest Limit; with AfterSeq the first ones after it; with
// BeforeSeq the last ones before it.
type HistoryQuery struct {
	Limit     int   // 1-500
	BeforeSeq int64 // 0: not given
	AfterSeq  int64 // -1: not given
}

// History is a page of a session. Truncated says that there are more events
// within the asked bounds.
type History struct {
	Session   Session
	Events    []Event
	Truncated bool
}

// Bounds turns the query into a closed range of a session with this head, and
// says whether there is more within what was asked.
func (q HistoryQuery) Bounds(head int64) (from, to int64, truncated bool) {
	limit := int64(q.Limit)
	lo, hi := int64(1), head
	if q.AfterSeq >= 0 {
		lo = min(q.AfterSeq, head) + 1 // what is asked for may be the largest number
	}
	if q.BeforeSeq > 0 {
		hi = min(hi, q.BeforeSeq-1)
	}
	if hi-lo < limit {
		return lo, hi, false
	}
	if q.AfterSeq >= 0 {
		return lo, lo + limit - 1, true
	}
	return hi - limit + 1, hi, true
}
