package answer

import (
	"context"
	"errors"
	"time"

	"chatbox"
	"chatbox/app/sessionlog"
	"chatbox/cluster"
)

// aloneFor is how long AppendAlone relies on the ban on claims after
// Leases.Revoke. It is well below the five seconds of the ban in Redis.
const aloneFor = 4 * time.Second

// AppendAlone appends an event that must not be concurrent with an answer, such
// as a takeover. It first closes the running answer with why as its finish. No
// answer begins before the event is appended. It returns the errors of
// sessionlog.Log.Append.
func (s *Service) AppendAlone(ctx context.Context, why chatbox.Finish, d sessionlog.Draft) (sessionlog.Appended, error) {
	for {
		began := time.Now()
		if err := s.stop(ctx, d.Session, why); err != nil {
			return sessionlog.Appended{}, err
		}
		left := aloneFor - time.Since(began)
		if left < aloneFor/2 && ctx.Err() == nil {
			continue // closing the answer took most of the ban, so the ban is renewed
		}
		turn, cancel := context.WithTimeout(ctx, left)
		res, err := s.log.Append(turn, d)
		late := turn.Err() != nil
		cancel()
		if err == nil || !late || ctx.Err() != nil {
			return res, err
		}
	}
}

// Cancel stops the session's running answer. Messages that arrived meanwhile are
// answered next. Without a running answer it has no effect.
func (s *Service) Cancel(ctx context.Context, k chatbox.SessionKey) error {
	return sessionlog.RetryTransient(ctx, func() error {
		running, open, err := s.deps.Interrupts.Interrupt(ctx, k)
		if err != nil || running == (chatbox.Gen{}) {
			return err
		}
		if err := s.closeRunning(ctx, k, running, open, chatbox.FinishCancelled); err != nil {
			return err
		}
		if err := s.deps.Interrupts.Allow(ctx, k); err != nil {
			return err
		}
		s.due.Add(k)
		return nil
	})
}

// stop closes the session's running answer, if there is one, and prevents pods
// from claiming a turn for a few seconds.
func (s *Service) stop(ctx context.Context, k chatbox.SessionKey, why chatbox.Finish) error {
	return sessionlog.RetryTransient(ctx, func() error {
		running, open, err := s.deps.Leases.Revoke(ctx, k)
		if err != nil {
			return err
		}
		return s.closeRunning(ctx, k, running, open, why)
	})
}

// closeRunning closes the answer whose lease was revoked, even if it was claimed
// but not announced.
func (s *Service) closeRunning(
	ctx context.Context, k chatbox.SessionKey, running chatbox.Gen, open *cluster.OpenAnswer, why chatbox.Finish,
) error {
	if running == (chatbox.Gen{}) {
		return nil
	}
	if open == nil || open.Gen != running {
		m, err := s.log.Message(ctx, k, running.Seq)
		if err != nil {
			return err
		}
		open = &cluster.OpenAnswer{AnswerID: chatbox.AnswerID(k, running.Seq, running.Run), Gen: running, ReplyTo: m.ID, Index: -1}
		if m.Turn != nil && m.Turn.Run == running.Run {
			// Redis may have lost text of the last claim's attempt that clients received.
			// They ignore a final that stands before it, so the final is of the next attempt.
			open.Attempt = m.Turn.Claims
		}
	}
	return s.closeAnswer(ctx, k, *open, why)
}

// closeAnswer stores the accepted text of a revoked answer as its final event. It
// may run on any pod. If the answering pod has already stored a final event, that
// event stays.
func (s *Service) closeAnswer(ctx context.Context, k chatbox.SessionKey, open cluster.OpenAnswer, why chatbox.Finish) error {
	usage := billOf(open)
	done, err := s.log.Append(ctx, sessionlog.Draft{
		Session: k, Key: chatbox.AnswerKey(open.Gen.Seq, open.Gen.Run),
		Decide: func(b sessionlog.Basis) (chatbox.Event, error) {
			if b.State.HolderID != "" || b.State.Ended { // a concurrent takeover or end has voided the turn
				return chatbox.Event{}, errLost
			}
			w := &chatbox.Answer{Gen: open.Gen, ReplyTo: open.ReplyTo, Attempt: open.Attempt, Index: open.Index, Finish: why}
			w.SetUsage(usage)
			return chatbox.Event{
				ID: open.AnswerID, Type: chatbox.TypeAnswer, Sender: chatbox.SenderAI, Content: open.Text,
				ModelID: open.ModelID, Time: s.log.Now(), Status: why.Status(), Answer: w,
			}, nil
		},
	})
	switch {
	case errors.Is(err, chatbox.NotOwner):
		return nil
	case err != nil:
		return err
	}
	s.deps.Observer.Generation(string(why))
	if !done.Repeat {
		s.deps.Observer.Spent(open.ModelID, usage)
	}
	return s.deps.Turns.SettleTurn(ctx, k, open.Gen, chatbox.TurnDone)
}
