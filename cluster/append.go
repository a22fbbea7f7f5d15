package cluster

import (
	"time"

	"chatbox"
)

// Beginning is the request that opens an append.
type Beginning struct {
	Session chatbox.SessionKey
	Key     string          // the event's key
	User    chatbox.UserKey // the user whose limit counts the frame; zero: none
	Nonce   string          // identifies the append over all its tries, so that it is counted once
	Lease   *Lease          // set: refuse with NotOwner unless it is still held
}

// Begun is the state on which an append decides.
type Begun struct {
	Seeded     bool // false: Redis has no copy of the session
	Owner      string
	State      chatbox.State
	ReservedBy string         // the user for whom a free id is reserved, if any
	Repeat     *chatbox.Event // the event that has the key already, if Redis still has it; such a repeat is not counted
	Intent     string         // for Publication or Abandon; opaque
	RetryAfter time.Duration  // > 0: the user's limit is reached
}

// Publication makes one durable event visible.
type Publication struct {
	Event  chatbox.Event
	State  chatbox.State // the fold after Event
	Fresh  bool          // the session is new: Redis may have no copy of it, which counts as head 0
	Lease  *Lease        // of the generation that the event finishes; released with it
	Intent string        // Begun.Intent; empty when a healer publishes
	Keep   bool          // leave the intent for some seconds more: the session's record is to be written
	// Supersede is set after a publication was OutcomeDiverged: the text that
	// clients were shown is not a prefix of this final. The final is then
	// published as this attempt, after a snapshot of its whole text.
	Supersede int
}

// Outcome is the result of a publication.
type Outcome int

// The outcomes.
const (
	OutcomeDone     Outcome = iota
	OutcomeAlready          // the seq is published already; Head is the head
	OutcomeGap              // earlier events are missing; Head is the last one that is there
	OutcomeUnseeded         // Redis has no copy of the session
	OutcomeDiverged         // clients were shown text that is not a prefix of the final; Attempt is its attempt
)

// Published reports how a publication went.
type Published struct {
	Outcome Outcome
	Head    int64
	Attempt int
}

// Tail is the part of a session that Redis keeps.
type Tail struct {
	Seeded     bool
	Owner      string
	ReservedBy string
	State      chatbox.State   // State.Head is the head
	Events     []chatbox.Event // contiguous up to the head; may begin later than requested
	Open       *OpenAnswer
	Reads      []Read // read positions that Redis knows
}
