package privacy

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"chatbox"
	"chatbox/app/sessionlog"
	"chatbox/internal/sleep"

	"github.com/stretchr/testify/assert"
)

// graveyard has tombstones that are always due: its store refuses at once
// every request for a poisoned one, and refuses to reschedule any of them.
type graveyard struct {
	Tombstones
	sessionlog.Sessions
	Shares

	poisoned int
	healthy  chatbox.SessionKey // due from the beginning, behind them

	mu    sync.Mutex // guards following
	looks int
	tries int
	done  int
}

func (g *graveyard) Unswept(context.Context, time.Time, int) ([]chatbox.Tombstone, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.looks++
	var found []chatbox.Tombstone
	for i := range g.poisoned {
		found = append(found, chatbox.Tombstone{Session: chatbox.SessionKey{ID: fmt.Sprint(i)}})
	}
	return append(found, chatbox.Tombstone{Session: g.healthy}), nil
}

func (g *graveyard) Load(_ context.Context, k chatbox.SessionKey) (chatbox.Session, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if k == g.healthy {
		g.done++
	} else {
		g.tries++
	}
	return chatbox.Session{}, chatbox.NewError(chatbox.Internal, "", nil) // not one that passes
}

func (g *graveyard) Sweep(context.Context, chatbox.SessionKey, time.Time) error {
	return chatbox.NewError(chatbox.StoreFailed, "", nil)
}

func (g *graveyard) Expire(context.Context, time.Time) error { return nil }

// A store that refuses at once, and a page full of what it refuses, make no loop
// without a pause.
func TestSweepErased_ARefusingStoreIsAskedNowAndThen(t *testing.T) {
	for _, poisoned := range []int{49, 50, 1000} {
		synctest.Test(t, func(t *testing.T) {
			g := &graveyard{poisoned: poisoned, healthy: chatbox.SessionKey{ID: "healthy"}}
			logger := slog.New(slog.DiscardHandler)
			log := sessionlog.New(sessionlog.DefaultConfig(), sessionlog.Deps{Sessions: g, Logger: logger})
			s := New(DefaultConfig(), Deps{Log: log, Tombstones: g, Shares: g, Logger: logger})
			s.erased.Open(t.Context(), s.sweepQueued)
			const looks = 40
			for range looks {
				s.sweepErased(t.Context())
				sleep.For(t.Context(), s.cfg.SweepEvery)
			}
			s.erased.Close()
			s.erased.Wait()
			assert.Equal(t, looks, g.looks)
			assert.Less(t, g.tries, 15*poisoned, "a try a while each, in ten minutes")
			assert.Positive(t, g.done)
		})
	}
}
