package answer

import (
	"context"
	"slices"

	"chatbox"
)

// Page sizes of a prompt's reads, in events: after the message, and backwards
// from it.
const (
	laterPage  = 100
	promptPage = 20
)

// historyWindow bounds the events before the message that a prompt reads. It
// is enough to fill the budget in an ordinary session, and bounds the cost of
// an answer in a session with thousands of events that do not belong in a
// prompt.
func historyWindow(budget int) int64 {
	const least, tokensPerEvent = 400, 64
	return max(least, int64(budget)/tokensPerEvent)
}

// promptFor reads the events for the prompt and builds it: after the message, the
// answers to earlier questions and the transcripts of recordings; before it, as much
// as the budget allows.
// head is the seq to read up to, and budget is the requested model's, in tokens.
func (s *Service) promptFor(ctx context.Context, head int64, m chatbox.Event, budget int) ([]line, error) {
	// Usually there is nothing after the message, so one read also brings the
	// first page before it.
	from := max(1, m.Seq-promptPage)
	var log []chatbox.Event
	for at, to := from, min(head, m.Seq+laterPage); at <= to; at, to = to+1, min(head, to+laterPage) {
		part, err := s.deps.Messages.Range(ctx, m.Session, at, to)
		if err != nil {
			return nil, err
		}
		// Any number of questions may follow the message. They are not part of
		// the prompt and are dropped.
		log = append(log, slices.DeleteFunc(part, func(e chatbox.Event) bool { return e.Seq > m.Seq && !belongsBefore(e, m.Seq) })...)
	}
	return s.promptBack(ctx, log, from, m, budget)
}

// belongsBefore reports whether the event answers a question before seq, or is the
// transcript of a recording up to seq.
func belongsBefore(e chatbox.Event, seq int64) bool {
	if of, ok := e.Transcribes(); ok {
		return of <= seq
	}
	return e.Type == chatbox.TypeAnswer && e.Answer != nil && e.Answer.Gen.Seq < seq
}

// promptBack builds the prompt from the log, which begins at the seq from. It
// reads backwards until the budget is used up.
func (s *Service) promptBack(ctx context.Context, log []chatbox.Event, from int64, m chatbox.Event, budget int) ([]line, error) {
	end := max(1, m.Seq-historyWindow(budget))
	for page := int64(promptPage); ; {
		prompt, full := buildPrompt(s.cfg.SystemPrompt, log, m, budget)
		room := budget - chatbox.TokensOf(messages(prompt)...)
		if full || from <= end || room <= 0 && beginsTurn(prompt) {
			return prompt, nil
		}
		page = nextPage(page, m.Seq-from, budget, room)
		begin := max(end, from-page)
		part, err := s.deps.Messages.Range(ctx, m.Session, begin, from-1)
		if err != nil {
			return nil, err
		}
		log, from = append(part, log...), begin
	}
}

// beginsTurn reports whether the first message behind the system's is a
// user's. If not, the log that was read begins within a turn whose question
// is not read yet, and the turn with its question may exceed the budget.
func beginsTurn(prompt []line) bool {
	i := slices.IndexFunc(prompt, func(l line) bool { return l.Role != chatbox.RoleSystem })
	return i >= 0 && prompt[i].Role == chatbox.RoleUser
}

// nextPage returns the number of events to read next: the estimated number
// that fills the budget, and a few more. Older messages may be much longer, so
// it is at most twice the previous page.
func nextPage(page, read int64, budget, room int) int64 {
	fits := read * int64(room) / int64(max(budget-room, 1))
	return min(fits+promptPage/2, 2*page)
}
