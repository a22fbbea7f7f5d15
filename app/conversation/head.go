package conversation

import (
	"context"
	"errors"
	"time"

	"chatbox"
	"chatbox/internal/sleep"
)

// headPage is how many events one step towards the head reads.
const headPage = 64

// atHead is a place beyond every event: a read from there brings only the head.
const atHead = int64(1) << 60

// truth loads a session and folds what its document does not have yet: the
// state as of the real head, read from the history alone.
func (s *Service) truth(ctx context.Context, k chatbox.SessionKey) (chatbox.Session, error) {
	sess, err := s.Catalog.Load(ctx, k)
	if err != nil || sess.State.Erased {
		return sess, err
	}
	return s.foldRest(ctx, sess)
}

// Mend has the session's record say what its log says, where a crash, or a
// history that was away for a moment, has kept it behind.
func (s *Service) Mend(ctx context.Context, k chatbox.SessionKey) error {
	sess, err := s.Catalog.Load(ctx, k)
	if err != nil || sess.State.Erased {
		return err
	}
	stored := sess.State.Head
	if sess, err = s.foldRest(ctx, sess); err != nil || sess.State.Head == stored {
		return err
	}
	return s.Catalog.Touch(ctx, k, sess.State)
}

// mendQuietly mends for what could not store a fold.
func (s *Service) mendQuietly(ctx context.Context, k chatbox.SessionKey) error {
	turn, cancel := context.WithTimeout(ctx, s.cfg.AckWait)
	defer cancel()
	err := s.Mend(turn, k)
	if errors.Is(err, chatbox.NotFound) {
		return nil
	}
	if err != nil {
		s.Logger.DebugContext(ctx, "record not mended", "session", k.ID, "error", err)
	}
	return err
}

func (s *Service) foldRest(ctx context.Context, sess chatbox.Session) (chatbox.Session, error) {
	for {
		events, err := s.Messages.Range(ctx, sess.Key, sess.State.Head+1, sess.State.Head+headPage)
		if err != nil {
			return sess, err
		}
		for _, e := range events {
			sess.State = sess.State.Apply(e)
		}
		if len(events) < headPage {
			return sess, nil
		}
	}
}

// healMax is how many missing events are published one by one; beyond it the
// head is set and pods re-read.
const healMax = 200

// heal publishes what the history has and Redis lacks, in order. It is
// idempotent: two healers do no harm.
func (s *Service) heal(ctx context.Context, k chatbox.SessionKey) error {
	tail, err := s.Log.Read(ctx, k, atHead)
	if err != nil {
		return err
	}
	if !tail.Seeded {
		_, err := s.seed(ctx, k)
		return err
	}
	st, read, healed, unread := tail.State, 0, 0, false
	for !unread {
		events, err := s.Messages.Range(ctx, k, st.Head+1, st.Head+headPage)
		if err != nil {
			return err
		}
		for _, e := range events {
			// Perhaps only this pod lacks the key: the copy must not say for all that
			// the event cannot be read. The head is set, and pods read for themselves.
			if unread = e.Unreadable; unread {
				break
			}
			st = st.Apply(e)
			shown, err := s.show(ctx, chatbox.Publication{Event: e, State: st}, false)
			if err != nil {
				return err
			}
			if read++; shown {
				healed++
			}
		}
		if len(events) < headPage || read >= healMax {
			break
		}
	}
	if healed > 0 {
		s.Observer.Healed(healed)
		s.due.Add(k)
		s.stale.Add(k) // who died before publishing had not stored the fold either
	}
	if read >= healMax || unread {
		_, err := s.seed(ctx, k)
		return err
	}
	return nil
}

// healQuietly heals for a sweeper.
func (s *Service) healQuietly(ctx context.Context, k chatbox.SessionKey) error {
	turn, cancel := context.WithTimeout(ctx, s.cfg.AckWait)
	defer cancel()
	err := s.heal(turn, k)
	if errors.Is(err, chatbox.NotFound) {
		err = s.settleErased(turn, k)
	}
	if err != nil {
		s.Logger.DebugContext(ctx, "heal failed", "session", k.ID, "error", err)
	}
	return err
}

// patiently repeats f, which must be safe to repeat, while Redis or the
// history are away and ctx lasts.
func patiently(ctx context.Context, f func() error) error {
	for pause := 20 * time.Millisecond; ; pause = min(2*pause, 500*time.Millisecond) {
		err := f()
		if err == nil || !passing(err) || ctx.Err() != nil {
			return err
		}
		if !sleep.About(ctx, pause) {
			return err
		}
	}
}

// passing reports whether an error is one that goes by.
func passing(err error) bool {
	return errors.Is(err, chatbox.Unavailable) || errors.Is(err, chatbox.StoreFailed)
}
