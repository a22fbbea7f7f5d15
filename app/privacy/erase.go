package privacy

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"chatbox"
	"chatbox/app/sessionlog"
	"chatbox/helpdesk"
)

const (
	erasePage = 500             // events that one step of an erasure removes
	eraseWait = 2 * time.Minute // the longest that all steps may take
	eraseMost = 500             // tombstones that a sweep reads at once
	beyondEnd = 64              // places after the last event that are cleared: more inserts cannot have been under way
	sayTries  = 8               // tries to store the last event while others are appended
)

// Erase removes the caller's session for good. When it returns nil the id can
// never be used again, the session's sockets were told or are about to be,
// and the contents are gone; inserts that were under way are removed by
// sweeps. An erased session is chatbox.NotFound, as if unknown. If its
// erasure stopped before it notified the sockets, this call continues it.
//
// The order makes it safe for the pod to die at any step: first the tombstone,
// which the sweepers of all pods find; then the last event, stored and published;
// and only when the tombstone has that event's place, the contents.
func (s *Service) Erase(ctx context.Context, a chatbox.Actor, sessionID string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), eraseWait)
	defer cancel()
	if !chatbox.ValidSessionID(sessionID) {
		return sessionlog.ErrErased
	}
	sess, err := s.deps.Sessions.Load(ctx, a.Session(sessionID))
	if err != nil {
		return err
	}
	if sess.Owner != a.UserID || sess.State.Erased {
		return sessionlog.ErrErased
	}
	at := s.log.Now()
	if err := s.deps.Tombstones.Bury(ctx, sess.Key, at); err != nil {
		return err
	}
	tell, cancel := s.log.Bound(ctx)
	defer cancel()
	if sess, err = s.sayErased(tell, sess.Key); err != nil {
		return err
	}
	if err := s.removeTraces(ctx, sess); err != nil {
		return err
	}
	return s.deps.Tombstones.Sweep(ctx, sess.Key, at.Add(s.cfg.EraseEvery))
}

// sayErased closes a running answer, stores and publishes the session's last
// event, and stores that event's place in the tombstone. A step that was done
// before is not done again.
func (s *Service) sayErased(ctx context.Context, k chatbox.SessionKey) (chatbox.Session, error) {
	sess, err := s.load(ctx, k)
	for try := 0; err == nil && !sess.State.Erased; try++ {
		if try == sayTries {
			return sess, sessionlog.TooBusy()
		}
		if err = s.appendErasure(ctx, sess); err != nil && !errors.Is(err, sessionlog.ErrErased) {
			return sess, err
		}
		sess, err = s.load(ctx, k) // where Redis has lost the seed meanwhile, once more
	}
	if err != nil {
		return sess, err
	}
	return sess, s.log.SaveState(ctx, k, sess.State)
}

// load reads a session that is being erased. The place of its last event is found
// by the event's key, so that the erasure ends even if the session's record or
// that event cannot be read. A session without a record has nothing to be told.
func (s *Service) load(ctx context.Context, k chatbox.SessionKey) (chatbox.Session, error) {
	sess, err := s.log.Load(ctx, k)
	gone := errors.Is(err, chatbox.NotFound)
	if err != nil && !gone || sess.State.Erased && !sess.Unreadable {
		return sess, err
	}
	last, err := s.deps.Messages.ByKey(ctx, k, chatbox.ServerKey(chatbox.ReasonErased))
	switch {
	case err == nil:
		sess.Key, sess.State.Head = k, last.Seq-1
		sess.State = sess.State.Apply(chatbox.Erasure(k, sess.Owner, last.Seq, last.Time))
	case errors.Is(err, chatbox.NotFound):
		sess.Key, sess.State.Erased, err = k, sess.State.Erased || gone, nil
	}
	return sess, err
}

