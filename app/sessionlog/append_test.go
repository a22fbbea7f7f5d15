package sessionlog

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"chatbox"
	"chatbox/cluster"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// refusing is a Redis whose every frame is beyond the user's limit, and a
// history that counts what it is asked.
type refusing struct {
	Hot
	Messages

	wait      time.Duration
	state     chatbox.State
	reads     int
	abandoned int
	stored    map[string]chatbox.Event // by key
}

func (r *refusing) Begin(context.Context, cluster.Beginning) (cluster.Begun, error) {
	return cluster.Begun{Seeded: true, Owner: "ada", State: r.state, RetryAfter: r.wait, Intent: "i"}, nil
}

func (r *refusing) Abandon(context.Context, cluster.Beginning, ...string) error {
	r.abandoned++
	return nil
}

func (r *refusing) Append(_ context.Context, e chatbox.Event) error {
	r.stored[e.Key] = e
	r.state.Ended = true // every later append is refused
	return chatbox.NewError(chatbox.StoreFailed, "", nil)
}

func (r *refusing) ByKey(_ context.Context, _ chatbox.SessionKey, key string) (chatbox.Event, error) {
	r.reads++
	if e, ok := r.stored[key]; ok {
		return e, nil
	}
	return chatbox.Event{}, chatbox.NotFound
}

// A frame that is refused costs a read where it may repeat one: where it has an
// id, or where the append has sent an insert whose outcome it does not know.
func TestAppend_RefusedReadsOnlyForWhatMayBeARepeat(t *testing.T) {
	post := func(t *testing.T, r *refusing, id string) error {
		t.Helper()
		r.stored = map[string]chatbox.Event{}
		l := New(DefaultConfig(), Deps{Hot: r, Messages: r, Logger: slog.New(slog.DiscardHandler)})
		_, err := l.Append(t.Context(), Draft{
			Session: chatbox.SessionKey{ID: "s"}, Key: "k" + id, FreshKey: id == "", User: chatbox.UserKey{ID: "ada"},
			Decide: func(b Basis) (chatbox.Event, error) {
				if b.State.Ended {
					return chatbox.Event{}, chatbox.SessionEnded()
				}
				return chatbox.Event{ID: id, Type: chatbox.TypeUserMessage, Content: "hello"}, nil
			},
		})
		return err
	}
	for id, reads := range map[string]int{"": 0, "m1": 1} {
		limited := &refusing{wait: time.Second}
		require.ErrorIs(t, post(t, limited, id), chatbox.RateLimited)
		assert.Equal(t, reads, limited.reads, "limited, id %q", id)
		assert.Equal(t, 1, limited.abandoned, "it counts for nothing")
		ended := &refusing{state: chatbox.State{Head: 1, Ended: true}}
		require.ErrorIs(t, post(t, ended, id), chatbox.Ended)
		assert.Equal(t, reads, ended.reads, "ended, id %q", id)
	}
	synctest.Test(t, func(t *testing.T) {
		r := &refusing{}
		require.NoError(t, post(t, r, ""), "its own insert has landed")
		assert.Equal(t, 1, r.reads)
	})
}
