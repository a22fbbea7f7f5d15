package live

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"chatbox"
	"chatbox/app/sessionlog"
	"chatbox/cluster"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"chatbox/internal/sleep"
)

// slowSocket has a client that takes a long time to read what is replayed.
type slowSocket struct {
	Attachments

	slow  time.Duration
	joins []cluster.Join
}

func (*slowSocket) Enter(chatbox.ConnID, chatbox.SessionKey) (bool, error) { return true, nil }

func (*slowSocket) Attached(chatbox.ConnID, chatbox.SessionKey) (int64, bool) { return 2, true }

func (s *slowSocket) Join(ctx context.Context, _ chatbox.ConnID, _ chatbox.SessionKey, j cluster.Join) error {
	s.joins = append(s.joins, j)
	if !sleep.For(ctx, s.slow) {
		return chatbox.NewError(chatbox.Unavailable, "the socket is gone", nil)
	}
	if len(s.joins) == 1 {
		return chatbox.NewError(chatbox.Clash, "", nil)
	}
	return nil
}

// hot is a Redis that has everything.
type hot struct{ sessionlog.Hot }

func (hot) Read(ctx context.Context, _ chatbox.SessionKey, after int64) (cluster.Tail, error) {
	t := cluster.Tail{Seeded: true, Owner: "u", State: chatbox.State{Head: 3}}
	for seq := after + 1; seq <= t.State.Head; seq++ {
		t.Events = append(t.Events, chatbox.Event{Seq: seq, Owner: "u"})
	}
	return t, ctx.Err()
}

type bus struct{ Bus }

func (bus) Subscribe(ctx context.Context, _ chatbox.SessionKey) error { return ctx.Err() }

type currents struct{ Currents }

func (currents) SetCurrent(chatbox.ConnID, string) {}

type rights struct{ Rights }

func (rights) Speaks(chatbox.ConnID, chatbox.SessionKey) (chatbox.Sender, bool) { return "", false }

type socket struct{ Socket }

func (socket) ID() chatbox.ConnID   { return "c" }
func (socket) Actor() chatbox.Actor { return chatbox.Actor{UserID: "u"} }
func (socket) Old() bool            { return false }

// A replay is as slow as its client reads; the time that a frame may take on
// this side is not for that, and there is time to read on afterwards.
func TestResume_OutlastsASlowClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		at := &slowSocket{slow: 3 * sessionlog.DefaultConfig().AckWait}
		logger := slog.New(slog.DiscardHandler)
		log := sessionlog.New(sessionlog.DefaultConfig(), sessionlog.Deps{Hot: hot{}, Logger: logger})
		s := New(DefaultConfig(), Deps{Attachments: at, Log: log, Bus: bus{}, Currents: currents{}, Rights: rights{}, Logger: logger})
		require.NoError(t, s.Resume(t.Context(), socket{}, "s", 0))
		require.Len(t, at.joins, 2)
		assert.Len(t, at.joins[0].Events, 3)
		assert.True(t, at.joins[1].Continue)
		assert.Len(t, at.joins[1].Events, 1, "read on from where the socket is")
	})
}
