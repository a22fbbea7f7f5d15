// Package workqueue processes keys in the background. Each key waits at most
// once and is processed by one worker at a time. After a failure a key backs
// off, for longer each time, so that it does not delay other keys.
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
	Workers int // keys processed concurrently
	// Most bounds the number of keys in the queue, including those that back
	// off; 0: 100,000. Further keys are dropped, so their callers must be able
	// to add them again.
	Most int
	// First and Longest are the back-off after one failure and after many.
	// Each failure doubles it, and the actual delay varies between 50% and
	// 150%. 0: 200 ms and 30 s.
	First, Longest time.Duration
}

// Queue processes keys. Keys that have not failed go first. Failed keys occupy
// at most half of the workers (a single worker is shared), so that they cannot
// block the others, however many they are and however long each takes. It is
// safe for concurrent use.
type Queue[K comparable] struct {
	cfg Config
	wg  sync.WaitGroup // the workers

	mu       sync.Mutex                           // guards following
	ctx      context.Context                      //nolint:containedctx // of the workers; set by Open
	do       func(ctx context.Context, k K) error // set by Open
	keys     map[K]*entry
	fresh    []K // waiting, and the last run did not fail
	failed   []K // waiting again after a failure
	workers  int
	retrying int // workers that process a failed key
	closed   bool
}

type entry struct {
	failures int
	state    state
	again    bool        // added while it was being processed
	timer    *time.Timer // in state delayed
}

type state int

const (
	queued state = iota
	working
	delayed
)

// New returns a queue that accepts no keys before Open.
func New[K comparable](cfg Config) *Queue[K] {
	cfg.Workers = max(1, cfg.Workers)
	cfg.Most = cmp.Or(cfg.Most, 100_000)
	cfg.First, cfg.Longest = cmp.Or(cfg.First, 200*time.Millisecond), cmp.Or(cfg.Longest, 30*time.Second)
	return &Queue[K]{cfg: cfg, keys: map[K]*entry{}, closed: true}
}

// Open makes the queue accept keys. do processes one key and runs in up to
// Config.Workers goroutines with ctx. If it returns an error, the key backs
// off and is retried. do is passed here and not to New, so that code that only
// adds keys need not know it.
func (q *Queue[K]) Open(ctx context.Context, do func(ctx context.Context, k K) error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.ctx, q.do, q.closed = ctx, do, false
}

// Add queues the key for processing. A key that is being processed is
// processed once more afterwards. A key that waits already is not added again.
// A key that backs off keeps its delay. Add reports whether the key is in the
// queue, and never blocks.
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

// Has reports whether the key is in the queue or is being processed.
func (q *Queue[K]) Has(k K) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.keys[k] != nil
}

// Retry ends the back-off of all keys once: the cause of their failures may be
// gone.
func (q *Queue[K]) Retry() {
	q.mu.Lock()
	defer q.mu.Unlock()
	for k, e := range q.keys {
		if e.state == delayed && e.timer.Stop() {
			q.dueLocked(k, e)
		}
	}
}

// Close makes the queue accept no more keys and drops the waiting ones. Keys
// in process are finished.
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

// Closed reports whether the queue accepts no keys.
func (q *Queue[K]) Closed() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.closed
}

// Wait returns when the workers of a closed queue have ended.
func (q *Queue[K]) Wait() { q.wg.Wait() }

// Waiting returns the number of keys that wait for a worker. Keys that back off
// are not counted.
func (q *Queue[K]) Waiting() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.fresh) + len(q.failed)
}

// Failing returns the number of keys that have failed and will be retried.
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

// dueLocked queues a key whose back-off is over.
func (q *Queue[K]) dueLocked(k K, e *entry) {
	e.state, e.timer = queued, nil
	q.failed = append(q.failed, k)
	q.startLocked()
}

// startLocked starts a worker unless all are running. A worker ends when it
// finds no key. Wait waits for it.
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

// next takes a key. It returns false and ends the worker if there is none for
// it.
func (q *Queue[K]) next() (k K, e *entry, ok bool) { //nolint:ireturn // the type parameter of the queue
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

// wake is called when a key's back-off is over, unless it was cancelled.
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
