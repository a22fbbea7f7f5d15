package chatbox

import "time"

// Beginning is the opening of an append.
type Beginning struct {
	Session SessionKey
	Key     string  // the event's key
	User    UserKey // whose limit counts the frame; zero: nobody's
	Nonce   string  // names the append over all its tries: it is counted once
	Lease   *Lease  // set: refuse with NotOwner unless it is still held
}

// Begun is what an append decides on.
type Begun struct {
	Seeded     bool // false: Redis knows nothing of the session
	Owner      string
	State      State
	ReservedBy string        // the user for whom a free id is kept, if any
	Repeat     *Event        // the key's event, where it is still hot; it is not counted
	Intent     string        // for Publication or Abandon; opaque
	RetryAfter time.Duration // > 0: the user's limit is reached
}

// Publication makes one durable event visible.
type Publication struct {
	Event  Event
	State  State  // the fold after Event
	Fresh  bool   // the session is new: absent is as good as head 0
	Lease  *Lease // of the generation that the event finishes; released with it
	Intent string // Begun.Intent; empty when a healer publishes
	// Supersede is set where Published said that the visible answer is not a
	// prefix of this final: the final is shown as this attempt, after a
	// snapshot of its whole text.
	Supersede int
}

// Outcome is how a publication went.
type Outcome int

// The outcomes.
const (
	OutcomeDone     Outcome = iota
	OutcomeAlready          // the place is published; Head says how far
	OutcomeGap              // events before it are missing; Head says from where
	OutcomeUnseeded         // Redis knows nothing of the session
	OutcomeDiverged         // clients were shown something that is no prefix of the final; Attempt says which
)

// Published is the result of a publication.
type Published struct {
	Outcome Outcome
	Head    int64
	Attempt int
}

// Tail is what is hot of a session.
type Tail struct {
	Seeded     bool
	Owner      string
	ReservedBy string
	State      State   // State.Head is the head
	Events     []Event // contiguous up to the head; may begin later than asked
	Open       *OpenAnswer
	Reads      []Read // how far people have read, as far as Redis knows
}
