package conversation

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"chatbox"
)

// errErased is what an erased session is to everybody, by whatever way they
// come. Its id is never free again.
var errErased = unknownSession()

// How much one step of an erasure removes, how long all steps may take, and
// how many tombstones one look of a sweep brings.
const (
	erasePage = 500
	eraseWait = 2 * time.Minute
	eraseMost = 500
)

// Erase removes the caller's session for good. When it returns nil the id is
// burnt, the session's sockets were told or are about to be, and what was said
// is gone; inserts that were under way are removed by sweeps. One that is
// erased already is chatbox.NotFound, as if unknown, unless its erasing broke
// off before its sockets were told: then it goes on.
//
// The order is what makes it safe to die anywhere: first the tombstone, which
// sweepers of all pods find; then the last event, stored and told; and only
// when the tombstone knows that event's place, the contents.
func (s *Service) Erase(ctx context.Context, a chatbox.Actor, sessionID string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), eraseWait)
	defer cancel()
	if !chatbox.ValidSessionID(sessionID) {
		return errErased
	}
	sess, err := s.Catalog.Load(ctx, a.Session(sessionID))
	if err != nil {
		return err
	}
	if sess.Owner != a.UserID || sess.State.Erased {
		return errErased
	}
	at := s.now()
	if err := s.Tombstones.Bury(ctx, sess.Key, at); err != nil {
		return err
	}
	tell, cancel := context.WithTimeout(ctx, s.cfg.AckWait)
	defer cancel()
	if sess, err = s.sayErased(tell, sess.Key); err != nil {
		return err
	}
	if err := s.removeTraces(ctx, sess); err != nil {
		return err
	}
	return s.Tombstones.Sweep(ctx, sess.Key, at.Add(s.cfg.EraseEvery))
}

// sayErased closes a running answer, stores the session's last event, which
// makes it visible, and has the tombstone know its place. Whatever of this was
// done before is not done again.
func (s *Service) sayErased(ctx context.Context, k chatbox.SessionKey) (chatbox.Session, error) {
	sess, err := s.truth(ctx, k)
	for try := 0; err == nil && !sess.State.Erased; try++ {
		if try == appendTries {
			return sess, chatbox.Errorf(chatbox.Unavailable, "the session is too busy; try again", nil)
		}
		if err = s.appendErasure(ctx, sess); err != nil && !errors.Is(err, errErased) {
			return sess, err
		}
		sess, err = s.truth(ctx, k) // also where Redis forgot what was seeded: then again
	}
	if err != nil {
		return sess, err
	}
	return sess, s.Catalog.Touch(ctx, k, sess.State)
}

func (s *Service) appendErasure(ctx context.Context, sess chatbox.Session) error {
	k := sess.Key
	err := patiently(ctx, func() error { return s.Log.Seed(ctx, chatbox.Seed{Session: k, Owner: sess.Owner, State: sess.State}) })
	if err != nil {
		return err
	}
	_, err = s.appendAlone(ctx, chatbox.FinishCancelled, draft{
		session: k, key: chatbox.ServerKey(chatbox.ReasonErased), // one key: a session is erased once
		decide: func(p place) (chatbox.Event, error) {
			return chatbox.Erasure(k, p.owner, p.state.Head+1, s.now()), nil
		},
	})
	return err
}

// removeTraces removes all that is kept of an erased session but its tombstone
// and its last event, which keeps its place taken: an insert that was under way
// can land below it at most. While Redis is away the history is cleared all the
// same.
func (s *Service) removeTraces(ctx context.Context, sess chatbox.Session) error {
	k, end := sess.Key, sess.State.Head
	if err := s.Shares.Revoke(ctx, k); err != nil {
		return err
	}
	if err := s.Cards.Forget(ctx, k.Tenant, k.ID, chatbox.SessionCards()...); err != nil {
		return err
	}
	hot, cancel := context.WithTimeout(ctx, s.cfg.AckWait)
	defer cancel()
	left := patiently(hot, func() error { return s.Traces.Erase(hot, k, sess.Owner, sess.State) })
	for from := int64(1); from < end; from += erasePage {
		if err := s.Messages.EraseRange(ctx, k, from, min(end, from+erasePage)-1); err != nil {
			return err
		}
	}
	return errors.Join(left, s.Messages.EraseRange(ctx, k, end+1, end+headPage))
}

// sweepErased has erasures go on that broke off, and traces looked for that came
// back, until the inserts that were under way are long over. It needs nothing of
// Redis but to be there. One look brings a page; what is beyond it has the next.
func (s *Service) sweepErased(ctx context.Context) {
	found, err := s.Tombstones.Unswept(ctx, s.now(), eraseMost)
	if err != nil {
		s.Logger.DebugContext(ctx, "tombstones not read", "error", err)
		return
	}
	for _, t := range found {
		s.erased.Add(t)
	}
	if rand.N(20) == 0 { //nolint:gosec // about every five minutes, by no pod in particular
		if err := s.Shares.Expire(ctx, s.now().Add(-s.cfg.EraseFor)); err != nil {
			s.Logger.DebugContext(ctx, "expired shares not removed", "error", err)
		}
	}
}

// sweepQuietly sweeps one tombstone. What could not be swept is put off, so that
// it does not stand in the page's way of others.
func (s *Service) sweepQuietly(ctx context.Context, t chatbox.Tombstone) error {
	err := s.sweepTombstone(ctx, t)
	if err == nil || ctx.Err() != nil {
		return err
	}
	s.Logger.WarnContext(ctx, "traces of an erased session not removed yet", "session", t.Session.ID, "error", err)
	turn, cancel := context.WithTimeout(ctx, s.cfg.AckWait)
	defer cancel()
	if perr := s.Tombstones.Sweep(turn, t.Session, s.now().Add(s.cfg.EraseEvery)); perr != nil {
		s.Logger.DebugContext(ctx, "tombstone not put off", "error", perr)
	}
	return err
}

func (s *Service) sweepTombstone(ctx context.Context, t chatbox.Tombstone) error {
	ctx, cancel := context.WithTimeout(ctx, eraseWait)
	defer cancel()
	tell, stop := context.WithTimeout(ctx, s.cfg.AckWait)
	defer stop()
	last := s.now().Sub(t.At) >= s.cfg.EraseFor
	sess, err := s.sayErased(tell, t.Session)
	if err != nil {
		return err
	}
	if err := s.removeTraces(ctx, sess); err != nil {
		return err
	}
	if !last {
		return s.Tombstones.Sweep(ctx, t.Session, s.now().Add(s.cfg.EraseEvery))
	}
	if err := s.Messages.EraseRange(ctx, t.Session, sess.State.Head, sess.State.Head); err != nil {
		return err
	}
	return s.Tombstones.Sweep(ctx, t.Session, time.Time{})
}
