package cluster

import "chatbox"

// Join is the data with which a socket joins a session. It is read after its
// pod has subscribed.
type Join struct {
	Owner    string          // the session's owner; empty: the session does not exist
	As       Right           // the right by which the socket receives the session
	From     int64           // the last event the socket has
	Events   []chatbox.Event // from From+1 up to State.Head, or none
	State    chatbox.State
	Open     *OpenAnswer
	Reads    []Read
	Continue bool // the socket has received a part already: continue from there
	Announce bool // finish with resumed
	// Recovered is copied to resumed. If it is false, From is the head.
	Recovered bool
	// Shown is the part of an answer that an old client received before its
	// connection broke; nil: none. Ended is that answer's final, if it has one
	// by now.
	Shown *Shown
	Ended *chatbox.Event
}

// Right is why a socket receives a session.
type Right int

// The rights.
const (
	ByOwnership Right = iota // its user owns the session
	ByHolding                // its admin holds the session; the right ends with the holding
	ByWatching               // its admin watches the session
)

// Position is how far a pod has delivered a session.
type Position struct {
	Session chatbox.SessionKey
	Seq     int64
	UserID  string // of one owner, or future owner, with sockets here
	// Watchers are the admins who watch the session through sockets of this
	// pod.
	Watchers []string
	// Noticed is true if a socket of the owner on this pod was sent the notice
	// that staff watches.
	Noticed bool
	// Answering is the answer whose end the sockets wait for; zero: none.
	Answering chatbox.Gen
}
