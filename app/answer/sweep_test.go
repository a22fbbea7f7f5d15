package answer

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"time"

	"chatbox"
	"chatbox/app/sessionlog"
	"chatbox/cluster"

	"github.com/stretchr/testify/assert"
)

// turnTable is a Turns that only knows what is pending.
type turnTable struct {
	Turns

	pending []chatbox.PendingTurn // by time
	pages   int
	settled int
}

func (t *turnTable) PendingTurns(_ context.Context, from, before time.Time, limit int) ([]chatbox.PendingTurn, error) {
	t.pages++
	var page []chatbox.PendingTurn
	for _, p := range t.pending {
		if !p.Since.Before(from) && p.Since.Before(before) && len(page) < limit {
			page = append(page, p)
		}
	}
	return page, nil
}

func (t *turnTable) SettleTurn(context.Context, chatbox.SessionKey, chatbox.Gen, chatbox.TurnState) error {
	t.settled++
	return nil
}

// timetable notes what Redis is asked; it has all turns.
type timetable struct {
	Schedule

	asked   []string
	flushes int
}

func (l *timetable) Revive(_ context.Context, turns []chatbox.PendingTurn) ([]cluster.TurnFate, error) {
	l.flushes++
	for _, t := range turns {
		l.asked = append(l.asked, t.Session.ID)
	}
	return make([]cluster.TurnFate, len(turns)), nil
}

// rota is who holds what.
type rota []chatbox.Holding

func (r rota) Held(context.Context) ([]chatbox.Holding, error) { return r, nil }

// sweeper is a service that can do no more than look for pending turns.
func sweeper(turns Turns, held Holdings, redis Schedule, clock func() time.Time) *Service {
	logger := slog.New(slog.DiscardHandler)
	log := sessionlog.New(sessionlog.DefaultConfig(), sessionlog.Deps{Logger: logger, Clock: clock})
	return New(DefaultConfig(), Deps{Log: log, Due: NewQueue(DefaultConfig()), Turns: turns, Holdings: held, Schedule: redis, Logger: logger})
}

// However many turns a lost Redis forgot, and however many share a moment, one
// sweep comes to the last of them, in pages.
func TestSweepPending_ComesToTheLast(t *testing.T) {
	base := time.UnixMilli(1_700_000_000_000).UTC()
	for name, moment := range map[string]func(i int) time.Time{
		"one by one":        func(i int) time.Time { return base.Add(time.Duration(i) * time.Millisecond) },
		"all at once":       func(int) time.Time { return base },
		"a crowd, then few": func(i int) time.Time { return base.Add(time.Duration(max(0, i-3*pendingPage)) * time.Millisecond) },
	} {
		t.Run(name, func(t *testing.T) {
			turns := &turnTable{}
			for i := range 5*pendingPage + 7 {
				turns.pending = append(turns.pending, chatbox.PendingTurn{
					Session: chatbox.SessionKey{ID: fmt.Sprint(i)}, Gen: chatbox.Gen{Seq: 1, Run: 1}, Since: moment(i),
				})
			}
			redis := &timetable{}
			s := sweeper(turns, rota{}, redis, nil)
			s.sweepPending(t.Context(), time.Second)
			slices.Sort(redis.asked)
			assert.Len(t, slices.Compact(redis.asked), len(turns.pending))
			assert.Less(t, turns.pages, 12, "in pages, not one by one")
			assert.Less(t, redis.flushes, 32, "Redis as well")
			assert.Zero(t, turns.settled)
		})
	}
}

// A turn that a pod with a clock ahead entered waits no longer than others; one
// of a moment ago is left to its worker.
func TestSweepPending_FindsTurnsOfTheFuture(t *testing.T) {
	clock := time.UnixMilli(1_700_000_000_000).UTC()
	turns := &turnTable{}
	for id, since := range map[string]time.Duration{"ahead": time.Hour, "fresh": -time.Second} {
		turns.pending = append(turns.pending, chatbox.PendingTurn{
			Session: chatbox.SessionKey{ID: id}, Gen: chatbox.Gen{Seq: 1, Run: 1}, Since: clock.Add(since),
		})
	}
	redis := &timetable{}
	s := sweeper(turns, rota{}, redis, func() time.Time { return clock })
	s.sweepPending(t.Context(), 10*time.Second)
	assert.Equal(t, []string{"ahead"}, redis.asked)
}

// Pending messages to people who hold sessions, of an older version, cost Redis
// nothing.
func TestSweepPending_AsksNothingOfHeldSessions(t *testing.T) {
	turns, r := &turnTable{}, rota{}
	for i := range 10_000 {
		k := chatbox.SessionKey{ID: fmt.Sprint("held-", i%100)}
		turns.pending = append(turns.pending, chatbox.PendingTurn{Session: k, Gen: chatbox.Gen{Seq: int64(i), Run: 1}, Since: time.UnixMilli(int64(i))})
		if i < 100 {
			r = append(r, chatbox.Holding{Session: k, Holder: "bob"})
		}
	}
	free := chatbox.PendingTurn{Session: chatbox.SessionKey{ID: "free"}, Gen: chatbox.Gen{Seq: 1, Run: 1}, Since: time.UnixMilli(10_000)}
	turns.pending = append(turns.pending, free)
	redis := &timetable{}
	s := sweeper(turns, r, redis, nil)
	s.sweepPending(t.Context(), time.Second)
	assert.Equal(t, []string{"free"}, redis.asked)
	assert.Equal(t, 1, redis.flushes)
	assert.Zero(t, turns.settled, "an automatic leave may have the last one answered")
}

// deathbed is a Lives that has found one death.
type deathbed []chatbox.SessionKey

func (d deathbed) Orphans(context.Context) ([]chatbox.SessionKey, error) { return d, nil }

func TestTakeOrphans_TheirTurnsAreClaimed(t *testing.T) {
	orphan := chatbox.SessionKey{ID: "orphan"}
	s := sweeper(&turnTable{}, rota{}, &timetable{}, time.Now)
	s.deps.Lives = deathbed{orphan}
	claimed := make(chan chatbox.SessionKey, 1)
	s.due.Open(t.Context(), func(_ context.Context, k chatbox.SessionKey) error {
		claimed <- k
		return nil
	})
	s.takeOrphans(t.Context())
	assert.Equal(t, orphan, <-claimed)
	s.due.Close()
	s.due.Wait()
}
