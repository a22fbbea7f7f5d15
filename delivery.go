package chatbox

import "time"

// Delivery is one thing a socket is told about a session; exactly one of the
// pointers is set. The edge renders it as a frame, once for all sockets of a
// pod that are told the same.
type Delivery struct {
	Session SessionKey
	Event   *Event
	// Replay is set on an event that is told after the fact: a finished answer
	// then shows its whole text, a live final only closes what pieces showed.
	Replay       bool
	Ack          *Ack
	Piece        *Piece
	Loading      *Loading
	Failure      *Failure
	Resumed      *Resumed
	Typing       *Typing
	Read         *Read
	Notification *Notification
	Place        *QueuePosition
}

// Ack tells a socket that the frame it named is durable at Seq.
type Ack struct {
	ID        string
	Seq       int64
	Time      time.Time
	Duplicate bool
}

// Resumed ends a resume: Seq is the last event the socket has been sent.
// Recovered is false where the gap was too large, or the socket claimed more
// than there is; then nothing was replayed and Seq is the head.
type Resumed struct {
	Seq       int64
	Recovered bool
}
