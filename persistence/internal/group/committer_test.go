package group_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"chatbox/internal/sleep"
	"chatbox/persistence/internal/group"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var bounds = group.Config{Flights: 1, MaxItems: 4, MaxBytes: 100, Timeout: 10 * time.Second}

// slow is a flush that takes a second of the bubble's time and records its items.
type slow struct {
	mu     sync.Mutex
	groups [][]string
	answer func(item string) error
}

func (s *slow) flush(ctx context.Context, items []string) []error {
	errs := make([]error, len(items))
	select {
	case <-time.After(time.Second):
	case <-ctx.Done():
		for i := range errs {
			errs[i] = ctx.Err()
		}
		return errs
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.groups = append(s.groups, append([]string(nil), items...))
	for i, item := range items {
		if s.answer != nil {
			errs[i] = s.answer(item)
		}
	}
	return errs
}

func TestCommitter_LoneWriteGoesAtOnceAndACrowdShares(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &slow{}
		c := group.New(t.Context(), bounds, s.flush)
		var wg sync.WaitGroup
		start := time.Now()
		wg.Go(func() { assert.NoError(t, c.Do(t.Context(), "", 1, "first")) })
		synctest.Wait()
		for i := range 5 {
			wg.Go(func() { assert.NoError(t, c.Do(t.Context(), "", 1, fmt.Sprint(i))) })
		}
		wg.Wait()
		assert.Equal(t, 3*time.Second, time.Since(start))
		c.Close(t.Context())
		require.Len(t, s.groups, 3)
		assert.Equal(t, []string{"first"}, s.groups[0])
		assert.Len(t, s.groups[1], 4, "bounded in number")
		assert.Len(t, s.groups[2], 1)
	})
}

// hold is a flush that takes the given time of the bubble for each group in turn.
type hold struct {
	slow
	times []time.Duration
}

func (h *hold) flush(ctx context.Context, items []string) []error {
	h.mu.Lock()
	h.groups = append(h.groups, append([]string(nil), items...))
	d := h.times[min(len(h.groups), len(h.times))-1]
	h.mu.Unlock()
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
	return make([]error, len(items))
}

func TestCommitter_FlightGathersWritesUntilItLands(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		many := bounds
		many.Flights, many.Hold = 4, 20*time.Millisecond
		h := &hold{times: []time.Duration{10 * time.Millisecond}}
		c := group.New(t.Context(), many, h.flush)
		var wg sync.WaitGroup
		start := time.Now()
		for i := range 4 {
			wg.Go(func() { assert.NoError(t, c.Do(t.Context(), "", 1, fmt.Sprint(i))) })
			synctest.Wait()
		}
		wg.Wait()
		assert.Equal(t, 20*time.Millisecond, time.Since(start))
		assert.Equal(t, [][]string{{"0"}, {"1", "2", "3"}}, h.groups)
		c.Close(t.Context())
	})
}

func TestCommitter_HangingFlightHoldsBackTheOthersOnlyForAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		many := bounds
		many.Flights, many.Hold = 3, 20*time.Millisecond
		h := &hold{times: []time.Duration{5 * time.Second, 3 * time.Second, 10 * time.Millisecond}}
		c := group.New(t.Context(), many, h.flush)
		var wg sync.WaitGroup
		start := time.Now()
		took := make([]time.Duration, 6)
		for i := range took {
			wg.Go(func() {
				err := c.Do(t.Context(), "", 1, fmt.Sprint(i))
				took[i] = time.Since(start)
				assert.NoError(t, err)
			})
			synctest.Wait()
			if i == 2 {
				sleep.For(t.Context(), 100*time.Millisecond)
				synctest.Wait()
			}
		}
		wg.Wait()
		assert.Equal(t, [][]string{{"0"}, {"1", "2"}, {"3"}, {"4", "5"}}, h.groups, "each late flight lets one more start")
		assert.Equal(t, []time.Duration{5 * time.Second, 3020 * time.Millisecond, 3020 * time.Millisecond, 110 * time.Millisecond, 120 * time.Millisecond, 120 * time.Millisecond}, took)
		c.Close(t.Context())
	})
}

func TestCommitter_CloseIsNotHeldBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		many := bounds
		many.Flights, many.Hold = 2, time.Hour
		h := &hold{times: []time.Duration{10 * time.Second, 10 * time.Millisecond}}
		c := group.New(t.Context(), many, h.flush)
		var wg sync.WaitGroup
		for _, item := range []string{"hangs", "waits"} {
			wg.Go(func() { assert.NoError(t, c.Do(t.Context(), "", 1, item)) })
			synctest.Wait()
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		c.Close(ctx)
		wg.Wait()
		assert.Equal(t, [][]string{{"hangs"}, {"waits"}}, h.groups)
	})
}

