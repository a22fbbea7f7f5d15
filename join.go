package chatbox

// Join is what a socket is given when it takes its place in a session, read
// after its pod had subscribed.
type Join struct {
	From     int64   // the last event the socket has
	Events   []Event // from From+1 up to State.Head, or none
	State    State
	Open     *OpenAnswer
	Continue bool // the socket was told part of it already: go on from there
	Announce bool // end with resumed
	// Recovered is what resumed says; where it is false From is the head.
	Recovered bool
}

// Position is how far a pod has delivered a session.
type Position struct {
	Session SessionKey
	Seq     int64
	UserID  string // of one of the sockets
	// Answering is the answer whose end the sockets wait for; zero: none.
	Answering Gen
}
