package client

import "time"

// Act is what happened at one moment of a device's life.
type Act string

// The acts of a transcript.
const (
	ActDialing  Act = "dialing"  // a connection is about to be tried
	ActOpened   Act = "opened"   // a socket is up; Frame names session and seq of its URL
	ActSent     Act = "sent"     // Frame was written
	ActReceived Act = "received" // Frame was read
	ActGarbled  Act = "garbled"  // a frame that could not be read, described in Note
	ActClosed   Act = "closed"   // the socket is gone, Note says why
	ActRefused  Act = "refused"  // a dial failed, Note says why
)

// Entry is one line of a transcript.
type Entry struct {
	At    time.Time
	Conn  int // number of the connection, from 1
	Act   Act
	Frame Frame
	Note  string
}

// NoResume in the Seq of an opened entry means that the URL asked for no replay.
const NoResume int64 = -1

// Replay runs the rules over a whole transcript.
func Replay(entries []Entry) *Tracker {
	t := NewTracker()
	for _, e := range entries {
		t.Apply(e)
	}
	return t
}
