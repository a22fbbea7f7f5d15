package live

import (
	"context"
	"errors"

	"chatbox"
	"chatbox/app/answer"
	"chatbox/app/sessionlog"
	"chatbox/cluster"
)

// catchUp delivers the events of a session that this pod's sockets have
// missed. It reads once; after a failure, or if more events are missed
// meanwhile, the queue calls it again.
func (s *Service) catchUp(ctx context.Context, k chatbox.SessionKey) error {
	if k == allSessions {
		return s.checkPositions(ctx)
	}
	after, mine := s.deps.Feed.BeginCatchUp(k)
	if !mine {
		return nil
	}
	err := s.readMissed(ctx, k, after)
	again := s.deps.Feed.EndCatchUp(k)
	switch {
	case err != nil:
		s.deps.Logger.DebugContext(ctx, "catch-up failed", "session", k.ID, "error", err)
	case again:
		s.behind.Add(k)
	}
	return err
}

func (s *Service) readMissed(ctx context.Context, k chatbox.SessionKey, after int64) error {
	ctx, cancel := s.log.Bound(ctx)
	defer cancel()
	tail, err := s.log.Tail(ctx, k, after)
	if errors.Is(err, sessionlog.ErrErased) && tail.State.Erased {
		// The session was erased: its earlier events are gone.
		end := chatbox.Erasure(k, tail.Owner, tail.State.Head, tail.State.EndedAt)
		s.deps.Feed.CatchUp(k, []chatbox.Event{end}, nil)
		return nil
	}
	if err != nil {
		return err
	}
	if tail.State.Head < after {
		return s.log.Heal(ctx, k) // Redis has fallen behind the delivered events
	}
	events, err := s.missing(ctx, k, after, tail)
	if err != nil {
		return err
	}
	s.deps.Observer.CaughtUp(len(events))
	s.deps.Feed.CatchUp(k, events, tail.Open)
	s.reap(k)
	return s.sendFailure(ctx, k, tail)
}

// sendFailure delivers the failure of an answer that left no event in the log,
// if the failure's message on the bus was lost. The turn records the failure.
func (s *Service) sendFailure(ctx context.Context, k chatbox.SessionKey, tail cluster.Tail) error {
	g := s.deps.Feed.Answering(k)
	if g == (chatbox.Gen{}) || tail.Open != nil && tail.Open.Gen == g || g.Seq > tail.State.Head {
		return nil
	}
	m, err := s.log.Message(ctx, k, g.Seq)
	if err != nil {
		return err
	}
	t := m.Turn
	if t == nil || t.Run < g.Run || t.Run == g.Run && t.State != chatbox.TurnFailed {
		return nil
	}
	s.deps.Feed.Deliver(cluster.Update{
		Session: k, Owner: tail.Owner, Head: tail.State.Head,
		Failure: answer.FailureOf(k, g, m.ID),
	})
	return nil
}

// checkPositions compares the delivered positions of sessions with their
// heads. If the last message is lost, no later message reveals the gap.
func (s *Service) checkPositions(ctx context.Context) error {
	const batch = 500
	all := s.deps.Feed.Positions()
	for len(all) > 0 && ctx.Err() == nil {
		part := all[:min(batch, len(all))]
		all = all[len(part):]
		keys := make([]chatbox.SessionKey, len(part))
		for i, p := range part {
			keys[i] = p.Session
		}
		cctx, cancel := s.log.Bound(ctx)
		heads, err := s.deps.Heads.Heads(cctx, keys)
		cancel()
		if err != nil {
			s.deps.Logger.DebugContext(ctx, "positions not checked", "error", err)
			return err
		}
		for i, p := range part {
			s.checkPosition(ctx, p, heads[i])
		}
	}
	return nil
}

func (s *Service) checkPosition(ctx context.Context, p cluster.Position, head int64) {
	for _, admin := range p.Watchers {
		if err := s.deps.Watchers.Watch(ctx, p.Session, admin); err != nil {
			s.deps.Logger.DebugContext(ctx, "watch not renewed", "error", err)
		}
	}
	if len(p.Watchers) > 0 {
		s.sendWatched(ctx, p.Session, true) // for sockets that missed the notice
	} else if p.Noticed {
		s.checkWatched(ctx, p.Session) // a watcher that crashed did not end its watching
	}
	switch {
	case head > p.Seq, head == p.Seq && p.Answering != (chatbox.Gen{}):
		s.behind.Add(p.Session) // also if the answer's last piece, or its failure, was lost
	case p.Seq == 0 && head < 0 && p.UserID != "":
		// A free id that a socket on this pod uses stays reserved for its
		// user.
		if _, err := s.deps.Registry.Reserve(ctx, p.Session, p.UserID); err != nil {
			s.deps.Logger.DebugContext(ctx, "reservation not renewed", "error", err)
		}
	case head < p.Seq:
		s.log.HealLater(p.Session)
	}
}
