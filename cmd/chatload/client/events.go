package client

import "fmt"

// event handles a durable event. The socket's line judges it; if it is new, it is
// applied.
func (t *Tracker) event(f Frame) {
	if f.Seq < 1 || f.SessionID == "" {
		t.breach(f.SessionID, BadFrame, fmt.Sprintf("%s with seq %d", f.Type, f.Seq))
		return
	}
	if err := f.checkTime(); err != nil {
		t.breach(f.SessionID, BadFrame, err.Error())
	}
	s := t.session(f.SessionID)
	l := s.attached()
	via := ViaEvent
	if len(l.asked) > 0 {
		via = ViaReplay
	}
	v, hole := l.event(f.Seq)
	if v == afterHole {
		t.breach(s.ID, SeqHole, fmt.Sprintf("%d missing before %d %s %s", hole, f.Seq, f.Type, f.ID))
	}
	t.apply(s, v, Event{
		At: t.now, Conn: t.conn, Seq: f.Seq, Via: via, Type: f.Type, ID: f.ID, Sender: f.Sender, Text: f.Content,
	}, f)
}

// apply handles an event that the line has judged. A repeat changes nothing, and
// must equal the original.
func (t *Tracker) apply(s *Session, v verdict, e Event, f Frame) {
	switch v {
	case repeated:
		t.breach(s.ID, SeqRepeat, fmt.Sprintf("%d %s %s", e.Seq, e.Type, e.ID))
	case late:
		t.breach(s.ID, OutOfOrder, fmt.Sprintf("%d %s %s", e.Seq, e.Type, e.ID))
	case inOrder, replayed, afterHole:
	}
	if _, known := s.EventAt(e.Seq); !known && f.final() {
		e = t.final(s, e, f)
	}
	if err := s.apply(e); err != nil {
		t.breach(s.ID, SeqReused, err.Error())
	}
	if v == inOrder && e.Seq > s.LastSeq {
		s.excuseSkipped(e.Seq)
	}
}

// excuseSkipped settles the seqs of own frames without an id, which the line let
// pass.
func (s *Session) excuseSkipped(seq int64) {
	for missing := s.LastSeq + 1; missing < seq; missing++ {
		if !s.ahead[missing] && s.line.missing[missing] {
			return
		}
	}
	s.excuse(seq)
}

// final ends an answer and returns its event with the text the device has shown.
func (t *Tracker) final(s *Session, e Event, f Frame) Event {
	a := t.answer(s, f)
	for _, bad := range a.end(f, t.now) {
		t.breach(s.ID, bad.class, bad.detail)
	}
	if s.Held {
		t.breach(s.ID, PieceAfterTakeover, fmt.Sprintf("final of %s at %d", f.ID, f.Seq))
	}
	e.ReplyTo, e.Finish = a.ReplyTo, f.Metadata["finish"]
	if a.Seq == f.Seq {
		e.Text = a.Text
	}
	return e
}

// answer returns the answer that a frame belongs to, and creates it if needed.
func (t *Tracker) answer(s *Session, f Frame) *Answer {
	a := s.Answers[f.ID]
	if a == nil {
		a = &Answer{ID: f.ID}
		s.Answers[f.ID] = a
	}
	if to := f.Metadata["reply_to"]; to != "" && a.ReplyTo == "" {
		a.ReplyTo = to
		s.byTurn[to] = a.ID
	}
	return a
}

func (t *Tracker) loading(f Frame) {
	if f.ID != "" && f.SessionID != "" {
		t.answer(t.session(f.SessionID), f)
	}
}

func (t *Tracker) piece(f Frame) {
	if f.ID == "" || f.SessionID == "" || !f.live() {
		t.breach(f.SessionID, BadFrame, "piece without id, session or streaming")
		return
	}
	s := t.session(f.SessionID)
	a := t.answer(s, f)
	applied, bad := a.piece(f, t.now)
	if bad != nil {
		t.breach(s.ID, bad.class, bad.detail)
	}
	if !applied && bad == nil {
		s.PiecesRepeated++
	}
	if s.Held {
		t.breach(s.ID, PieceAfterTakeover, fmt.Sprintf("answer %s, index %s", f.ID, f.Metadata["index"]))
	}
}

// ack handles the ack of a frame or of its repeat.
func (t *Tracker) ack(f Frame) {
	if f.SessionID == "" || f.Seq < 1 || f.ID == "" {
		t.breach(f.SessionID, BadFrame, fmt.Sprintf("ack of %q with session %q and seq %d", f.ID, f.SessionID, f.Seq))
		return
	}
	if err := f.checkTime(); err != nil {
		t.breach(f.SessionID, BadFrame, err.Error())
	}
	s := t.session(f.SessionID)
	r := s.Sent[f.ID]
	if r == nil && t.nameless[f.ID] != nil {
		r = t.nameless[f.ID]
		s.Sent[f.ID] = r
		delete(t.nameless, f.ID)
		t.current = s.ID
	}
	if r == nil {
		t.breach(s.ID, AckUnknown, fmt.Sprintf("%s at %d", f.ID, f.Seq))
		return
	}
	if r.Seq != 0 && r.Seq != f.Seq {
		t.breach(s.ID, AckChanged, fmt.Sprintf("%s at %d and at %d", f.ID, r.Seq, f.Seq))
	}
	if r.Seq == 0 {
		r.Seq, r.AckAt, r.AckConn, r.Code = f.Seq, t.now, t.conn, ""
	}
	r.Acks++
	l := s.attached()
	if f.Metadata["duplicate"] == "true" {
		if f.Seq > l.sent {
			t.breach(s.ID, AckEarly, fmt.Sprintf("repeated ack of %s at %d, sent up to %d", f.ID, f.Seq, l.sent))
		}
		return
	}
	v, hole := l.event(f.Seq)
	if v == afterHole {
		t.breach(s.ID, AckEarly, fmt.Sprintf("%s at %d, %d before it not sent", f.ID, f.Seq, hole))
	}
	t.apply(s, v, Event{
		At: t.now, Conn: t.conn, Seq: f.Seq, Via: ViaAck, Type: r.Frame.Type, ID: f.ID, Text: r.Frame.Content,
	}, Frame{})
}

// resumed handles the end of a resume.
func (t *Tracker) resumed(f Frame) {
	if f.SessionID == "" {
		t.breach("", BadFrame, "resumed without session")
		return
	}
	s := t.session(f.SessionID)
	l := s.attached()
	fromHead := len(l.asked) == 0 || l.asked[0].fromHead
	from, to, wrong, detail := l.resumed(f.Seq, f.Metadata["recovered"] == "true")
	t.current = s.ID
	s.Resumes++
	if wrong != "" {
		t.breach(s.ID, wrong, detail)
		return
	}
	if from <= to {
		s.Gaps = append(s.Gaps, Range{from, to})
		s.excuse(to)
	}
	if fromHead && len(s.Events) == 0 {
		s.Base = f.Seq
		s.excuse(f.Seq)
	} else if fromHead && f.Seq > s.LastSeq {
		s.Gaps = append(s.Gaps, Range{s.LastSeq + 1, f.Seq})
		s.excuse(f.Seq)
	}
}
