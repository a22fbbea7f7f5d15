package client

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Answer is one answer as shown by a device.
type Answer struct {
	ID       string
	ReplyTo  string
	Seq      int64  // of its final; 0 before that
	Finish   string // of its final
	Text     string // complete once Seq is set
	Pieces   int    // live frames applied, snapshots included
	Restarts int    // snapshots that replaced text of an older attempt
	FirstAt  time.Time
	FinalAt  time.Time
	FailedAt time.Time // an error frame named the answer

	shown  strings.Builder
	at     place
	placed bool // at is valid
}

// Shown returns the text so far.
func (a *Answer) Shown() string {
	if a.Seq > 0 {
		return a.Text
	}
	return a.shown.String()
}

// Over reports whether the answer has ended.
func (a *Answer) Over() bool { return a.Seq > 0 || !a.FailedAt.IsZero() }

// fail records that an error frame named the answer.
func (a *Answer) fail(at time.Time) {
	if a.FailedAt.IsZero() {
		a.FailedAt = at
	}
}

// fault is a violation found in a frame.
type fault struct {
	class  Class
	detail string
}

func faultf(class Class, format string, args ...any) *fault {
	return &fault{class, fmt.Sprintf(format, args...)}
}

// piece applies a piece or snapshot. It returns false if the frame is a repeat
// and was dropped.
func (a *Answer) piece(f Frame, at time.Time) (applied bool, bad *fault) {
	if a.Seq > 0 {
		return false, faultf(PieceAfterFinal, "answer %s, index %s", a.ID, f.Metadata["index"])
	}
	p, err := f.place()
	if err != nil {
		return false, faultf(BadFrame, "piece of %s: %v", a.ID, err)
	}
	if f.snapshot() {
		return a.replace(f, p, at)
	}
	if p.index < 0 {
		return false, faultf(BadFrame, "piece of %s with index %d", a.ID, p.index)
	}
	if a.placed && p.atOrBelow(a.at) {
		return false, nil
	}
	switch {
	case !a.placed && p.index != 0:
		bad = faultf(IndexGap, "answer %s begins at %v without a snapshot", a.ID, p)
	case a.placed && p.attempt != a.at.attempt:
		bad = faultf(IndexGap, "answer %s: %v after %v without a snapshot", a.ID, p, a.at)
	case a.placed && p.index != a.at.index+1:
		bad = faultf(IndexGap, "answer %s: %v after %v", a.ID, p, a.at)
	}
	a.move(p, at)
	a.shown.WriteString(f.Content)
	return true, bad
}

// replace applies a snapshot. A snapshot at or below what is shown is dropped,
// but must not contradict it.
func (a *Answer) replace(f Frame, p place, at time.Time) (applied bool, bad *fault) {
	if a.placed && p.atOrBelow(a.at) {
		switch shown := a.shown.String(); {
		case p == a.at && shown != f.Content:
			bad = faultf(SnapshotWrong, "answer %s at %v: %d bytes, shown %d", a.ID, p, len(f.Content), len(shown))
		case p.attempt == a.at.attempt && !strings.HasPrefix(shown, f.Content):
			bad = faultf(SnapshotWrong, "answer %s at %v is no beginning of what was shown", a.ID, p)
		}
		return false, bad
	}
	if a.placed && p.attempt == a.at.attempt && !strings.HasPrefix(f.Content, a.shown.String()) {
		bad = faultf(SnapshotWrong, "answer %s at %v does not begin with what was shown at %v", a.ID, p, a.at)
	}
	if a.placed && p.attempt > a.at.attempt {
		a.Restarts++
	}
	a.move(p, at)
	a.shown.Reset()
	a.shown.WriteString(f.Content)
	return true, bad
}

func (a *Answer) move(p place, at time.Time) {
	a.at, a.placed = p, true
	a.Pieces++
	if a.FirstAt.IsZero() && p.index >= 0 {
		a.FirstAt = at
	}
}

// end applies the final, live or replayed, and returns all faults in it.
func (a *Answer) end(f Frame, at time.Time) []*fault {
	if a.Seq > 0 {
		return []*fault{faultf(SecondFinal, "answer %s at %d and at %d", a.ID, a.Seq, f.Seq)}
	}
	var bad []*fault
	a.Seq, a.Finish, a.FinalAt = f.Seq, f.Metadata["finish"], at
	if !knownFinish(a.Finish) {
		bad = append(bad, faultf(BadFrame, "final of %s with finish %q", a.ID, a.Finish))
	}
	if f.live() {
		bad = append(bad, a.endLive(f)...)
	} else {
		a.Text = f.Content
	}
	a.shown = strings.Builder{}
	return append(bad, a.checkLength(f)...)
}

func (a *Answer) endLive(f Frame) []*fault {
	var bad []*fault
	a.Text = a.shown.String()
	if f.Content != "" {
		bad = append(bad, faultf(BadFrame, "live final of %s has content", a.ID))
	}
	p, err := f.place()
	switch {
	case err != nil:
		bad = append(bad, faultf(BadFrame, "final of %s: %v", a.ID, err))
	case !a.placed && p.index != -1:
		bad = append(bad, faultf(IndexGap, "final of %s stands at %v, nothing was shown", a.ID, p))
	case a.placed && p != a.at:
		bad = append(bad, faultf(IndexGap, "final of %s stands at %v, shown up to %v", a.ID, p, a.at))
	}
	if _, ok := f.Metadata["length"]; !ok {
		bad = append(bad, faultf(BadFrame, "final of %s without length", a.ID))
	}
	return bad
}

func (a *Answer) checkLength(f Frame) []*fault {
	said, ok := f.Metadata["length"]
	if !ok {
		return nil
	}
	n, err := strconv.Atoi(said)
	if shown := utf8.RuneCountInString(a.Text); err != nil || n != shown {
		return []*fault{faultf(WrongLength, "answer %s: length %q, shown %d", a.ID, said, shown)}
	}
	return nil
}

func knownFinish(s string) bool {
	switch s {
	case "stop", "length", "cancelled", "taken_over", "error", "content_filter":
		return true
	default:
		return false
	}
}
