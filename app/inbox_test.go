package app

import (
	"context"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"chatbox"
	"chatbox/app/access"
	"chatbox/app/answer"
	"chatbox/app/live"
	"chatbox/app/sessionlog"
	"chatbox/cluster"
	"chatbox/internal/sleep"
)

// downRedis fails every read until it is up.
type downRedis struct {
	sessionlog.Hot
	live.Feed

	up    atomic.Bool
	reads atomic.Int32
}

func (r *downRedis) Read(context.Context, chatbox.SessionKey, int64) (cluster.Tail, error) {
	r.reads.Add(1)
	if !r.up.Load() {
		return cluster.Tail{}, chatbox.NewError(chatbox.Unavailable, "", nil)
	}
	return cluster.Tail{Seeded: true, State: chatbox.State{Erased: true}}, nil
}

func (r *downRedis) Positions() []cluster.Position { return nil }

// The healing of a session that failed while Redis was unavailable is tried again
// when the bus has subscribed again. It does not wait for the end of its delay of
// up to 45 seconds.
func TestInbox_ResubscribedRetriesWhatFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		redis, logger := &downRedis{}, slog.New(slog.DiscardHandler)
		log := sessionlog.New(sessionlog.DefaultConfig(), sessionlog.Deps{Hot: redis, Messages: noEvents{}, Logger: logger})
		ended := make(chan struct{})
		go func() { defer close(ended); log.Run(ctx) }()
		synctest.Wait()
		log.HealLater(chatbox.SessionKey{ID: "s"})
		sleep.For(ctx, 10*time.Minute) // by now the delay has its greatest length
		redis.up.Store(true)
		before := redis.reads.Load()
		inbox{
			sessions: log, live: live.New(live.DefaultConfig(), live.Deps{Log: log, Feed: redis, Logger: logger}),
			answers: answer.New(answer.DefaultConfig(), answer.Deps{Log: log, Due: answer.NewQueue(answer.DefaultConfig()), Logger: logger}),
			gate:    access.New(access.DefaultConfig(), access.Deps{Logger: logger}),
		}.Resubscribed()
		synctest.Wait()
		assert.Equal(t, before+1, redis.reads.Load())
		stop()
		<-ended
	})
}

type noEvents struct{ sessionlog.Messages }

func (noEvents) Range(context.Context, chatbox.SessionKey, int64, int64) ([]chatbox.Event, error) {
	return nil, nil
}
