package answer

import (
	"cmp"
	"context"
	"errors"

	"chatbox"
	"chatbox/app/sessionlog"
)

// Retry starts a new answer to the newest user message if its answer failed,
// was cancelled or was taken over. Otherwise, or while an answer is running,
// it returns chatbox.NotFound. st is the session's state.
func (s *Service) Retry(ctx context.Context, k chatbox.SessionKey, st chatbox.State) error {
	none := chatbox.NewError(chatbox.NotFound, "there is no failed answer to try again", nil)
	if st.LastUserSeq == 0 || st.HolderID != "" || st.Ended {
		return none
	}
	var next chatbox.Gen // set by an earlier try whose reply may have been lost
	return sessionlog.RetryTransient(ctx, func() error {
		m, err := s.log.Message(ctx, k, st.LastUserSeq)
		if err != nil {
			return err
		}
		if m.Turn == nil || m.Turn.Run != next.Run {
			again, err := s.retriable(ctx, m, st)
			if err != nil || !again {
				return cmp.Or(err, error(none))
			}
			next = chatbox.Gen{Seq: m.Seq, Run: m.Turn.Run + 1}
			won, err := s.deps.Turns.RetryTurn(ctx, k, chatbox.Gen{Seq: m.Seq, Run: m.Turn.Run}, st.Head)
			if err != nil || !won {
				return cmp.Or(err, error(none))
			}
		}
		return s.log.EnterTurn(ctx, k, next, st.Head)
	})
}

// retriable reports whether the answer of the message's current run failed or
// was cut short. It also accepts a message to a person who disappeared, if the
// automatic leave, by a pod of an older version, did not enter it.
func (s *Service) retriable(ctx context.Context, m chatbox.Event, st chatbox.State) (bool, error) {
	if m.Turn == nil {
		return false, nil
	}
	final, err := s.deps.Messages.ByKey(ctx, m.Session, chatbox.AnswerKey(m.Seq, m.Turn.Run))
	switch {
	case errors.Is(err, chatbox.NotFound):
		left := m.Turn.State == chatbox.TurnHeld && m.Turn.At(m.Seq) >= st.AnswerableFrom
		return m.Turn.State == chatbox.TurnFailed || left, nil
	case err != nil:
		return false, err
	}
	return final.Status != chatbox.StatusComplete, nil
}

// Reopen starts the next run of the last user message's turn. It does nothing if
// the answer is complete, or if the turn is pending and has no final. The caller
// has checked that nobody replied to the message.
func (s *Service) Reopen(ctx context.Context, k chatbox.SessionKey, st chatbox.State) error {
	m, err := s.log.Message(ctx, k, st.LastUserSeq)
	if err != nil || m.Turn == nil {
		return err
	}
	final, err := s.deps.Messages.ByKey(ctx, k, chatbox.AnswerKey(m.Seq, m.Turn.Run))
	switch {
	case errors.Is(err, chatbox.NotFound):
		if m.Turn.State == chatbox.TurnPending {
			return nil
		}
	case err != nil:
		return err
	case final.Status == chatbox.StatusComplete: // answered since st was read
		return nil
	}
	_, err = s.deps.Turns.RetryTurn(ctx, k, chatbox.Gen{Seq: m.Seq, Run: m.Turn.Run}, st.Head)
	return err
}

// Enqueue enters the turn of the message at seq if it is pending.
func (s *Service) Enqueue(ctx context.Context, k chatbox.SessionKey, seq int64) error {
	m, err := s.log.Message(ctx, k, seq)
	if err != nil || m.Turn == nil || m.Turn.State != chatbox.TurnPending {
		return err
	}
	return s.log.EnterTurn(ctx, k, chatbox.Gen{Seq: m.Seq, Run: m.Turn.Run}, m.Turn.At(m.Seq))
}
