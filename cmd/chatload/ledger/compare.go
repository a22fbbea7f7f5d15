package ledger

import (
	"strings"

	"chatbox/cmd/chatload/client"
)

// Input is all data of one session.
type Input struct {
	SessionID string
	Devices   []Device
	History   []client.Message // as read by REST, oldest first
	// Expected, if set, returns the whole answer to a user message.
	Expected func(userMessage string) string
	// Complete means that every device stayed until the end and had time to
	// receive everything.
	Complete bool
}

// session is an Input with indexes.
type session struct {
	Input

	report  *Report
	bySeq   map[int64]client.Message
	ids     map[string]bool
	acked   map[string]bool
	replyTo map[string]string // answer id → id of the message it answers, from history or devices
	finish  map[string]string // answer id → how it ended, from history or devices
}

// Compare judges one session.
func Compare(in Input) Report {
	r := Report{Sessions: 1, Devices: len(in.Devices), Events: len(in.History)}
	s := session{
		Input: in, report: &r, bySeq: map[int64]client.Message{}, ids: map[string]bool{}, acked: map[string]bool{},
		replyTo: map[string]string{}, finish: map[string]string{},
	}
	s.index()
	s.history()
	s.takeovers()
	for i := range in.Devices {
		s.device(&in.Devices[i])
	}
	s.answers()
	return r
}

func (s *session) add(c Class, format string, args ...any) {
	s.report.Add(c, "session %s: "+format, append([]any{s.SessionID}, args...)...)
}

func (s *session) index() {
	for _, m := range s.History {
		s.bySeq[m.Seq] = m
		s.ids[m.ID] = true
		if m.Type == client.TypeAIResponse {
			s.answer(m.ID, m.Metadata["reply_to"], m.Metadata["finish"])
		}
	}
	for _, d := range s.Devices {
		for _, e := range d.Events {
			if e.Type == client.TypeAIResponse {
				s.answer(e.ID, e.ReplyTo, e.Finish)
			}
		}
	}
}

// answer records facts about an answer. The first value is kept.
func (s *session) answer(id, replyTo, finish string) {
	if s.replyTo[id] == "" {
		s.replyTo[id] = replyTo
	}
	if s.finish[id] == "" {
		s.finish[id] = finish
	}
}

// history checks the stored order: no gaps from 1, no repeats.
func (s *session) history() {
	type key struct{ sender, admin, id string }
	seen := map[key]int64{}
	var last int64
	for _, m := range s.History {
		switch {
		case m.Seq == last:
			s.add(Repeated, "seq %d twice in the history", m.Seq)
		case m.Seq < last:
			s.add(OutOfOrder, "history has %d after %d", m.Seq, last)
		case m.Seq > last+1:
			s.add(Hole, "history has %d after %d", m.Seq, last)
		}
		last = max(last, m.Seq)
		k := key{m.Sender, m.Metadata["admin_id"], m.ID}
		if m.ID == "" {
			continue
		}
		if first, ok := seen[k]; ok {
			s.add(Repeated, "%s %s stored at %d and at %d", m.Type, m.ID, first, m.Seq)
		}
		seen[k] = m.Seq
	}
}

// takeovers finds events from the model while an admin held the session.
func (s *session) takeovers() {
	held := false
	for _, m := range s.History {
		switch m.Type {
		case client.TypeAdminJoin:
			held = true
		case client.TypeAdminLeave:
			held = false
		case client.TypeAIResponse:
			if held {
				s.add(AfterTakeover, "history has %s at %d while held", m.ID, m.Seq)
			}
		}
	}
}

// device compares one device with the history.
func (s *session) device(d *Device) {
	s.findings(d)
	for _, r := range d.Receipts {
		s.receipt(d, r)
	}
	for _, e := range d.Events {
		s.event(d, e)
	}
	s.coverage(d)
}

// findings adds the violations that the device found itself. Only the first are
// described.
func (s *session) findings(d *Device) {
	described := map[client.Class]int{}
	for _, v := range d.Violations {
		s.add(classOf(v.Class), "%s: %v", d.Name, v)
		described[v.Class]++
	}
	for class, n := range d.Counts {
		for range n - described[class] {
			s.add(classOf(class), "%s: %s", d.Name, class)
		}
	}
	s.report.Merge(Report{Throttled: d.Throttled, ErrorCodes: d.Errors})
}

// receipt checks that an acked message is in the history, at the seq of the ack
// and with the text that was sent.
func (s *session) receipt(d *Device, r client.Receipt) {
	if r.Seq == 0 {
		return
	}
	if !s.acked[r.Frame.ID] {
		s.acked[r.Frame.ID] = true
		s.report.Messages++
	}
	m, ok := s.bySeq[r.Seq]
	switch {
	case !ok || m.ID != r.Frame.ID && !s.ids[r.Frame.ID]:
		s.add(Lost, "%s: acked %s at %d is not in the history", d.Name, r.Frame.ID, r.Seq)
	case m.ID != r.Frame.ID:
		s.add(OutOfOrder, "%s: acked %s at %d, where the history has %s", d.Name, r.Frame.ID, r.Seq, m.ID)
	case r.Frame.Type == client.TypeUserMessage && m.Content != r.Frame.Content:
		s.add(WrongText, "%s: %s stored as %s, sent %s", d.Name, r.Frame.ID, brief(m.Content), brief(r.Frame.Content))
	}
}

// event compares one event as shown with the history.
func (s *session) event(d *Device, e client.Event) {
	m, ok := s.bySeq[e.Seq]
	switch {
	case !ok:
		s.add(Lost, "%s: shown %s %s at %d is not in the history", d.Name, e.Type, e.ID, e.Seq)
	case m.Type != e.Type || e.ID != "" && m.ID != e.ID:
		s.add(OutOfOrder, "%s: at %d shown %s %s, stored %s %s", d.Name, e.Seq, e.Type, e.ID, m.Type, m.ID)
	case textual(e.Type) && m.Content != e.Text:
		s.add(WrongText, "%s: %s at %d shown as %s, stored as %s", d.Name, e.ID, e.Seq, brief(e.Text), brief(m.Content))
	}
}

func textual(kind string) bool {
	return kind == client.TypeUserMessage || kind == client.TypeAIResponse
}

// coverage finds events that the other devices or the history have and this
// device never received. Holes that the device itself saw are counted already.
func (s *session) coverage(d *Device) {
	has := map[int64]bool{}
	for _, e := range d.Events {
		has[e.Seq] = true
	}
	for _, m := range s.History {
		if has[m.Seq] || d.excused(m.Seq) || !s.Complete && m.Seq > d.LastSeq {
			continue
		}
		if d.Counts[client.SeqHole]+d.Counts[client.AckEarly] > 0 && m.Seq <= lastOf(d) {
			continue
		}
		s.add(Hole, "%s never got %d %s %s", d.Name, m.Seq, m.Type, m.ID)
	}
}

func lastOf(d *Device) int64 {
	if n := len(d.Events); n > 0 {
		return d.Events[n-1].Seq
	}
	return 0
}

// brief returns the beginning of a text and its length.
func brief(text string) string {
	const n = 40
	runes := []rune(text)
	if len(runes) <= n {
		return "«" + text + "»"
	}
	var b strings.Builder
	b.WriteString("«")
	b.WriteString(string(runes[:n]))
	b.WriteString("»… (")
	b.WriteString(itoa(len(runes)))
	b.WriteString(")")
	return b.String()
}
