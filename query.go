package chatbox

import "time"

// SessionQuery requests one page of a user's sessions.
type SessionQuery struct {
	User   UserKey
	Status string // "", "active" or "ended"
	Limit  int    // 1-200
	Cursor string // the previous page's Next; opaque; InvalidArgument for cursor if it is invalid
}

// SessionPage is one page of sessions. Next is empty on the last page.
type SessionPage struct {
	Sessions []Session
	Next     string
}

// Holding is a session that an admin holds.
type Holding struct {
	Session SessionKey
	Holder  string
	Since   int64 // the seq of the admin_join from which the admin holds it
}

// PendingTurn is a message that waits for an answer.
type PendingTurn struct {
	Session SessionKey
	Gen     Gen
	Since   time.Time // the message's time
	At      int64     // Turn.At
	Claims  int       // of this run; if it is not 0, a pod may be answering
}

// HistoryQuery requests one page of a session's events, oldest first. Without
// bounds it returns the newest Limit events, with AfterSeq the first ones
// after it, and with BeforeSeq the last ones before it.
type HistoryQuery struct {
	Limit     int   // 1-500
	BeforeSeq int64 // 0: unset
	AfterSeq  int64 // -1: unset
}

// History is a page of a session. Truncated is set if more events are within
// the requested bounds.
type History struct {
	Session   Session
	Events    []Event
	Truncated bool
}

// Bounds returns the closed range of seqs for a session with this head.
// truncated reports whether more events are within the requested bounds.
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
