package chatbox

// Join is what a socket is given when it takes its place in a session, read
// after its pod had subscribed.
type Join struct {
	Owner    string  // the session's; empty where there is none
	As       Right   // by which the socket hears it
	From     int64   // the last event the socket has
	Events   []Event // from From+1 up to State.Head, or none
	State    State
	Open     *OpenAnswer
	Reads    []Read
	Continue bool // the socket was told part of it already: go on from there
	Announce bool // end with resumed
	// Recovered is what resumed says; where it is false From is the head.
	Recovered bool
	// Shown is what an old client received of an answer before its connection
	// broke, and Ended that answer's final where it has one by now; nil: none.
	Shown *Shown
	Ended *Event
}

// Right is why a socket hears a session.
type Right int

// The rights.
const (
	ByOwnership Right = iota // it is its user's own
	ByHolding                // its admin holds it; ends with the holding
	ByWatching               // its admin watches it
)

// Position is how far a pod has delivered a session.
type Position struct {
	Session SessionKey
	Seq     int64
	UserID  string // of one of those whose own it is, or would be
	// Watchers are the admins whose sockets watch it here.
	Watchers []string
	// Noticed is true where a socket of the owner's here was told that staff
	// watches.
	Noticed bool
	// Answering is the answer whose end the sockets wait for; zero: none.
	Answering Gen
}