func TestCommitter_NeverTwoOfOneKeyInAGroupAndNoneOvertaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &slow{}
		c := group.New(t.Context(), bounds, s.flush)
		var wg sync.WaitGroup
		for _, item := range []string{"x0", "a1", "a2", "b1", "a3"} {
			wg.Go(func() { assert.NoError(t, c.Do(t.Context(), item[:1], 1, item)) })
			synctest.Wait()
		}
		wg.Wait()
		c.Close(t.Context())
		assert.Equal(t, [][]string{{"x0"}, {"a1", "b1"}, {"a2"}, {"a3"}}, s.groups)
	})
}

func TestCommitter_BoundedInBytesAndALargeOneGoesAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &slow{}
		c := group.New(t.Context(), bounds, s.flush)
		var wg sync.WaitGroup
		for _, it := range []struct {
			name string
			size int
		}{{"x", 1}, {"a", 60}, {"b", 60}, {"large", 1000}, {"c", 1}} {
			wg.Go(func() { assert.NoError(t, c.Do(t.Context(), "", it.size, it.name)) })
			synctest.Wait()
		}
		wg.Wait()
		c.Close(t.Context())
		assert.Equal(t, [][]string{{"x"}, {"a"}, {"b"}, {"large"}, {"c"}}, s.groups)
	})
}

func TestCommitter_EachGetsItsOwnResult(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bad := errors.New("bad")
		s := &slow{answer: func(item string) error {
			if item == "b" {
				return bad
			}
			return nil
		}}
		c := group.New(t.Context(), bounds, s.flush)
		var wg sync.WaitGroup
		for _, item := range []string{"x", "a", "b", "c"} {
			wg.Go(func() {
				err := c.Do(t.Context(), "", 1, item)
				if item == "b" {
					assert.ErrorIs(t, err, bad)
				} else {
					assert.NoError(t, err)
				}
			})
		}
		wg.Wait()
		c.Close(t.Context())
	})
}

func TestCommitter_WaiterHonoursItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &slow{}
		c := group.New(t.Context(), bounds, s.flush)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second/2)
		defer cancel()
		var wg sync.WaitGroup
		wg.Go(func() {
			err := c.Do(ctx, "", 1, "under way")
			assert.True(t, errors.Is(err, context.DeadlineExceeded) && errors.Is(err, group.ErrUnknown), err)
		})
		synctest.Wait()
		wg.Go(func() {
			err := c.Do(ctx, "", 1, "queued")
			assert.True(t, errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, group.ErrUnknown), err)
		})
		wg.Wait()
		c.Close(t.Context())
		assert.Equal(t, [][]string{{"under way"}}, s.groups, "what was under way is written, what waited is not")
	})
}

func TestCommitter_CloseWritesWhatWaitsAndRefusesTheRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &slow{}
		c := group.New(t.Context(), bounds, s.flush)
		var wg sync.WaitGroup
		for i := range 6 {
			wg.Go(func() { assert.NoError(t, c.Do(t.Context(), "", 1, fmt.Sprint(i))) })
		}
		synctest.Wait()
		c.Close(t.Context())
		wg.Wait()
		require.ErrorIs(t, c.Do(t.Context(), "", 1, "late"), group.ErrClosed)
		c.Close(t.Context())
	})
}

func TestCommitter_CloseIsBoundedByItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stuck := func(ctx context.Context, items []string) []error {
			<-ctx.Done()
			return make([]error, len(items))
		}
		c := group.New(t.Context(), bounds, stuck)
		var wg sync.WaitGroup
		wg.Go(func() { _ = c.Do(t.Context(), "", 1, "x") })
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		c.Close(ctx)
		wg.Wait()
		assert.Equal(t, time.Second, time.Since(start))
	})
}

func TestCommitter_FlushHasItsOwnTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stuck := func(ctx context.Context, _ []string) []error {
			<-ctx.Done()
			return []error{context.Cause(ctx)}
		}
		c := group.New(t.Context(), bounds, stuck)
		start := time.Now()
		require.ErrorIs(t, c.Do(t.Context(), "", 1, "x"), context.DeadlineExceeded)
		assert.Equal(t, 10*time.Second, time.Since(start))
		c.Close(t.Context())
	})
}
