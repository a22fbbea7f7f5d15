package conversation

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"chatbox"
	"chatbox/internal/sleep"
)

// pendingPage is how many pending turns one look at the history brings.
const pendingPage = 500

// sweep finds what crashes and losses left behind, until ctx ends: due turns
// and overdue appends in Redis, pending turns in the history, sockets whose
// last message was lost on the way.
func (s *Service) sweep(ctx context.Context) {
	var wg sync.WaitGroup
	wg.Go(func() { every(ctx, s.cfg.SweepEvery, s.sweepDue) })
	wg.Go(func() {
		every(ctx, s.cfg.PendingEvery, func(ctx context.Context) { s.sweepPending(ctx, 10*time.Second) })
	})
	wg.Go(func() { every(ctx, s.cfg.PendingEvery, s.sweepErased) })
	wg.Go(func() { s.sweepForgotten(ctx) })
	wg.Go(func() { s.sweepHeld(ctx) })
	wg.Go(func() { s.noteReceipts(ctx) })
	wg.Go(func() { every(ctx, s.cfg.PendingEvery, s.sweepPeople) })
	wg.Go(func() { every(ctx, time.Second, func(context.Context) { s.TypingLeases.ExpireTyping(time.Now()) }) })
	wg.Go(func() { every(ctx, s.cfg.CheckEvery, func(context.Context) { s.behind.Add(everything) }) })
	wg.Wait()
}

// every calls f at about the interval, so that pods that started together
// drift apart.
func every(ctx context.Context, d time.Duration, f func(ctx context.Context)) {
	for sleep.For(ctx, d*3/4+rand.N(d/2)) { //nolint:gosec // jitter needs no secrecy
		f(ctx)
	}
}

func (s *Service) sweepDue(ctx context.Context) {
	turns, heal, err := s.Schedule.Due(ctx)
	if err != nil {
		s.Logger.DebugContext(ctx, "sweep failed", "error", err)
		return
	}
	for _, k := range heal {
		s.broken.Add(k)
		s.stale.Add(k) // whoever healed it meanwhile may be dead as well
	}
	for _, k := range turns {
		s.due.Add(k)
	}
}

// sweepForgotten looks for pending turns soon after Redis came back, until ctx
// ends: whoever asked just before it was lost is waiting. It leaves workers
// the time to take back their own first.
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

// sweepPending enters the turns that a lost Redis forgot. Those younger than
// age are left alone: a worker that lives takes its own turn back first. A turn
// dated in the future comes from a pod whose clock is ahead, so its age is unknown
// and it is entered at once.
// Redis is asked once for a page of turns, and of sessions that a person holds
// not at all: what is said to a person stays pending for as long as they hold it.
func (s *Service) sweepPending(ctx context.Context, age time.Duration) {
	now := s.now()
	held, err := s.held(ctx)
	if err != nil {
		s.Logger.DebugContext(ctx, "held sessions not read", "error", err)
		return
	}
	s.sweepSpan(ctx, held, time.Time{}, now.Add(-age))
	s.sweepSpan(ctx, held, now.Add(futureSkew), now.Add(futureMost))
}

const (
	futureSkew = 5 * time.Second           // of a turn, beyond which a clock is ahead and not a request late
	futureMost = 10 * 365 * 24 * time.Hour // clocks further ahead are not met
)

// sweepSpan revives the pending turns since from and before a moment, except
// those of held sessions.
func (s *Service) sweepSpan(ctx context.Context, held map[chatbox.SessionKey]bool, from, before time.Time) {
	for limit := pendingPage; ctx.Err() == nil; {
		page, cancel := context.WithTimeout(ctx, s.cfg.AckWait)
		pending, err := s.Turns.PendingTurns(page, from, before, limit)
		cancel()
		if err != nil {
			s.Logger.DebugContext(ctx, "pending turns not read", "error", err)
			return
		}
		free := slices.DeleteFunc(slices.Clone(pending), func(p chatbox.PendingTurn) bool { return held[p.Session] })
		for part := range slices.Chunk(free, pendingPage) {
			s.reviveAll(ctx, part)
		}
		if len(pending) < limit {
			return
		}
		// The next page begins with the last one's moment, as more may be of
		// it; where a page has no other, it takes a longer one to get beyond.
		last := pending[len(pending)-1].Since
		if last.Equal(from) {
			limit *= 2
		} else {
			limit = pendingPage
		}
		from = last
	}
}

// held is which sessions people hold, as far as their records say so. One whose
// record is behind is asked for in Redis, which knows.
func (s *Service) held(ctx context.Context) (map[chatbox.SessionKey]bool, error) {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.AckWait)
	defer cancel()
	holdings, err := s.Catalog.Held(ctx)
	held := make(map[chatbox.SessionKey]bool, len(holdings))
	for _, h := range holdings {
		held[h.Session] = true
	}
	return held, err
}

// reviveAll enters the turns of a page that Redis forgot, and settles those that
// have nothing more to answer. What fails is found by the next sweep.
func (s *Service) reviveAll(ctx context.Context, pending []chatbox.PendingTurn) {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.AckWait)
	defer cancel()
	fates, err := s.Schedule.Revive(ctx, pending)
	if err != nil {
		s.Logger.DebugContext(ctx, "pending turns not revived", "error", err)
		return
	}
	for i, p := range pending {
		switch fates[i] {
		case chatbox.TurnEntered:
			s.due.Add(p.Session)
		case chatbox.TurnVoid:
			if err := s.Turns.SettleTurn(ctx, p.Session, p.Gen, chatbox.TurnDone); err != nil {
				s.Logger.DebugContext(ctx, "void turn not settled", "session", p.Session.ID, "error", err)
				return
			}
		case chatbox.TurnAhead, chatbox.TurnForgotten:
			s.broken.Add(p.Session) // being seeded, or published, enters the turn
		default: // there, or how a person leaves decides
		}
	}
}

// settleErased ends the turns of a session that is no more.
func (s *Service) settleErased(ctx context.Context, k chatbox.SessionKey) error {
	turns, err := s.Turns.PendingOf(ctx, k, 1, atHead, pendingOfPage)
	for _, t := range turns {
		if err == nil {
			err = s.Turns.SettleTurn(ctx, k, t.Gen, chatbox.TurnDone)
		}
	}
	return err
}
