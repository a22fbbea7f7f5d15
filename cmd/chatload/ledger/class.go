// Package ledger judges one session after the fact: it lays what every device saw beside what
// the others saw and what the history says, and counts what is lost, repeated, out of order,
// missing or wrong. It is pure.
package ledger

import (
	"fmt"

	"chatbox/cmd/chatload/client"
)

// Class is one kind of loss the report counts.
type Class string

// The classes of a report, in the order in which it prints them.
const (
	Lost          Class = "lost"           // acked or shown, and not in the history
	Repeated      Class = "repeated"       // the same thing twice
	OutOfOrder    Class = "out_of_order"   // two orders of one session
	Hole          Class = "hole"           // a seq somebody never got
	WrongText     Class = "wrong_text"     // text that is not what was written or stored
	SeveralFinals Class = "several_finals" // more than one good answer to one message
	AfterTakeover Class = "after_takeover" // the model's text while an admin holds
	Unanswered    Class = "unanswered"     // a message that got neither answer nor error
	Contract      Class = "contract"       // another breach of the contract seen by a device
	ErrorShown    Class = "errors_shown"   // an error frame a user would see
	Unchecked     Class = "unchecked"      // a session that could not be verified
)

// Classes lists all classes in the order of the report.
func Classes() []Class {
	return []Class{
		Lost, Repeated, OutOfOrder, Hole, WrongText, SeveralFinals, AfterTakeover, Unanswered, Contract, ErrorShown, Unchecked,
	}
}

// classOf sorts a device's own finding into the report.
func classOf(c client.Class) Class {
	switch c {
	case client.SeqRepeat:
		return Repeated
	case client.OutOfOrder, client.SeqReused, client.AckEarly:
		return OutOfOrder
	case client.SeqHole:
		return Hole
	case client.HeadBack:
		return Lost
	case client.IndexGap, client.SnapshotWrong, client.WrongLength:
		return WrongText
	case client.SecondFinal:
		return SeveralFinals
	case client.PieceAfterTakeover:
		return AfterTakeover
	case client.ErrorShown:
		return ErrorShown
	default:
		return Contract
	}
}

// keptExamples bounds how many findings of a class a report describes.
const keptExamples = 5

// Report counts findings over any number of sessions. The zero value is an empty report.
type Report struct {
	Sessions   int              `json:"sessions"`
	Devices    int              `json:"devices"`
	Messages   int              `json:"messages"` // acked
	Events     int              `json:"events"`   // in the histories
	Answers    int              `json:"answers"`  // finals in the histories
	Verified   int              `json:"verified"` // answers compared with their expected text
	Throttled  int              `json:"throttled"`
	Counts     map[Class]int    `json:"counts"`
	ErrorCodes map[string]int   `json:"error_codes,omitempty"`
	Examples   map[Class][]Note `json:"examples,omitempty"`
}

// Note describes one finding.
type Note string

// Add counts a finding and keeps its description while there is room.
func (r *Report) Add(c Class, format string, args ...any) {
	if r.Counts == nil {
		r.Counts, r.Examples = map[Class]int{}, map[Class][]Note{}
	}
	r.Counts[c]++
	if len(r.Examples[c]) < keptExamples {
		r.Examples[c] = append(r.Examples[c], Note(fmt.Sprintf(format, args...)))
	}
}

// Merge adds another report to this one.
func (r *Report) Merge(o Report) {
	r.Sessions += o.Sessions
	r.Devices += o.Devices
	r.Messages += o.Messages
	r.Events += o.Events
	r.Answers += o.Answers
	r.Verified += o.Verified
	r.Throttled += o.Throttled
	for c, n := range o.Counts {
		kept := o.Examples[c]
		for _, note := range kept {
			r.Add(c, "%s", note)
		}
		r.Counts[c] += n - len(kept)
	}
	for code, n := range o.ErrorCodes {
		if r.ErrorCodes == nil {
			r.ErrorCodes = map[string]int{}
		}
		r.ErrorCodes[code] += n
	}
}

// Violations is the number of findings. Errors shown count unless the caller allows them, as a
// run during a fault must.
func (r *Report) Violations(allowErrors bool) int {
	total := 0
	for c, n := range r.Counts {
		if c != ErrorShown || !allowErrors {
			total += n
		}
	}
	return total
}
