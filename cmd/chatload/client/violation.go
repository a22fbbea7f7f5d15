package client

import (
	"fmt"
	"time"
)

// Class is a kind of violation of the contract that a single device can see.
type Class string

// The classes.
const (
	SeqHole            Class = "seq_hole"             // an event with a smaller seq never arrived
	SeqRepeat          Class = "seq_repeat"           // the same event twice on one socket
	OutOfOrder         Class = "out_of_order"         // an event after one with a greater seq
	SeqReused          Class = "seq_reused"           // a different event at a seq already used
	HeadBack           Class = "head_back"            // the session's head fell behind what was shown
	AckEarly           Class = "ack_early"            // an ack before an event with a smaller seq
	AckUnknown         Class = "ack_unknown"          // an ack of something that was never sent
	AckChanged         Class = "ack_changed"          // a repeat's ack with another seq
	ResumedWrong       Class = "resumed_wrong"        // resumed does not match what was sent
	FirstFrame         Class = "first_frame"          // the first frame was not connection_status
	EarlyEvent         Class = "early_event"          // a frame of a session before connection_status
	BadFrame           Class = "bad_frame"            // a frame that violates the contract's format
	IndexGap           Class = "index_gap"            // a piece is missing and no snapshot followed
	SnapshotWrong      Class = "snapshot_wrong"       // a snapshot contradicts the text shown at its place
	PieceAfterFinal    Class = "piece_after_final"    // text after the answer's final
	PieceAfterTakeover Class = "piece_after_takeover" // the model's text while an admin holds the session
	WrongLength        Class = "wrong_length"         // the final's length differs from what was shown
	SecondFinal        Class = "second_final"         // a second final of one answer
	ErrorShown         Class = "error_shown"          // an error frame other than a refusal with a retry delay
)

// Violation is one violation of the contract, seen on one connection.
type Violation struct {
	At      time.Time
	Conn    int
	Session string
	Class   Class
	Detail  string
}

func (v Violation) String() string {
	return fmt.Sprintf("%s conn %d session %s: %s: %s", v.At.Format("15:04:05.000"), v.Conn, v.Session, v.Class, v.Detail)
}

// keptViolations limits how many violations a tracker describes. All are counted.
const keptViolations = 100
