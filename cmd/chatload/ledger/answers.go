package ledger

import (
	"slices"
	"strconv"
	"strings"

	"chatbox/cmd/chatload/client"
)

func itoa(n int) string { return strconv.Itoa(n) }

// answers checks every final against its question, and every question for its one answer.
func (s *session) answers() {
	questions := map[string]client.Message{}
	for _, m := range s.History {
		if (m.Type == client.TypeUserMessage || m.Type == client.TypeVoiceMessage) && m.Sender == "user" {
			questions[m.ID] = m
		}
	}
	finals := map[string][]client.Message{}
	for _, m := range s.History {
		if m.Type != client.TypeAIResponse {
			continue
		}
		s.report.Answers++
		turn := s.replyTo[m.ID]
		finals[turn] = append(finals[turn], m)
		q, ok := questions[turn]
		if !ok {
			if turn != "" {
				s.add(Contract, "answer %s at %d replies to %q, which nobody asked", m.ID, m.Seq, turn)
			}
			continue
		}
		if q.Seq > m.Seq {
			s.add(OutOfOrder, "answer %s at %d stands before its question %s at %d", m.ID, m.Seq, q.ID, q.Seq)
		}
		s.text(q, m)
	}
	for turn, answers := range finals {
		s.oneGood(turn, answers)
	}
	s.inTurn(questions)
	if s.Complete {
		s.unanswered(questions, finals)
	}
}

// oneGood finds a turn that was answered again after a good answer. Only a
// failed, cancelled or taken-over answer may be followed by another.
func (s *session) oneGood(turn string, answers []client.Message) {
	if turn == "" {
		return
	}
	for _, m := range answers[:len(answers)-1] {
		if m.Status == "complete" {
			s.add(SeveralFinals, "message %s: %s at %d is complete, and %s at %d follows",
				turn, m.ID, m.Seq, answers[len(answers)-1].ID, answers[len(answers)-1].Seq)
		}
	}
}

// inTurn finds an answer that came after the answer to a later question. Answers
// must come in the order of their questions, however long those waited. An answer requested again may come at any time.
func (s *session) inTurn(questions map[string]client.Message) {
	first := map[string]string{} // question → the first answer seen
	for _, d := range s.Devices {
		for _, a := range d.Answers {
			first[a.ReplyTo] = a.ID // it has no final; the one with a final is another answer
		}
	}
	var latest client.Message // the latest question answered so far
	for _, m := range s.History {
		q, asked := questions[s.replyTo[m.ID]]
		if m.Type != client.TypeAIResponse || !asked {
			continue
		}
		again := first[q.ID] != "" && first[q.ID] != m.ID
		if first[q.ID] = m.ID; again {
			continue
		}
		if q.Seq < latest.Seq {
			s.add(OutOfOrder, "message %s at %d is answered at %d, behind the answer to %s at %d", q.ID, q.Seq, m.Seq, latest.ID, latest.Seq)
		} else {
			latest = q
		}
	}
}

// text compares a stored answer with the expected one. A complete answer must be
// equal, and one cut short must be its beginning.
func (s *session) text(q, m client.Message) {
	if s.Expected == nil {
		return
	}
	s.report.Verified++
	want := s.Expected(q.Content)
	finish := s.finish[m.ID]
	whole := m.Status == "complete" && finish != "length" && finish != "content_filter"
	if whole && m.Content != want || !strings.HasPrefix(want, m.Content) {
		s.add(WrongText, "answer %s (%s) to %s is %s, expected %s", m.ID, m.Status, q.ID, brief(m.Content), brief(want))
	}
}

// unanswered finds questions with neither answer nor error. It skips questions
// posted while an admin held the session, and those before a later takeover or
// handback.
func (s *session) unanswered(questions map[string]client.Message, finals map[string][]client.Message) {
	failed := map[string]bool{}
	open := map[string]Shown{}
	for _, d := range s.Devices {
		for _, a := range d.Answers {
			failed[a.ReplyTo] = failed[a.ReplyTo] || a.Failed
			if a.Text != "" {
				open[a.ReplyTo] = a
			}
		}
	}
	var answerableFrom int64
	held, ended := false, int64(0)
	for _, m := range s.History {
		switch m.Type {
		case client.TypeAdminJoin:
			held, answerableFrom = true, m.Seq
		case client.TypeAdminLeave:
			held, answerableFrom = false, m.Seq
		case client.TypeSessionEnded:
			ended = m.Seq
		}
	}
	for _, m := range s.History {
		if _, asked := questions[m.ID]; !asked || len(finals[m.ID]) > 0 || held || ended > 0 || m.Seq < answerableFrom {
			continue
		}
		switch a, shown := open[m.ID]; {
		case shown:
			s.add(Unanswered, "answer %s to %s was begun and never ended", a.ID, m.ID)
		case !failed[m.ID]:
			s.add(Unanswered, "message %s at %d", m.ID, m.Seq)
		}
	}
}

// Sorted returns the classes found, in the order of the report.
func (r *Report) Sorted() []Class {
	return slices.DeleteFunc(Classes(), func(c Class) bool { return r.Counts[c] == 0 })
}
