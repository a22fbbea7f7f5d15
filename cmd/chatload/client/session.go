package client

import (
	"fmt"
	"time"
)

// Via is how an event reached a device.
type Via string

// The ways an event reaches a device.
const (
	ViaEvent  Via = "event"
	ViaAck    Via = "ack"
	ViaReplay Via = "replay"
)

// Event is one durable event as received by a device.
type Event struct {
	At      time.Time
	Conn    int
	Seq     int64
	Via     Via
	Type    string
	ID      string // for an ack, the message's id
	Sender  string
	Text    string // content; for a live final, the text assembled from its pieces
	ReplyTo string // of an answer
	Finish  string // of an answer
}

// Receipt is a device's record of a frame that it sent with an id.
type Receipt struct {
	Frame   Frame
	First   time.Time // first written
	Conn    int       // connection it was first written on
	Times   int       // how often it was written
	Seq     int64     // from its ack; 0 before that
	AckAt   time.Time
	AckConn int
	Acks    int
	Code    string // of the last error that echoed the id
}

// Range is a closed range of seq.
type Range struct{ From, To int64 }

// Session is a device's state of one session. Read it only inside Client.View or
// after Run.
type Session struct {
	ID      string
	Base    int64 // the head at an attach without replay; 0: from the beginning
	LastSeq int64 // everything up to here was applied or excused; a resume asks from here
	Events  []Event
	Gaps    []Range // to be read by REST: resumed with recovered false
	Sent    map[string]*Receipt
	Answers map[string]*Answer
	Held    bool // by an admin
	Ended   bool

	Resumes        int // answered
	PiecesRepeated int // frames at or below what was applied, dropped as the contract demands

	bySeq  map[int64]int // index in Events
	ahead  map[int64]bool
	byTurn map[string]string // reply_to → id of its newest answer
	line   *line             // of the current connection; nil while not attached
}

func newSession(id string) *Session {
	return &Session{
		ID: id, Sent: map[string]*Receipt{}, Answers: map[string]*Answer{},
		bySeq: map[int64]int{}, ahead: map[int64]bool{}, byTurn: map[string]string{},
	}
}

// AnswerTo returns the newest answer to the message, or nil if there is none.
func (s *Session) AnswerTo(messageID string) *Answer { return s.Answers[s.byTurn[messageID]] }

// EventAt returns the event with that seq, if this device has it.
func (s *Session) EventAt(seq int64) (Event, bool) {
	i, ok := s.bySeq[seq]
	if !ok {
		return Event{}, false
	}
	return s.Events[i], true
}

// Unacked counts frames sent with an id that are neither acked nor finally
// refused.
func (s *Session) Unacked() int {
	n := 0
	for _, r := range s.Sent {
		if r.Seq == 0 && r.Code == "" {
			n++
		}
	}
	return n
}

// attached returns the current line, and creates it if the socket attaches by
// sending or creating.
func (s *Session) attached() *line {
	if s.line == nil {
		s.line = &line{}
	}
	return s.line
}

// apply adds an event that the line has judged new. If the event is known already
// (after a hole the device resumes from further back), it must equal the known
// one.
func (s *Session) apply(e Event) error {
	if i, ok := s.bySeq[e.Seq]; ok {
		if old := s.Events[i]; old.Type != e.Type || old.ID != e.ID {
			return fmt.Errorf("seq %d was %s %s, now %s %s", e.Seq, old.Type, old.ID, e.Type, e.ID)
		}
		return nil
	}
	s.bySeq[e.Seq] = len(s.Events)
	s.Events = append(s.Events, e)
	switch e.Type {
	case TypeAdminJoin:
		s.Held = true
	case TypeAdminLeave:
		s.Held = false
	case TypeSessionEnded:
		s.Ended = true
	}
	s.advance(e.Seq)
	return nil
}

// advance marks a seq as applied and moves LastSeq over the contiguous seqs after
// it.
func (s *Session) advance(seq int64) {
	if seq <= s.LastSeq {
		return
	}
	s.ahead[seq] = true
	for s.ahead[s.LastSeq+1] {
		s.LastSeq++
		delete(s.ahead, s.LastSeq)
	}
}

// excuse settles every seq up to the given one: attached from there, or read by
// REST.
func (s *Session) excuse(to int64) {
	for seq := range s.ahead {
		if seq <= to {
			delete(s.ahead, seq)
		}
	}
	s.LastSeq = max(s.LastSeq, to)
	for s.ahead[s.LastSeq+1] {
		s.LastSeq++
		delete(s.ahead, s.LastSeq)
	}
}
