// Package ledger judges one session afterwards. It compares what each device saw
// with what the others saw and with the history, and counts what is lost,
// repeated, out of order, missing or wrong. It does no I/O.
package ledger

import (
	"fmt"

	"chatbox/cmd/chatload/client"
)

// Class is a kind of finding in the report.
type Class string

// The classes, in the order of the report.
const (
	Lost          Class = "lost"           // acked or shown, but not in the history
	Repeated      Class = "repeated"       // the same item twice
	OutOfOrder    Class = "out_of_order"   // one session in two orders
	Hole          Class = "hole"           // a seq that a device never received
	WrongText     Class = "wrong_text"     // text other than what was written or stored
	SeveralFinals Class = "several_finals" // more than one good answer to one message
	AfterTakeover Class = "after_takeover" // the model's text while an admin holds the session
	Unanswered    Class = "unanswered"     // a message with neither answer nor error
	Contract      Class = "contract"       // another violation of the contract seen by a device
	ErrorShown    Class = "errors_shown"   // an error frame a user would see
	Unchecked     Class = "unchecked"      // a session that could not be verified
)

// Classes lists all classes in the order of the report.
func Classes() []Class {
	return []Class{
		Lost, Repeated, OutOfOrder, Hole, WrongText, SeveralFinals, AfterTakeover, Unanswered, Contract, ErrorShown, Unchecked,
	}
}

// classOf maps a device's own finding to the report's class.
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

// keptExamples limits how many findings of a class a report describes.
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

// Add counts a finding and keeps its description while there are fewer than
// keptExamples.
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

// Violations returns the number of findings. Errors shown to users count unless
// allowErrors is set, as in a run with faults.
func (r *Report) Violations(allowErrors bool) int {
	total := 0
	for c, n := range r.Counts {
		if c != ErrorShown || !allowErrors {
			total += n
		}
	}
	return total
}
