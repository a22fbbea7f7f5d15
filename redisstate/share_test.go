package redisstate

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// flushes counts pipelines, and delays them so that callers meet.
type flushes struct {
	n     atomic.Int64
	block chan struct{} // each pipeline takes one; nil: none waits
}

func (*flushes) DialHook(next redis.DialHook) redis.DialHook          { return next }
func (*flushes) ProcessHook(next redis.ProcessHook) redis.ProcessHook { return next }

func (f *flushes) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		f.n.Add(1)
		if f.block != nil {
			<-f.block
		}
		return next(ctx, cmds)
	}
}

func sharingClient(t *testing.T, f *flushes) (*Client, *miniredis.Miniredis) {
	t.Helper()
	srv := miniredis.RunT(t)
	rdb := redis.NewClient(&redis.Options{Addr: srv.Addr()})
	rdb.AddHook(f)
	c, err := New(DefaultConfig(), rdb, nil)
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	return c, srv
}

func TestShare_WaitingCallersGoTogether(t *testing.T) {
	f := &flushes{block: make(chan struct{})}
	c, srv := sharingClient(t, f)
	const more = 50
	var callers sync.WaitGroup
	var errs [sharedFlushes + more]error
	begin := func(i int) {
		callers.Go(func() {
			var got *redis.IntCmd
			errs[i] = c.share(t.Context(), func(p batch) { got = p.Incr(t.Context(), fmt.Sprint("k", i)) })
			assert.EqualValues(t, 1, got.Val())
		})
	}
	for i := range sharedFlushes {
		begin(i)
	}
	require.Eventually(t, func() bool { return f.n.Load() == sharedFlushes }, 10*time.Second, time.Millisecond)
	for i := range more {
		begin(sharedFlushes + i)
	}
	require.Eventually(t, func() bool {
		c.sharing.mu.Lock()
		defer c.sharing.mu.Unlock()
		return len(c.sharing.waiting) == more
	}, 10*time.Second, time.Millisecond)
	close(f.block)
	callers.Wait()
	require.NoError(t, errors.Join(errs[:]...))
	assert.Less(t, f.n.Load(), int64(more/4))
	assert.Len(t, srv.Keys(), sharedFlushes+more)
}

// Each caller gets the result of its own commands: an error of one is not
// another's, and callers that give up neither stop the others nor the sending.
func TestShare_EachItsOwnResult(t *testing.T) {
	c, srv := sharingClient(t, &flushes{})
	require.NoError(t, srv.Set("text", "no number"))
	var callers sync.WaitGroup
	var sure, unsure, refused atomic.Int64
	for i := range 400 {
		callers.Go(func() {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			switch i % 4 {
			case 0:
				if c.share(ctx, func(p batch) { p.Incr(ctx, "text") }) != nil {
					refused.Add(1)
				}
			case 1:
				time.AfterFunc(time.Duration(rand.N(2_000))*time.Microsecond, cancel)
				fallthrough
			default:
				if c.share(ctx, func(p batch) { p.Incr(ctx, "count") }) == nil {
					sure.Add(1)
				} else {
					unsure.Add(1)
				}
			}
		})
	}
	callers.Wait()
	assert.EqualValues(t, 100, refused.Load())
	got, err := srv.Get("count")
	require.NoError(t, err)
	var n int64
	_, err = fmt.Sscan(got, &n)
	require.NoError(t, err)
	assert.GreaterOrEqual(t, n, sure.Load())
	assert.LessOrEqual(t, n, sure.Load()+unsure.Load())
	assert.GreaterOrEqual(t, sure.Load(), int64(200), "only callers that gave up may fail")
	c.sharing.mu.Lock()
	defer c.sharing.mu.Unlock()
	assert.Zero(t, c.sharing.sending)
	assert.Empty(t, c.sharing.waiting)
}

func TestShare_MissingScriptsAreSent(t *testing.T) {
	c, srv := sharingClient(t, &flushes{})
	for range 2 {
		var callers sync.WaitGroup
		var errs [20]error
		for i := range errs {
			callers.Go(func() {
				var wait *redis.Cmd
				errs[i] = c.share(t.Context(), func(p batch) {
					wait = c.queue(t.Context(), p, "rate.lua", []string{fmt.Sprint("r", i)}, nonce(), 10, 1000)
				})
				assert.EqualValues(t, 0, wait.Val())
			})
		}
		callers.Wait()
		require.NoError(t, errors.Join(errs[:]...))
		srv.FlushAll() // scripts stay on a real server; a new one has none
	}
}
