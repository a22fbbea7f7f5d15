package redisstate

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// stuckHook holds the first request until it is released, and counts all.
type stuckHook struct {
	n    atomic.Int64
	free chan struct{}
}

func (h *stuckHook) wait(ctx context.Context) error {
	if h.n.Add(1) > 1 {
		return nil
	}
	select {
	case <-h.free:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (h *stuckHook) DialHook(next redis.DialHook) redis.DialHook { return next }

func (h *stuckHook) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if err := h.wait(ctx); err != nil {
			return err
		}
		return next(ctx, cmd)
	}
}

func (h *stuckHook) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		if err := h.wait(ctx); err != nil {
			return err
		}
		return next(ctx, cmds)
	}
}

// gathering is a client over an emulated Redis whose first request hangs.
func gathering(t *testing.T) (*Client, *stuckHook) {
	t.Helper()
	rdb := redis.NewClient(&redis.Options{Addr: miniredis.RunT(t).Addr(), ContextTimeoutEnabled: true})
	t.Cleanup(func() { _ = rdb.Close() })
	h := &stuckHook{free: make(chan struct{})}
	rdb.AddHook(h)
	c, err := New(DefaultConfig(), rdb, nil)
	require.NoError(t, err)
	return c, h
}

func TestTogether_AHangingFlushHoldsNobodyBack(t *testing.T) {
	c, h := gathering(t)
	var first sync.WaitGroup
	first.Go(func() {
		if _, err := c.together.call(t.Context(), 1, "identity.lua", []string{"stuck"}, "first"); err != nil {
			t.Error(err)
		}
	})
	require.Eventually(t, func() bool { return h.n.Load() > 0 }, time.Minute, time.Millisecond)
	var others sync.WaitGroup
	for n := range 100 {
		others.Go(func() {
			name := fmt.Sprint(n)
			got, err := c.together.call(t.Context(), flightBytes/10, "identity.lua", []string{name}, "is "+name)
			if err != nil {
				t.Error(err)
			}
			assert.Equal(t, "is "+name, got, "each caller has its own result")
		})
	}
	others.Wait()
	close(h.free)
	first.Wait()
}

func TestTogether_CallersWaitWithTheirOwnContexts(t *testing.T) {
	c, h := gathering(t)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() {
		_, err := c.together.call(ctx, 1, "identity.lua", []string{"k"}, "v")
		ended <- err
	}()
	require.Eventually(t, func() bool { return h.n.Load() > 0 }, time.Minute, time.Millisecond)
	cancel()
	require.ErrorIs(t, <-ended, context.Canceled)
	close(h.free)
	before := h.n.Load()
	_, err := c.together.call(ctx, 1, "identity.lua", []string{"k"}, "v")
	require.ErrorIs(t, err, context.Canceled)
	assert.Equal(t, before, h.n.Load(), "an ended caller sends nothing")
	got, err := c.together.call(t.Context(), 1, "identity.lua", []string{"k2"}, "v2")
	require.NoError(t, err)
	assert.Equal(t, "v2", got)
}

func TestTogether_FlushesAreBounded(t *testing.T) {
	g := together{waiting: []*sharedCall{{bytes: flightBytes + 1}, {bytes: flightBytes / 2}, {bytes: flightBytes / 2}, {bytes: 1}}}
	for _, want := range []int{1, 2, 1, 0} {
		assert.Len(t, g.takeLocked(), want)
	}
}
