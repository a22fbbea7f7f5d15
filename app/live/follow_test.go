package live

import (
	"context"
	"log/slog"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"chatbox"
	"chatbox/app/sessionlog"
	"chatbox/cluster"
	"chatbox/internal/sleep"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// oneMessage is a history of one user message.
type oneMessage struct {
	sessionlog.Messages

	turn chatbox.Turn
}

func (h oneMessage) Range(_ context.Context, k chatbox.SessionKey, _, _ int64) ([]chatbox.Event, error) {
	return []chatbox.Event{{Session: k, Seq: 1, ID: "m1", Type: chatbox.TypeUserMessage, Turn: &h.turn}}, nil
}

// waitingFeed has sockets that received an answer's beginning.
type waitingFeed struct {
	Feed

	waits chatbox.Gen
	told  []cluster.Update
}

func (f *waitingFeed) Answering(chatbox.SessionKey) chatbox.Gen { return f.waits }

func (f *waitingFeed) Deliver(u cluster.Update) bool {
	f.told = append(f.told, u)
	return true
}

// A failure before any piece is in no log: where its message on the bus was
// lost, the turn of the message remembers it.
func TestFollow_LostFailureIsTold(t *testing.T) {
	gen := chatbox.Gen{Seq: 1, Run: 2}
	for name, c := range map[string]struct {
		turn chatbox.Turn
		open *cluster.OpenAnswer
		told bool
	}{
		"it failed":             {turn: chatbox.Turn{State: chatbox.TurnFailed, Run: 2}, told: true},
		"it was tried again":    {turn: chatbox.Turn{State: chatbox.TurnPending, Run: 3}, told: true},
		"it is to come":         {turn: chatbox.Turn{State: chatbox.TurnPending, Run: 2}},
		"an earlier one failed": {turn: chatbox.Turn{State: chatbox.TurnFailed, Run: 1}},
		"it is being given":     {turn: chatbox.Turn{State: chatbox.TurnFailed, Run: 2}, open: &cluster.OpenAnswer{Gen: gen}},
	} {
		t.Run(name, func(t *testing.T) {
			feed := &waitingFeed{waits: gen}
			history, logger := oneMessage{turn: c.turn}, slog.New(slog.DiscardHandler)
			log := sessionlog.New(sessionlog.DefaultConfig(), sessionlog.Deps{Messages: history, Logger: logger})
			s := New(DefaultConfig(), Deps{Log: log, Messages: history, Feed: feed, Logger: logger})
			k := chatbox.SessionKey{ID: "s"}
			require.NoError(t, s.sendFailure(t.Context(), k, cluster.Tail{
				Seeded: true, Owner: "u", State: chatbox.State{Head: 1}, Open: c.open,
			}))
			if !c.told {
				assert.Empty(t, feed.told)
				return
			}
			require.Len(t, feed.told, 1)
			f := feed.told[0].Failure
			require.NotNil(t, f)
			assert.Equal(t, chatbox.AnswerID(k, 1, 2), f.AnswerID)
			assert.Equal(t, "m1", f.ReplyTo)
			assert.Equal(t, "u", feed.told[0].Owner)
		})
	}
}

// poisonedFeed has the sockets of sessions that have all missed event 1;
// those of ids below poisoned miss it forever, as nobody can read it.
type poisonedFeed struct {
	Feed
	sessionlog.Hot
	Rights
	Observer

	poisoned int
	mu       sync.Mutex // guards following
	tries    map[string]int
	healed   map[string]time.Duration
	began    time.Time
}

func (f *poisonedFeed) BeginCatchUp(chatbox.SessionKey) (int64, bool) { return 0, true }
func (f *poisonedFeed) EndCatchUp(chatbox.SessionKey) bool            { return false }
func (f *poisonedFeed) Answering(chatbox.SessionKey) chatbox.Gen      { return chatbox.Gen{} }
func (f *poisonedFeed) Positions() []cluster.Position                 { return nil }

func (f *poisonedFeed) Read(_ context.Context, k chatbox.SessionKey, _ int64) (cluster.Tail, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.tries[k.ID]++
	if n, _ := strconv.Atoi(k.ID); n < f.poisoned {
		return cluster.Tail{}, chatbox.NewError(chatbox.StoreFailed, "", nil)
	}
	return cluster.Tail{Seeded: true, State: chatbox.State{Head: 1}, Events: []chatbox.Event{{Seq: 1}}}, nil
}

func (f *poisonedFeed) CatchUp(k chatbox.SessionKey, _ []chatbox.Event, _ *cluster.OpenAnswer) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.healed[k.ID] = time.Since(f.began)
	return true
}

func (f *poisonedFeed) CaughtUp(int)                {}
func (f *poisonedFeed) Reap(chatbox.SessionKey) int { return 0 }

// Sessions whose events nobody can read keep no others from being healed, and
// cost few tries, for any number of them and however often their sockets miss
// something.
func TestFollow_PoisonedSessionsAreInNobodysWay(t *testing.T) {
	for _, poisoned := range []int{8, 1000} {
		synctest.Test(t, func(t *testing.T) {
			f := &poisonedFeed{poisoned: poisoned, tries: map[string]int{}, healed: map[string]time.Duration{}}
			logger := slog.New(slog.DiscardHandler)
			log := sessionlog.New(sessionlog.DefaultConfig(), sessionlog.Deps{Hot: f, Logger: logger})
			s := New(DefaultConfig(), Deps{Log: log, Feed: f, Rights: f, Observer: f, Logger: logger})
			s.behind.Open(t.Context(), s.catchUp)
			const minutes = 10
			for m := range minutes * 60 {
				for i := range poisoned {
					s.behind.Add(chatbox.SessionKey{ID: strconv.Itoa(i)})
				}
				healthy := strconv.Itoa(poisoned + m)
				f.mu.Lock()
				f.began = time.Now()
				f.mu.Unlock()
				s.behind.Add(chatbox.SessionKey{ID: healthy})
				sleep.For(t.Context(), time.Second)
				synctest.Wait()
				f.mu.Lock()
				took, healed := f.healed[healthy]
				f.mu.Unlock()
				require.True(t, healed, "%d poisoned: %s is not healed", poisoned, healthy)
				assert.Zero(t, took)
			}
			s.behind.Close()
			s.behind.Wait()
			for i := range poisoned {
				assert.Less(t, f.tries[strconv.Itoa(i)], minutes*60/5+10, "half of 10 s lies between two tries")
				assert.Greater(t, f.tries[strconv.Itoa(i)], minutes*60/15)
			}
		})
	}
}
