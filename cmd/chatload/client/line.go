package client

import "fmt"

// line is one socket's position in one session's order: which events it has been
// sent and which must come next. It lives as long as the attachment of the
// socket.
type line struct {
	known   bool  // sent is valid
	sent    int64 // greatest seq this socket was sent
	missing map[int64]bool
	skips   int       // own frames without id, never shown here, whose seq is skipped
	asked   []*asking // unanswered resumes, oldest first
}

// asking is one resume that has not been answered yet.
type asking struct {
	fromHead  bool
	from      int64
	next      int64
	restarted bool
}

// verdict is how an event's seq fits its socket.
type verdict int

const (
	inOrder   verdict = iota // the next event
	replayed                 // sent before, and requested again
	repeated                 // sent before, and not requested
	late                     // fills a hole that was already reported
	afterHole                // earlier events are missing
)

// ask records that the socket resumes from a seq (NoResume: from the head).
func (l *line) ask(from int64) {
	if from < 0 {
		l.asked = append(l.asked, &asking{fromHead: true})
		return
	}
	l.asked = append(l.asked, &asking{from: from, next: from + 1})
	if !l.known {
		l.known, l.sent = true, from
	}
}

// event judges one durable event and advances the line. hole is how many events
// are missing before it.
func (l *line) event(seq int64) (v verdict, hole int64) {
	l.known = true // an event without an earlier resume belongs to a new session, which begins at 1
	if len(l.asked) > 0 && !l.asked[0].fromHead && l.asked[0].take(seq) {
		if seq <= l.sent {
			return replayed, 0
		}
		l.sent = seq
		return inOrder, 0
	}
	switch {
	case seq == l.sent+1:
		l.sent = seq
		return inOrder, 0
	case seq <= l.sent && l.missing[seq]:
		delete(l.missing, seq)
		return late, 0
	case seq <= l.sent:
		return repeated, 0
	}
	hole = seq - l.sent - 1
	if hole <= int64(l.skips) {
		l.skips -= int(hole)
		l.sent = seq
		return inOrder, 0
	}
	l.lose(l.sent+1, seq-1)
	l.sent = seq
	return afterHole, hole
}

// lose records missing seqs, up to a limit. If one of them arrives later, it is
// out of order.
func (l *line) lose(from, to int64) {
	if l.missing == nil {
		l.missing = map[int64]bool{}
	}
	for seq := from; seq <= to && len(l.missing) < 10_000; seq++ {
		l.missing[seq] = true
	}
}

// take reports whether seq belongs to the replay. Events sent before the resume
// arrived may come first, so the replay may start once more.
func (a *asking) take(seq int64) bool {
	switch {
	case seq == a.next:
		a.next++
	case seq == a.from+1 && !a.restarted:
		a.restarted = true
		a.next = seq + 1
	default:
		return false
	}
	return true
}

// resumed ends the oldest resume. It returns the seqs that the client must read
// by REST (from > to: none), and the class and description of a violation, if
// any.
func (l *line) resumed(seq int64, recovered bool) (from, to int64, wrong Class, detail string) {
	if len(l.asked) == 0 {
		if l.known && seq != l.sent {
			return 1, 0, ResumedWrong, fmt.Sprintf("resumed at %d unasked, sent %d", seq, l.sent)
		}
		l.known, l.sent = true, seq
		return 1, 0, "", ""
	}
	a := l.asked[0]
	l.asked = l.asked[1:]
	sent := l.sent
	l.known, l.sent = true, seq
	switch {
	case a.fromHead:
		if sent > seq {
			return 1, 0, ResumedWrong, fmt.Sprintf("resumed at %d, sent %d", seq, sent)
		}
	case seq < a.from:
		return 1, 0, HeadBack, fmt.Sprintf("head %d, shown before %d", seq, a.from)
	case !recovered:
		return a.from + 1, seq, "", ""
	case seq > a.next-1:
		l.lose(a.next, seq)
		return 1, 0, SeqHole, fmt.Sprintf("resumed at %d, replayed up to %d", seq, a.next-1)
	case seq < a.next-1:
		l.sent = sent
		return 1, 0, ResumedWrong, fmt.Sprintf("resumed at %d, replayed up to %d", seq, a.next-1)
	}
	return 1, 0, "", ""
}
