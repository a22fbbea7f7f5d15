package client

import (
	"fmt"
	"strings"
	"time"
)

// Tracker checks the contract's rules for one device. It is given what the device
// does and sees, in order, and keeps its sessions and every violation. It does no
// I/O and is not safe for concurrent use.
type Tracker struct {
	Sessions   map[string]*Session
	Violations []Violation   // the first hundred, oldest first
	Counts     map[Class]int // all of them
	Errors     map[string]int
	Throttled  int // refusals with a retry delay
	Models     []Model
	UserID     string
	ConnID     string

	conn     int
	greeted  bool // connection_status was the first frame
	wanted   string
	current  string              // the session attached or created last
	nameless map[string]*Receipt // sent without a session, acked with one
	now      time.Time
}

// NewTracker returns the tracker of a new device.
func NewTracker() *Tracker {
	return &Tracker{
		Sessions: map[string]*Session{}, Counts: map[Class]int{}, Errors: map[string]int{},
		nameless: map[string]*Receipt{},
	}
}

// Session returns the state of a session, or nil if it is unknown.
func (t *Tracker) Session(id string) *Session { return t.Sessions[id] }

// Greeted reports whether the current socket has received its connection_status.
func (t *Tracker) Greeted() bool { return t.greeted }

// Attached reports whether every resume of that session on the current socket is
// answered.
func (t *Tracker) Attached(session string) bool {
	s := t.Sessions[session]
	return t.greeted && s != nil && s.line != nil && len(s.line.asked) == 0
}

// Apply handles the next entry of the device's transcript.
func (t *Tracker) Apply(e Entry) {
	t.now = e.At
	switch e.Act {
	case ActOpened:
		t.opened(e)
	case ActSent:
		t.sent(e.Frame)
	case ActReceived:
		t.received(e.Frame)
	case ActGarbled:
		t.breach("", BadFrame, e.Note)
	case ActClosed:
		t.closed()
	case ActDialing, ActRefused:
	}
}

func (t *Tracker) opened(e Entry) {
	t.closed()
	t.conn, t.wanted, t.current = e.Conn, e.Frame.SessionID, e.Frame.SessionID
	if t.wanted != "" {
		t.session(t.wanted).attached().ask(e.Frame.Seq)
	}
}

func (t *Tracker) closed() {
	t.greeted = false
	for _, s := range t.Sessions {
		s.line = nil
	}
}

func (t *Tracker) session(id string) *Session {
	s := t.Sessions[id]
	if s == nil {
		s = newSession(id)
		t.Sessions[id] = s
	}
	return s
}

func (t *Tracker) breach(session string, class Class, detail string) {
	t.Counts[class]++
	if len(t.Violations) < keptViolations {
		t.Violations = append(t.Violations, Violation{At: t.now, Conn: t.conn, Session: session, Class: class, Detail: detail})
	}
}

// sent handles a frame that the device has written.
func (t *Tracker) sent(f Frame) {
	id := f.SessionID
	if id == "" {
		id = t.current
	}
	if f.Type == TypeResume {
		t.session(id).attached().ask(f.Seq)
		return
	}
	if !f.Durable() {
		return
	}
	if f.ID == "" {
		if id != "" && f.unseenWithoutID() {
			t.session(id).attached().skips++
		}
		return
	}
	receipts := t.nameless
	if id != "" {
		receipts = t.session(id).Sent
	}
	r := receipts[f.ID]
	if r == nil {
		r = &Receipt{Frame: f, First: t.now, Conn: t.conn}
		receipts[f.ID] = r
	}
	r.Times++
	r.Code = ""
}

// received handles a frame that the device has read.
func (t *Tracker) received(f Frame) {
	if !t.greeted {
		t.greeted = true
		t.first(f)
	}
	switch {
	case f.Type == TypeConnectionStatus:
		if f.Models != nil {
			t.Models, t.UserID, t.ConnID = f.Models, f.UserID, f.Metadata["connection_id"]
		}
	case f.Type == TypeAck:
		t.ack(f)
	case f.Type == TypeResumed:
		t.resumed(f)
	case f.Type == TypeLoading:
		t.loading(f)
	case f.Type == TypeError:
		t.failed(f)
	case f.Type == TypeAIResponse && !f.final():
		t.piece(f)
	case f.Durable():
		t.event(f)
	}
}

func (t *Tracker) first(f Frame) {
	if f.Type != TypeConnectionStatus {
		t.breach(f.SessionID, FirstFrame, "the first frame was "+f.Type)
		if f.SessionID != "" {
			t.breach(f.SessionID, EarlyEvent, f.Type+" before connection_status")
		}
		return
	}
	if f.SessionID != t.wanted {
		t.breach(f.SessionID, FirstFrame, fmt.Sprintf("connection_status names session %q, asked for %q", f.SessionID, t.wanted))
	}
	if f.UserID == "" || f.Metadata["protocol"] != "1" || f.Metadata["connection_id"] == "" || f.Metadata["pod"] == "" {
		t.breach(f.SessionID, BadFrame, "connection_status without user_id, connection_id, pod or protocol 1")
	}
}

// failed handles an error frame: a refusal with a retry delay, or an error shown
// to the user.
func (t *Tracker) failed(f Frame) {
	if f.Error == nil || f.Error.Code == "" {
		t.breach(f.SessionID, BadFrame, "error frame without a code")
		return
	}
	code := f.Error.Code
	if s := t.Sessions[f.SessionID]; s != nil {
		if r := s.Sent[f.ID]; r != nil && r.Seq == 0 {
			r.Code = code
		}
		if strings.HasPrefix(f.ID, "ans_") {
			t.answer(s, f).fail(t.now)
		}
	}
	if code == CodeTooManyRequests {
		t.Throttled++
		return
	}
	t.Errors[code]++
	t.breach(f.SessionID, ErrorShown, fmt.Sprintf("%s for %q: %s", code, f.ID, f.Error.Message))
}
