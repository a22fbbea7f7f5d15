package sessionlog

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"chatbox"
	"chatbox/internal/sleep"
)

// records has some that no key opens.
type records struct {
	Sessions
	Messages

	lost map[string]bool

	mu     sync.Mutex // guards following
	loaded map[string]int
}

func (r *records) Load(_ context.Context, k chatbox.SessionKey) (chatbox.Session, error) {
	r.mu.Lock()
	r.loaded[k.ID]++
	r.mu.Unlock()
	if r.lost[k.ID] {
		return chatbox.Session{}, chatbox.NewError(chatbox.StoreFailed, "", errors.New("no key opens it"))
	}
	return chatbox.Session{Key: k}, nil
}

func (r *records) Range(context.Context, chatbox.SessionKey, int64, int64) ([]chatbox.Event, error) {
	return nil, nil
}

// A record that cannot be updated does not delay the records of other
// sessions.
func TestSyncRecord_OthersGetTheirTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		r := &records{lost: map[string]bool{"a": true, "b": true, "d": true}, loaded: map[string]int{}}
		l := New(DefaultConfig(), Deps{Sessions: r, Messages: r, Logger: slog.New(slog.DiscardHandler)})
		l.stale.Open(ctx, l.syncQueued)
		for _, id := range []string{"a", "b", "d", "c"} {
			l.stale.Add(chatbox.SessionKey{ID: id})
		}
		sleep.For(ctx, 10*time.Minute)
		stop()
		l.stale.Close()
		l.stale.Wait()
		assert.Equal(t, 1, r.loaded["c"])
		assert.Greater(t, r.loaded["b"], 10, "it is tried on: a history that was away comes back")
		assert.Less(t, r.loaded["b"], 40, "and costs little meanwhile")
	})
}
