package conversation

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"chatbox"
	"chatbox/internal/sleep"
)

// pendingPage is how many pending turns one look at the history brings.
const pendingPage = 200

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
// age are left alone: a worker that lives takes its own turn back first.
func (s *Service) sweepPending(ctx context.Context, age time.Duration) {
	before, from := now().Add(-age), time.Time{}
	for limit := pendingPage; ctx.Err() == nil; {
		page, cancel := context.WithTimeout(ctx, s.cfg.AckWait)
		pending, err := s.Turns.PendingTurns(page, from, before, limit)
		cancel()
		if err != nil {
			s.Logger.DebugContext(ctx, "pending turns not read", "error", err)
			return
		}
		s.reviveAll(ctx, pending)
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

// reviveAll revives what it can; what fails is found by the next sweep.
func (s *Service) reviveAll(ctx context.Context, pending []chatbox.PendingTurn) {
	for _, p := range pending {
		rctx, cancel := context.WithTimeout(ctx, s.cfg.AckWait)
		err := s.revive(rctx, p)
		cancel()
		if err != nil {
			s.Logger.DebugContext(ctx, "pending turn not revived", "session", p.Session.ID, "error", err)
		}
	}
}

// revive settles a pending turn that has nothing more to answer and enters the
// others.
func (s *Service) revive(ctx context.Context, p chatbox.PendingTurn) error {
	tail, err := s.tail(ctx, p.Session, atHead)
	if err != nil {
		if errors.Is(err, chatbox.NotFound) { // erased
			return s.Turns.SettleTurn(ctx, p.Session, p.Gen, chatbox.TurnDone)
		}
		return err
	}
	if tail.State.HolderID != "" {
		return nil // what becomes of it is decided by how the person leaves
	}
	if !tail.Seeded || tail.State.Ended || p.At < tail.State.AnswerableFrom {
		return s.Turns.SettleTurn(ctx, p.Session, p.Gen, chatbox.TurnDone)
	}
	if tail.State.Head < p.Gen.Seq {
		return s.heal(ctx, p.Session) // publishing enters the turn
	}
	if err := s.Schedule.Enqueue(ctx, p.Session, p.Gen, p.At); err != nil {
		return err
	}
	s.due.Add(p.Session)
	return nil
}
