package answer

import (
	"context"
	"errors"
	"iter"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"chatbox"
	"chatbox/app/sessionlog"
	"chatbox/cluster"

	"github.com/stretchr/testify/assert"
)

// history is what a session log asks of the history.
type history interface {
	sessionlog.Messages
	PendingOf(ctx context.Context, s chatbox.SessionKey, from, to int64, limit int) ([]chatbox.PendingTurn, error)
}

// flaky is a history that every call finds away a few times first.
type flaky struct {
	Turns
	history

	away    map[string]int // calls that still fail
	claims  int
	settled chatbox.TurnState
}

func (f *flaky) call(name string) error {
	if f.away[name]--; f.away[name] >= 0 {
		return chatbox.NewError(chatbox.StoreFailed, "away", nil)
	}
	return nil
}

func (f *flaky) ClaimTurn(_ context.Context, k chatbox.SessionKey, seq int64) (chatbox.Event, error) {
	if err := f.call("claim"); err != nil {
		return chatbox.Event{}, err
	}
	f.claims++
	return chatbox.Event{
		Session: k, Seq: seq, ID: "m", Type: chatbox.TypeUserMessage, Sender: chatbox.SenderUser, Content: "hello",
		Turn: &chatbox.Turn{State: chatbox.TurnPending, Run: 1, Claims: 2},
	}, nil
}

func (f *flaky) SettleTurn(_ context.Context, _ chatbox.SessionKey, _ chatbox.Gen, to chatbox.TurnState) error {
	f.settled = to
	return nil
}

func (f *flaky) ByKey(context.Context, chatbox.SessionKey, string) (chatbox.Event, error) {
	if err := f.call("find"); err != nil {
		return chatbox.Event{}, err
	}
	return chatbox.Event{}, chatbox.NewError(chatbox.NotFound, "none", nil)
}

func (f *flaky) Range(context.Context, chatbox.SessionKey, int64, int64) ([]chatbox.Event, error) {
	return nil, f.call("read")
}

// oneLease can be had once.
type oneLease struct {
	Leases

	released, dropped int
}

func (*oneLease) Renew(context.Context, cluster.Lease) error { return nil }

func (l *oneLease) Release(context.Context, cluster.Lease) error {
	l.released++
	return nil
}

func (l *oneLease) Drop(context.Context, cluster.Lease, *cluster.Failure) error {
	l.dropped++
	return nil
}

type openPieces struct{ Pieces }

func (openPieces) Start(context.Context, cluster.Lease, cluster.OpenAnswer) error { return nil }

// mute fails before its first word; that it is asked is all that matters here.
type mute struct {
	LLM

	asked int
}

func (*mute) Models() []chatbox.Model { return nil }
func (*mute) Default() string         { return "mute" }
func (*mute) Budget(string) int       { return 24_000 }

func (m *mute) Stream(context.Context, chatbox.Prompt) iter.Seq2[chatbox.Delta, error] {
	m.asked++
	return func(yield func(chatbox.Delta, error) bool) { yield(chatbox.Delta{}, errors.New("mute")) }
}

type blind struct{ Observer }

func (blind) Generation(string) {}

func (blind) ModelFailed(string, chatbox.Code) {}

// A turn waits for a history that fails for a moment. Were the turn released
// instead, its claims would soon reach the limit of a turn that no pod can
// answer.
func TestReply_WaitsForTheHistoryUnderOneClaim(t *testing.T) {
	for _, call := range []string{"claim", "find", "read"} {
		t.Run(call, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				history, leases, model := &flaky{away: map[string]int{call: 10}}, &oneLease{}, &mute{}
				logger := slog.New(slog.DiscardHandler)
				s := New(DefaultConfig(), Deps{
					Log:      sessionlog.New(sessionlog.DefaultConfig(), sessionlog.Deps{Messages: history, Turns: history, Logger: logger}),
					Messages: history, Turns: history, Leases: leases, Pieces: openPieces{}, LLM: model, Observer: blind{}, Logger: logger,
				})
				began := time.Now()
				_, _ = s.answer(t.Context(), cluster.Claim{
					Status: cluster.ClaimTaken, State: chatbox.State{Head: 1},
					Lease: cluster.Lease{Session: chatbox.SessionKey{ID: "s"}, Gen: chatbox.Gen{Seq: 1, Run: 1}},
				})
				assert.Equal(t, 1, model.asked)
				assert.Equal(t, 1, history.claims)
				assert.Zero(t, leases.released)
				assert.Equal(t, 1, leases.dropped)
				assert.Equal(t, chatbox.TurnFailed, history.settled, "the model's own failure")
				assert.Greater(t, time.Since(began), time.Second)
			})
		})
	}
}
