package answer

import (
	"context"
	"slices"

	"chatbox"
)

// What a prompt reads at once, in events: behind the message, and back from it.
const (
	laterPage  = 100
	promptPage = 20
)

// historyWindow is how many events before the message a prompt reads at the
// most: enough to fill the budget in an ordinary talk. It bounds the cost of an
// answer in a session of thousands of events that are no part of a prompt.
func historyWindow(budget int) int64 {
	const least, tokensPerEvent = 400, 64
	return max(least, int64(budget)/tokensPerEvent)
}

// promptFor reads what the prompt is built from: behind the message the
// answers to earlier questions, and before it as much as the budget takes.
// budget is in tokens, that of the model which is asked.
func (s *Service) promptFor(ctx context.Context, st chatbox.State, m chatbox.Event, budget int) ([]chatbox.PromptMessage, error) {
	// Mostly there is nothing behind it, and the first step back is in the same read.
	from := max(1, m.Seq-promptPage)
	var log []chatbox.Event
	for at, to := from, min(st.Head, m.Seq+laterPage); at <= to; at, to = to+1, min(st.Head, to+laterPage) {
		part, err := s.deps.Messages.Range(ctx, m.Session, at, to)
		if err != nil {
			return nil, err
		}
		// Questions may wait behind the message in any number, and are no part
		// of the prompt: they are not kept.
		log = append(log, slices.DeleteFunc(part, func(e chatbox.Event) bool { return e.Seq > m.Seq && !answersBefore(e, m.Seq) })...)
	}
	return s.promptBack(ctx, log, from, m, budget)
}

// answersBefore reports whether the event answers a question before the place.
func answersBefore(e chatbox.Event, seq int64) bool {
	return e.Type == chatbox.TypeAnswer && e.Answer != nil && e.Answer.Gen.Seq < seq
}

// promptBack builds the prompt from the log, which begins at the place from,
// and reads on back until the budget is used up.
func (s *Service) promptBack(ctx context.Context, log []chatbox.Event, from int64, m chatbox.Event, budget int) ([]chatbox.PromptMessage, error) {
	end := max(1, m.Seq-historyWindow(budget))
	for page := int64(promptPage); ; {
		prompt, full := buildPrompt(s.cfg.SystemPrompt, log, m, budget)
		room := budget - chatbox.TokensOf(prompt...)
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

// beginsTurn reports whether the first message behind the system's is a user's. If
// not, the log that was read begins within a turn, whose question is not read yet:
// the turn may not fit the budget with it.
func beginsTurn(prompt []chatbox.PromptMessage) bool {
	i := slices.IndexFunc(prompt, func(m chatbox.PromptMessage) bool { return m.Role != chatbox.RoleSystem })
	return i >= 0 && prompt[i].Role == chatbox.RoleUser
}

// nextPage is how many events to read next: as many as the budget seems to
// take, going by the events read so far, and a few more. Older messages may be
// much longer, so it is at most twice the page before.
func nextPage(page, read int64, budget, room int) int64 {
	fits := read * int64(room) / int64(max(budget-room, 1))
	return min(fits+promptPage/2, 2*page)
}