func (s *Service) appendErasure(ctx context.Context, sess chatbox.Session) error {
	k := sess.Key
	err := sessionlog.RetryTransient(ctx, func() error { return s.log.SeedState(ctx, sess) })
	if err != nil {
		return err
	}
	_, err = s.deps.Answers.AppendAlone(ctx, chatbox.FinishCancelled, sessionlog.Draft{
		Session: k, Key: chatbox.ServerKey(chatbox.ReasonErased), // one key: a session is erased once
		Decide: func(b sessionlog.Basis) (chatbox.Event, error) {
			return chatbox.Erasure(k, b.Owner, b.State.Head+1, s.log.Now()), nil
		},
	})
	return err
}

// removeTraces removes all data of an erased session but its tombstone and its
// last event. The last event keeps its place taken, so that an insert that was
// under way can only land below it. The history is cleared also while Redis is
// away.
func (s *Service) removeTraces(ctx context.Context, sess chatbox.Session) error {
	k, end := sess.Key, sess.State.Head
	if err := s.deps.Shares.Revoke(ctx, k); err != nil {
		return err
	}
	if err := s.deps.Files.Release(ctx, k); err != nil {
		return err
	}
	if err := s.deps.Cards.Forget(ctx, k.Tenant, k.ID, helpdesk.SessionCards()...); err != nil {
		return err
	}
	hot, cancel := s.log.Bound(ctx)
	defer cancel()
	left := sessionlog.RetryTransient(hot, func() error { return s.deps.Traces.Erase(hot, k, sess.Owner, sess.State) })
	for from := int64(1); from < end; from += erasePage {
		if err := s.deps.Messages.EraseRange(ctx, k, from, min(end, from+erasePage)-1); err != nil {
			return err
		}
	}
	return errors.Join(left, s.deps.Messages.EraseRange(ctx, k, end+1, end+beyondEnd))
}

// sweepErased continues erasures that broke off, and looks for traces that came
// back, until every insert that was under way is long over. One call takes one
// page of tombstones; the next call takes the next page.
func (s *Service) sweepErased(ctx context.Context) {
	found, err := s.deps.Tombstones.Unswept(ctx, s.log.Now(), eraseMost)
	if err != nil {
		s.deps.Logger.DebugContext(ctx, "tombstones not read", "error", err)
		return
	}
	for _, t := range found {
		s.erased.Add(t)
	}
	if rand.N(20) == 0 { //nolint:gosec // about every five minutes, by no pod in particular
		if err := s.deps.Shares.Expire(ctx, s.log.Now().Add(-s.cfg.EraseFor)); err != nil {
			s.deps.Logger.DebugContext(ctx, "expired shares not removed", "error", err)
		}
	}
}

// sweepQueued sweeps one tombstone. A tombstone that fails is rescheduled, so
// that it leaves room in the page for others.
func (s *Service) sweepQueued(ctx context.Context, t chatbox.Tombstone) error {
	err := s.sweepTombstone(ctx, t)
	if err == nil || ctx.Err() != nil {
		return err
	}
	s.tell(ctx, "traces of an erased session not removed yet", err, "session", t.Session.ID)
	turn, cancel := s.log.Bound(ctx)
	defer cancel()
	if perr := s.deps.Tombstones.Sweep(turn, t.Session, s.log.Now().Add(s.cfg.EraseEvery)); perr != nil {
		s.deps.Logger.DebugContext(ctx, "tombstone not put off", "error", perr)
	}
	return err
}

func (s *Service) sweepTombstone(ctx context.Context, t chatbox.Tombstone) error {
	ctx, cancel := context.WithTimeout(ctx, eraseWait)
	defer cancel()
	tell, stop := s.log.Bound(ctx)
	defer stop()
	last := s.log.Now().Sub(t.At) >= s.cfg.EraseFor
	sess, err := s.sayErased(tell, t.Session)
	if err != nil {
		return err
	}
	if err := s.removeTraces(ctx, sess); err != nil {
		return err
	}
	if !last {
		return s.deps.Tombstones.Sweep(ctx, t.Session, s.log.Now().Add(s.cfg.EraseEvery))
	}
	if err := s.deps.Messages.EraseRange(ctx, t.Session, sess.State.Head, sess.State.Head); err != nil {
		return err
	}
	return s.deps.Tombstones.Sweep(ctx, t.Session, time.Time{})
}
