package privacy

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"chatbox"
	"chatbox/app/sessionlog"
	"chatbox/helpdesk"
	"chatbox/internal/sleep"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
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

// ruin is a session whose erasure has stored its last event, at 131, and broke
// off. Its record, if it has one, cannot be read.
type ruin struct {
	Tombstones
	Shares
	Cards
	Traces

	record chatbox.Session
	found  error // Load returns it

	log   map[int64]chatbox.Event
	saved chatbox.State
	over  bool
}

func (r *ruin) Load(context.Context, chatbox.SessionKey) (chatbox.Session, error) {
	return r.record, r.found
}

func (r *ruin) Create(context.Context, chatbox.Session) (chatbox.Session, bool, error) {
	return chatbox.Session{}, false, chatbox.NewError(chatbox.Internal, "", nil)
}

func (r *ruin) SaveState(_ context.Context, _ chatbox.SessionKey, st chatbox.State) error {
	r.saved = st
	return nil
}

func (r *ruin) List(context.Context, chatbox.SessionQuery) (chatbox.SessionPage, error) {
	return chatbox.SessionPage{}, nil
}

func (r *ruin) Append(context.Context, chatbox.Event) error {
	return chatbox.NewError(chatbox.Internal, "", nil)
}

func (r *ruin) ByKey(_ context.Context, _ chatbox.SessionKey, key string) (chatbox.Event, error) {
	for _, e := range r.log {
		if e.Key == key {
			return e, nil
		}
	}
	return chatbox.Event{}, chatbox.NewError(chatbox.NotFound, "", nil)
}

func (r *ruin) Range(_ context.Context, _ chatbox.SessionKey, from, to int64) (found []chatbox.Event, err error) {
	for seq := from; seq <= to; seq++ {
		if e, there := r.log[seq]; there {
			found = append(found, e)
		}
	}
	return found, nil
}

func (r *ruin) EraseRange(_ context.Context, _ chatbox.SessionKey, from, to int64) error {
	for seq := from; seq <= to; seq++ {
		delete(r.log, seq)
	}
	return nil
}

func (r *ruin) Sweep(_ context.Context, _ chatbox.SessionKey, again time.Time) error {
	r.over = again.IsZero()
	return nil
}

func (r *ruin) Release(context.Context, chatbox.SessionKey) error { return nil }

func (r *ruin) ForgetPerson(context.Context, chatbox.UserKey, time.Time) error { return nil }

func (r *ruin) Revoke(context.Context, chatbox.SessionKey) error { return nil }

func (r *ruin) Forget(context.Context, string, string, ...helpdesk.CardKind) error { return nil }

func (r *ruin) Erase(context.Context, chatbox.SessionKey, string, chatbox.State) error { return nil }

// An erasure ends although neither the session's record nor its last event can be
// read, also where a part of the events is gone already.
func TestSweepErased_EndsWithoutAReadableRecord(t *testing.T) {
	k := chatbox.SessionKey{Tenant: "t", ID: "s"}
	lost := chatbox.NewError(chatbox.NotFound, "", nil)
	for name, r := range map[string]*ruin{
		"no fold":                    {record: chatbox.Session{Key: k, Owner: "u", Erased: true, Unreadable: true}},
		"a fold without its head":    {record: chatbox.Session{Key: k, Owner: "u", Erased: true, Unreadable: true, State: chatbox.State{Erased: true}}},
		"a fold of a wrong place":    {record: chatbox.Session{Key: k, Owner: "u", Erased: true, Unreadable: true, State: chatbox.State{Head: 900}}},
		"an old fold":                {record: chatbox.Session{Key: k, Owner: "u", Erased: true, State: chatbox.State{Head: 3}}},
		"no record":                  {found: lost},
		"neither record nor its end": {found: lost, log: map[int64]chatbox.Event{}},
	} {
		t.Run(name, func(t *testing.T) {
			if r.log == nil {
				r.log = map[int64]chatbox.Event{}
				for seq := int64(20); seq < 131; seq++ {
					r.log[seq] = chatbox.Event{Session: k, Seq: seq, Key: fmt.Sprint("c:u:", seq), Type: chatbox.TypeUserMessage}
				}
				r.log[131] = chatbox.Event{Session: k, Seq: 131, Key: chatbox.ServerKey(chatbox.ReasonErased), Unreadable: true} // of no type that can be read
			}
			var log bytes.Buffer
			logger := slog.New(slog.NewTextHandler(&log, nil))
			sessions := sessionlog.New(sessionlog.DefaultConfig(), sessionlog.Deps{Sessions: r, Messages: r, Logger: logger, Clock: time.Now})
			s := New(DefaultConfig(), Deps{Log: sessions, Sessions: r, Messages: r, Tombstones: r, Traces: r, Shares: r, Cards: r, Files: r, Logger: logger})
			require.NoError(t, s.sweepQueued(t.Context(), chatbox.Tombstone{Session: k, At: time.Now()}))
			assert.False(t, r.over, "inserts may be under way")
			require.NoError(t, s.sweepQueued(t.Context(), chatbox.Tombstone{Session: k, At: time.Now().Add(-time.Hour)}))
			assert.True(t, r.over)
			assert.Empty(t, r.log, "nothing is left")
			assert.True(t, r.saved.Erased)
			assert.Empty(t, log.String())
		})
	}
}

// Erasures that fail are logged once a minute, however many they are, and
// counted.
func TestSweepErased_FailuresAreCountedAndToldOnceAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const poisoned = 100
		g := &graveyard{poisoned: poisoned, healthy: chatbox.SessionKey{ID: "healthy"}}
		var text bytes.Buffer
		logger := slog.New(slog.NewTextHandler(&text, nil))
		log := sessionlog.New(sessionlog.DefaultConfig(), sessionlog.Deps{Sessions: g, Logger: logger})
		s := New(DefaultConfig(), Deps{Log: log, Tombstones: g, Shares: g, Logger: logger})
		s.erased.Open(t.Context(), s.sweepQueued)
		for range 40 { // ten minutes
			s.sweepErased(t.Context())
			sleep.For(t.Context(), s.cfg.SweepEvery)
		}
		assert.Equal(t, poisoned+1, s.Failing())
		s.erased.Close()
		s.erased.Wait()
		lines := strings.Count(text.String(), "traces of an erased session")
		assert.LessOrEqual(t, lines, 11)
		assert.Positive(t, lines)
		assert.Contains(t, text.String(), "held_back=")
	})
}
