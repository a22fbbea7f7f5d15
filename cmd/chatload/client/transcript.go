package client

import "time"

// Act is the kind of an entry in a transcript.
type Act string

// The acts of a transcript.
const (
	ActDialing  Act = "dialing"  // a dial begins
	ActOpened   Act = "opened"   // a socket is open; Frame has session and seq of its URL
	ActSent     Act = "sent"     // Frame was written
	ActReceived Act = "received" // Frame was read
	ActGarbled  Act = "garbled"  // a frame could not be decoded; see Note
	ActClosed   Act = "closed"   // the socket has ended; see Note
	ActRefused  Act = "refused"  // a dial failed; see Note
)

// Entry is one line of a transcript.
type Entry struct {
	At    time.Time
	Conn  int // number of the connection, from 1
	Act   Act
	Frame Frame
	Note  string
}

// NoResume in the Seq of an opened entry means that the URL requested no replay.
const NoResume int64 = -1

// Replay applies a whole transcript to a new Tracker.
func Replay(entries []Entry) *Tracker {
	t := NewTracker()
	for _, e := range entries {
		t.Apply(e)
	}
	return t
}
