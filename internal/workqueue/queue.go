// Package workqueue does work for keys in the background. Each key waits at
// most once, is worked on by one worker at a time, and after a failure waits by
// itself for longer each time, so that what keeps failing is in nobody's way.
package workqueue

import (
	"cmp"
	"context"
	"math/rand/v2"
	"sync"
	"time"
)

// Config bounds a queue.
type Config struct {
	Workers int // keys worked on at once
	// Most is how many keys may be in the queue, those that wait for their delay
	// included; 0: a hundred thousand. What comes beyond is dropped: whoever adds
	// must find it again.
	Most int
	// First and Longest are the delays after one failure and after many; each
	// failure doubles the delay, and what is waited is half of it to one and a
	// half. 0: 200 ms and 30 s.
	First, Longest time.Duration
}

// Queue works on keys. Those that have not failed go first: keys that have
// failed have at most half of the workers (where there is only one they share
// it), so that however many there are, and however long each takes, others find
// one. Safe for concurrent use.
type Queue[K comparable] struct {
	cfg Config
	wg  sync.WaitGroup // the workers

	mu       sync.Mutex                           // guards following
	ctx      context.Context                      //nolint:containedctx // of the workers, from Open on
	do       func(ctx context.Context, k K) error // from Open on
	keys     map[K]*entry
	fresh    []K // due, and the last time was no failure
	failed   []K // due again after a failure
	workers  int
	retrying int // workers that have a failed key
	closed   bool
}

type entry struct {
	failures int
	state    state
	again    bool        // added while it was worked on
	timer    *time.Timer // in state delayed
}

type state int

const (
	queued state = iota
	working
	delayed
)

// New makes a queue that takes nothing before Open.
func New[K comparable](cfg Config) *Queue[K] {
	cfg.Workers = max(1, cfg.Workers)
	cfg.Most = cmp.Or(cfg.Most, 100_000)
	cfg.First, cfg.Longest = cmp.Or(cfg.First, 200*time.Millisecond), cmp.Or(cfg.Longest, 30*time.Second)
	return &Queue[K]{cfg: cfg, keys: map[K]*entry{}, closed: true}
}

// Open has the queue take keys. do works on one key, in up to Config.Workers
// goroutines; ctx is the workers' context. After an error of do the key waits and
// is tried again. The work is named here and not in New, so that whoever adds to
// a queue need not know who works on it.
func (q *Queue[K]) Open(ctx context.Context, do func(ctx context.Context, k K) error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.ctx, q.do, q.closed = ctx, do, false
}

// Add has the key worked on soon. One that is worked on already is worked on
// once more afterwards, one that waits already is not added again, and one that
// waits for its delay goes on waiting: asking more often brings no more tries.
// It reports whether the key is in the queue, and never blocks.
func (q *Queue[K]) Add(k K) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return false
	}
	if e := q.keys[k]; e != nil {
		e.again = e.again || e.state == working
		return true
	}
	if len(q.keys) >= q.cfg.Most {
		return false
	}
	q.keys[k] = &entry{}
	q.fresh = append(q.fresh, k)
	q.startLocked()
	return true
}

// Retry has all keys that wait for their delay tried now, and once: what was in
// their way may be gone.
func (q *Queue[K]) Retry() {
	q.mu.Lock()
	defer q.mu.Unlock()
	for k, e := range q.keys {
		if e.state == delayed && e.timer.Stop() {
			q.dueLocked(k, e)
		}
	}
}

// Close takes nothing more and forgets what waits; what is worked on goes on.
func (q *Queue[K]) Close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.fresh, q.failed = nil, nil
	for k, e := range q.keys {
		if e.state == delayed {
			e.timer.Stop()
		}
		if e.state != working {
			delete(q.keys, k)
		}
	}
}

// Closed reports whether nothing more is taken.
func (q *Queue[K]) Closed() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.closed
}

// Wait returns when the workers of a closed queue have ended.
func (q *Queue[K]) Wait() { q.wg.Wait() }

// Failing is how many keys have failed and are to be tried again.
func (q *Queue[K]) Failing() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := 0
	for _, e := range q.keys {
		if e.failures > 0 {
			n++
		}
	}
	return n
}

// dueLocked has a key whose delay is over wait for a worker.
func (q *Queue[K]) dueLocked(k K, e *entry) {
	e.state, e.timer = queued, nil
	q.failed = append(q.failed, k)
	q.startLocked()
}

// startLocked starts a worker where one is missing. It ends when it finds
// nothing to do; Wait waits for it.
func (q *Queue[K]) startLocked() {
	if q.closed || q.workers >= q.cfg.Workers {
		return
	}
	q.workers++
	q.wg.Go(q.work)
}

func (q *Queue[K]) work() {
	for {
		k, e, ok := q.next()
		if !ok {
			return
		}
		retry := e.failures > 0
		err := q.do(q.ctx, k) // neither changes while a worker runs
		q.done(k, e, retry, err)
	}
}

// next takes a key; false, and the worker is over, where there is none for it.
func (q *Queue[K]) next() (k K, e *entry, ok bool) { //nolint:ireturn // the key is whatever the queue is of
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case len(q.fresh) > 0:
		k, q.fresh = q.fresh[0], q.fresh[1:]
	case len(q.failed) > 0 && q.retrying < max(1, q.cfg.Workers/2):
		k, q.failed = q.failed[0], q.failed[1:]
		q.retrying++
	default:
		q.workers--
		return k, nil, false
	}
	e = q.keys[k]
	e.state, e.again = working, false
	return k, e, true
}

func (q *Queue[K]) done(k K, e *entry, retry bool, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if retry {
		q.retrying--
	}
	switch {
	case q.closed:
		delete(q.keys, k)
	case err != nil:
		e.failures++
		e.state = delayed
		e.timer = time.AfterFunc(q.delay(e.failures), func() { q.wake(k, e) })
	case e.again:
		e.failures, e.state = 0, queued
		q.fresh = append(q.fresh, k)
	default:
		delete(q.keys, k)
	}
}

// wake is called when a key's delay is over, unless that was put an end to.
func (q *Queue[K]) wake(k K, e *entry) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.keys[k] == e && e.state == delayed {
		q.dueLocked(k, e)
	}
}

func (q *Queue[K]) delay(failures int) time.Duration {
	d := q.cfg.First
	for i := 1; i < failures && d < q.cfg.Longest; i++ {
		d *= 2
	}
	d = min(d, q.cfg.Longest)
	return d/2 + rand.N(d) //nolint:gosec // jitter needs no secrecy
}
