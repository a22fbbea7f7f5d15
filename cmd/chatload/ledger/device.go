package ledger

import (
	"maps"
	"slices"

	"chatbox/cmd/chatload/client"
)

// Device is what one device saw of one session.
type Device struct {
	Name       string
	Base       int64 // seq up to which it requested nothing
	LastSeq    int64
	Events     []client.Event
	Gaps       []client.Range
	Receipts   []client.Receipt // by id
	Answers    []Shown          // answers without a final
	Violations []client.Violation
	Counts     map[client.Class]int
	Errors     map[string]int
	Throttled  int
}

// Shown is an answer whose beginning a device saw but not its end.
type Shown struct {
	ID, ReplyTo, Text string
	Failed            bool // an error frame named it
}

// Take copies a tracker's data of a session. A tracker that served several
// sessions counts its violations in each, so give each session its own device to
// count them once.
func Take(name, session string, t *client.Tracker) Device {
	d := Device{
		Name: name, Violations: slices.Clone(t.Violations), Counts: maps.Clone(t.Counts),
		Errors: maps.Clone(t.Errors), Throttled: t.Throttled,
	}
	s := t.Session(session)
	if s == nil {
		return d
	}
	d.Base, d.LastSeq = s.Base, s.LastSeq
	d.Events, d.Gaps = slices.Clone(s.Events), slices.Clone(s.Gaps)
	for _, id := range slices.Sorted(maps.Keys(s.Sent)) {
		d.Receipts = append(d.Receipts, *s.Sent[id])
	}
	for _, id := range slices.Sorted(maps.Keys(s.Answers)) {
		if a := s.Answers[id]; a.Seq == 0 {
			d.Answers = append(d.Answers, Shown{ID: id, ReplyTo: a.ReplyTo, Text: a.Shown(), Failed: !a.FailedAt.IsZero()})
		}
	}
	return d
}

// FromTranscript applies a recorded transcript to the rules and takes the result.
func FromTranscript(name, session string, entries []client.Entry) Device {
	return Take(name, session, client.Replay(entries))
}

// excused reports whether the device was told to read this seq by REST, or never
// requested it.
func (d *Device) excused(seq int64) bool {
	if seq <= d.Base {
		return true
	}
	return slices.ContainsFunc(d.Gaps, func(r client.Range) bool { return r.From <= seq && seq <= r.To })
}
