package answer

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"chatbox"
	"chatbox/cluster"
	"chatbox/internal/sleep"
)

// pendingPage is the number of pending turns that one read of the history
// returns.
const pendingPage = 500

// sweep finds turns left behind by crashes and outages until ctx ends: due
// turns and overdue appends in Redis, and pending turns in the history.
func (s *Service) sweep(ctx context.Context) {
	var wg sync.WaitGroup
	wg.Go(func() { sleep.Every(ctx, s.cfg.SweepEvery, s.sweepDue) })
	wg.Go(func() {
		sleep.Every(ctx, s.cfg.PendingEvery, func(ctx context.Context) { s.sweepPending(ctx, 10*time.Second) })
	})
	wg.Go(func() { s.sweepForgotten(ctx) })
	if s.deps.Lives != nil {
		wg.Go(func() { sleep.Every(ctx, s.cfg.SweepEvery/looksPerSweep, s.takeOrphans) })
	}
	wg.Wait()
}

// looksPerSweep is the number of looks for dead pods per sweep of due turns. A look
// costs one command, however many sessions there are.
const looksPerSweep = 3

// takeOrphans takes over the answers of pods that have died.
func (s *Service) takeOrphans(ctx context.Context) {
	ctx, cancel := s.log.Bound(ctx)
	defer cancel()
	orphans, err := s.deps.Lives.Orphans(ctx)
	if err != nil {
		s.deps.Logger.DebugContext(ctx, "dead pods not looked for", "error", err)
	}
	for _, k := range orphans {
		s.deps.Logger.InfoContext(ctx, "answer of a dead pod taken over", "session", k.ID)
		s.due.Add(k)
	}
}

func (s *Service) sweepDue(ctx context.Context) {
	turns, heal, err := s.deps.Schedule.Due(ctx)
	if err != nil {
		s.deps.Logger.DebugContext(ctx, "due turns not read", "error", err)
		return
	}
	for _, k := range heal {
		s.log.HealLater(k)
		s.log.SyncRecordLater(k) // the pod that healed it may have died before it stored the state
	}
	for _, k := range turns {
		s.due.Add(k)
	}
}

// sweepForgotten looks for pending turns soon after Redis came back, until ctx
// ends: users who asked just before the outage are waiting. The delay lets
// pods reclaim their own turns first.
func (s *Service) sweepForgotten(ctx context.Context) {
	const grace = 5 * time.Second
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.forgotten:
		}
		if sleep.For(ctx, grace+rand.N(grace/5)) { //nolint:gosec // jitter needs no secrecy
			s.sweepPending(ctx, grace)
		}
	}
}

// sweepPending enters the turns that Redis has lost. Turns younger than age
// are skipped: the pod that answers such a turn reclaims it first. A turn
// dated in the future comes from a pod whose clock is ahead; its age is
// unknown, so it is entered at once.
//
// Redis is asked once per page of turns. It is not asked about sessions that a
// person holds: messages that an older version stored for the person are pending
// while the person holds the session.
func (s *Service) sweepPending(ctx context.Context, age time.Duration) {
	now := s.log.Now()
	held, err := s.held(ctx)
	if err != nil {
		s.deps.Logger.DebugContext(ctx, "held sessions not read", "error", err)
		return
	}
	s.sweepSpan(ctx, held, time.Time{}, now.Add(-age))
	s.sweepSpan(ctx, held, now.Add(futureSkew), now.Add(futureMost))
}

const (
	futureSkew = 5 * time.Second           // turns dated further ahead come from a pod whose clock is ahead
	futureMost = 10 * 365 * 24 * time.Hour // no clock is further ahead
)

// sweepSpan enters the pending turns of messages with from ≤ time < before, except
// turns of held sessions.
func (s *Service) sweepSpan(ctx context.Context, held map[chatbox.SessionKey]bool, from, before time.Time) {
	for limit := pendingPage; ctx.Err() == nil; {
		page, cancel := s.log.Bound(ctx)
		pending, err := s.deps.Turns.PendingTurns(page, from, before, limit)
		cancel()
		if err != nil {
			s.deps.Logger.DebugContext(ctx, "pending turns not read", "error", err)
			return
		}
		free := slices.DeleteFunc(slices.Clone(pending), func(p chatbox.PendingTurn) bool { return held[p.Session] })
		for part := range slices.Chunk(free, pendingPage) {
			s.reviveAll(ctx, part)
		}
		if len(pending) < limit {
			return
		}
		// The next page begins with the time of the last turn, as more turns
		// may have that time. If all turns of a page have the same time, a
		// longer page is needed to get beyond it.
		last := pending[len(pending)-1].Since
		if last.Equal(from) {
			limit *= 2
		} else {
			limit = pendingPage
		}
		from = last
	}
}

// held returns the sessions that people hold according to their records. If a
// record is behind, Redis is asked about the session and knows better.
func (s *Service) held(ctx context.Context) (map[chatbox.SessionKey]bool, error) {
	ctx, cancel := s.log.Bound(ctx)
	defer cancel()
	holdings, err := s.deps.Holdings.Held(ctx)
	held := make(map[chatbox.SessionKey]bool, len(holdings))
	for _, h := range holdings {
		held[h.Session] = true
	}
	return held, err
}

// reviveAll enters the turns that Redis has lost and settles the void ones.
// The next sweep repeats a failed call.
func (s *Service) reviveAll(ctx context.Context, pending []chatbox.PendingTurn) {
	ctx, cancel := s.log.Bound(ctx)
	defer cancel()
	fates, err := s.deps.Schedule.Revive(ctx, pending)
	if err != nil {
		s.deps.Logger.DebugContext(ctx, "pending turns not revived", "error", err)
		return
	}
	for i, p := range pending {
		switch fates[i] {
		case cluster.TurnEntered:
			s.due.Add(p.Session)
		case cluster.TurnVoid:
			if err := s.deps.Turns.SettleTurn(ctx, p.Session, p.Gen, chatbox.TurnDone); err != nil {
				s.deps.Logger.DebugContext(ctx, "void turn not settled", "session", p.Session.ID, "error", err)
				return
			}
		case cluster.TurnAhead, cluster.TurnForgotten:
			s.log.HealLater(p.Session) // seeding or publishing enters the turn
		default: // the turn is there, or the hand-back of its holder decides
		}
	}
}
