package conversation

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"chatbox"
)

// pendingOfPage is how many of a session's pending turns one read brings.
const pendingOfPage = 500

// seed refills Redis with what the history says of the session.
func (s *Service) seed(ctx context.Context, k chatbox.SessionKey) (chatbox.Session, error) {
	sess, err := s.truth(ctx, k)
	if err != nil {
		return sess, err
	}
	if sess.Erased {
		return sess, errErased
	}
	return sess, s.refill(ctx, sess)
}

// refill has Redis know the session as of its head: head, fold and pending
// turns come back in one act, so that no message asked since is answered before
// an older one. What happens between the reads and that act is in nobody's way:
// an event beyond the head brings its own turn when it is published, and makes
// void what it makes void.
func (s *Service) refill(ctx context.Context, sess chatbox.Session) error {
	turns, err := s.wanting(ctx, sess)
	if err != nil {
		return err
	}
	err = s.Log.Seed(ctx, chatbox.Seed{Session: sess.Key, Owner: sess.Owner, State: sess.State, Turns: turns})
	if err == nil && len(turns) > 0 {
		s.due.Add(sess.Key)
	}
	return err
}

// wanting is which turns of the session want an answer, in the order in which
// they are to get it.
func (s *Service) wanting(ctx context.Context, sess chatbox.Session) ([]chatbox.PendingTurn, error) {
	st := sess.State
	// What was said to a person who holds the session is answered at most if
	// they vanish, and then how they leave enters it.
	if st.Ended || st.HolderID != "" || st.Head == 0 {
		return nil, nil
	}
	var turns []chatbox.PendingTurn
	for from := int64(1); from <= st.Head; {
		page, err := s.Turns.PendingOf(ctx, sess.Key, from, st.Head, pendingOfPage)
		if err != nil {
			return nil, err
		}
		for _, t := range page {
			over, err := s.answered(ctx, t)
			if err != nil {
				return nil, err
			}
			if !over && t.At >= st.AnswerableFrom {
				turns = append(turns, t)
			}
		}
		if len(page) < pendingOfPage {
			break
		}
		from = page[len(page)-1].Gen.Seq + 1
	}
	slices.SortStableFunc(turns, func(a, b chatbox.PendingTurn) int { return cmp.Compare(a.At, b.At) })
	return turns, nil
}

// answered reports whether a turn that is pending has its final already: whoever
// stored it has not come to settling the turn, and nobody may go on with it.
func (s *Service) answered(ctx context.Context, t chatbox.PendingTurn) (bool, error) {
	if t.Claims == 0 {
		return false, nil
	}
	_, err := s.Messages.ByKey(ctx, t.Session, chatbox.AnswerKey(t.Gen.Seq, t.Gen.Run))
	if errors.Is(err, chatbox.NotFound) {
		return false, nil
	}
	return err == nil, err
}

// enter has a turn that became pending answered. A session that Redis does not
// know, or not as far as the message, is brought back with it.
func (s *Service) enter(ctx context.Context, k chatbox.SessionKey, g chatbox.Gen, at int64) error {
	err := s.Schedule.Enqueue(ctx, k, g, at)
	if errors.Is(err, chatbox.NotFound) {
		err = s.heal(ctx, k)
	}
	if err == nil {
		s.due.Add(k)
	}
	return err
}
