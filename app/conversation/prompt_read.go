package conversation

import (
	"context"

	"chatbox"
)

// What a prompt reads at once: from the message on, then back from it, first
// little and then twice as much each time, and no farther than the window.
const (
	historyPage   = 500
	promptPage    = 50
	historyWindow = 400
)

// promptFor reads what the prompt is built from: behind the message the
// answers to earlier questions, and before it as much as the budget takes.
func (s *Service) promptFor(ctx context.Context, st chatbox.State, m chatbox.Event) ([]chatbox.Line, error) {
	// Mostly there is nothing behind it, and the first step back is in the same read.
	from := max(1, m.Seq-promptPage)
	var log []chatbox.Event
	for at := from; at <= st.Head; at += historyPage {
		part, err := s.Messages.Range(ctx, m.Session, at, min(st.Head, at+historyPage-1))
		if err != nil {
			return nil, err
		}
		log = append(log, part...)
	}
	return s.promptBack(ctx, log, from, m, promptPage)
}

// promptBack builds the prompt from the log, which begins at the place from,
// and reads on back until the budget is used up.
func (s *Service) promptBack(ctx context.Context, log []chatbox.Event, from int64, m chatbox.Event, page int64) ([]chatbox.Line, error) {
	for {
		prompt, full := buildPrompt(s.cfg.SystemPrompt, log, m, s.cfg.PromptTokens)
		begin := max(1, m.Seq-historyWindow, from-page)
		if full || begin >= from {
			return prompt, nil
		}
		part, err := s.Messages.Range(ctx, m.Session, begin, from-1)
		if err != nil {
			return nil, err
		}
		log, from, page = append(part, log...), begin, 2*page
	}
}
