package hub

import (
	"time"

	"chatbox"
	"chatbox/cluster"
	"chatbox/helpdesk"
)

// Delivery is one message to a socket about a session; exactly one of the
// pointers is set. The edge renders it as a frame, once for all sockets of a
// pod that get the same message.
type Delivery struct {
	Session chatbox.SessionKey
	Event   *chatbox.Event
	// Replay is set on an event that is sent after it happened. A replayed
	// answer shows its whole text; a live final only ends the pieces that were
	// shown.
	Replay       bool
	Ack          *Ack
	Piece        *cluster.Piece
	Loading      *cluster.Loading
	Failure      *cluster.Failure
	Resumed      *Resumed
	Typing       *cluster.Typing
	Read         *cluster.Read
	Notification *cluster.Notification
	Place        *helpdesk.QueuePosition
}

// Ack confirms to a socket that its frame is stored at Seq.
type Ack struct {
	ID        string
	Seq       int64
	Time      time.Time
	Duplicate bool
}

// Resumed ends a resume. Seq is the last event that the socket was sent.
// Recovered is false if the gap was too large or the socket claimed a seq
// beyond the head; nothing was replayed then and Seq is the head.
type Resumed struct {
	Seq       int64
	Recovered bool
}
