package workqueue

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var errPoison = errors.New("poison")

// job counts tries; keys below poison fail, each try takes a while.
type job struct {
	mu     sync.Mutex // guards following
	tries  map[int]int
	at     map[int]time.Time // of the first success
	busy   map[int]bool
	clash  bool
	poison int
	takes  time.Duration
}

func (j *job) do(ctx context.Context, k int) error {
	j.mu.Lock()
	if j.busy == nil {
		j.busy, j.tries, j.at = map[int]bool{}, map[int]int{}, map[int]time.Time{}
	}
	j.clash = j.clash || j.busy[k]
	j.busy[k] = true
	j.tries[k]++
	j.mu.Unlock()
	pause(ctx, j.takes)
	j.mu.Lock()
	defer j.mu.Unlock()
	j.busy[k] = false
	if k < j.poison {
		return errPoison
	}
	if j.at[k].IsZero() {
		j.at[k] = time.Now()
	}
	return nil
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

func (j *job) sum(below int) (n int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for k, tries := range j.tries {
		if k < below {
			n += tries
		}
	}
	return n
}

func run(t *testing.T, cfg Config, j *job, f func(ctx context.Context, q *Queue[int])) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		q := New[int](cfg)
		assert.False(t, q.Add(0), "nothing is taken before Open")
		q.Open(ctx, j.do)
		f(ctx, q)
		stop()
		q.Close()
		q.Wait()
		assert.False(t, q.Add(0), "nor after Close")
		assert.Empty(t, q.keys)
	})
}

// However many keys fail, however long each try takes and however often they
// are asked for, others are done at once and tries stay few.
func TestQueue_PoisonIsInNobodysWay(t *testing.T) {
	for _, poisoned := range []int{8, 60} { // 1,000 make the race detector crash now and then: golang.org/issue/78156
		for _, takes := range []time.Duration{0, time.Second} {
			j := &job{poison: poisoned, takes: takes}
			run(t, Config{Workers: 8, Longest: 30 * time.Second}, j, func(ctx context.Context, q *Queue[int]) {
				for k := range poisoned {
					q.Add(k)
				}
				pause(ctx, 5*time.Minute) // each has failed a few times
				before := j.sum(poisoned)
				const minutes = 10
				for m := range minutes * 60 {
					began := time.Now()
					for k := range poisoned {
						q.Add(k)
					}
					healthy := poisoned + m
					q.Add(healthy)
					pause(ctx, time.Second)
					synctest.Wait()
					j.mu.Lock()
					done := j.at[healthy]
					j.mu.Unlock()
					if takes > 0 {
						pause(ctx, takes)
						synctest.Wait()
						j.mu.Lock()
						done = j.at[healthy]
						j.mu.Unlock()
					}
					if assert.False(t, done.IsZero(), "%d poisoned: key %d is not done", poisoned, healthy) {
						assert.LessOrEqual(t, done.Sub(began), takes, "at once")
					}
				}
				took := minutes * time.Minute
				if takes > 0 {
					took *= 2
				}
				tries := j.sum(poisoned) - before
				assert.LessOrEqual(t, tries, poisoned*int(took/(15*time.Second)), "half the longest delay lies between two tries")
				assert.Positive(t, tries)
				assert.Equal(t, poisoned, q.Failing())
			})
			assert.False(t, j.clash, "one worker a key")
		}
	}
}

func TestQueue_DelayGrowsAndIsForgotten(t *testing.T) {
	j := &job{poison: 1}
	run(t, Config{Workers: 1, First: time.Second, Longest: time.Hour}, j, func(ctx context.Context, q *Queue[int]) {
		q.Add(0)
		pause(ctx, 31*time.Second)
		assert.InDelta(t, 5, j.sum(1), 2, "1, 2, 4, 8 s and so on, about")
		before := j.sum(1)
		q.Retry()
		synctest.Wait()
		assert.Equal(t, before+1, j.sum(1), "what was in its way may be gone: one try")
		j.mu.Lock()
		j.poison = 0
		j.mu.Unlock()
		q.Retry()
		synctest.Wait()
		assert.Zero(t, q.Failing())
		j.mu.Lock()
		j.poison = 1
		j.mu.Unlock()
		before = j.sum(1)
		q.Add(0)
		pause(ctx, 1500*time.Millisecond)
		assert.Equal(t, before+2, j.sum(1), "it begins anew after a success")
	})
}

func TestQueue_WaitsOnceAndIsDoneAgain(t *testing.T) {
	j := &job{takes: time.Second}
	run(t, Config{Workers: 4}, j, func(ctx context.Context, q *Queue[int]) {
		for range 10 {
			assert.True(t, q.Add(1))
		}
		pause(ctx, 500*time.Millisecond)
		for range 10 {
			q.Add(1) // it is worked on: what it has read may be old
		}
		pause(ctx, 10*time.Second)
		assert.Equal(t, 2, j.sum(2))
	})
	assert.False(t, j.clash)
}

func TestQueue_IsBounded(t *testing.T) {
	j := &job{takes: time.Minute}
	run(t, Config{Workers: 1, Most: 3}, j, func(ctx context.Context, q *Queue[int]) {
		assert.True(t, q.Add(1))
		assert.True(t, q.Add(2))
		assert.True(t, q.Add(3))
		assert.False(t, q.Add(4), "there is no room")
		assert.True(t, q.Add(3), "it is in there")
		pause(ctx, 61*time.Second)
		assert.True(t, q.Add(4))
	})
}

// Close ends with keys in every state, and Wait waits for what is under way.
func TestQueue_CloseForgetsWhatWaits(t *testing.T) {
	j := &job{poison: 1, takes: 10 * time.Millisecond}
	run(t, Config{Workers: 1, First: time.Hour, Longest: time.Hour}, j, func(ctx context.Context, q *Queue[int]) {
		q.Add(0)
		pause(ctx, time.Second)
		q.Add(1)
		q.Add(2)
		synctest.Wait()
		q.Close()
		assert.True(t, q.Closed())
		q.Retry()
	})
	assert.Equal(t, 1, j.tries[0])
	assert.Zero(t, j.tries[2])
}
