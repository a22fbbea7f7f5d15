// Package group combines concurrent small writes into fewer large ones.
package group

import (
	"context"
	"errors"
	"sync"
	"time"
)

// ErrClosed is returned by a committer that is closed.
var ErrClosed = errors.New("group: closed")

// ErrUnknown marks a write that its caller abandoned while it was being written.
// It may or may not take effect.
var ErrUnknown = errors.New("group: abandoned while being written")

// Config limits the groups.
type Config struct {
	Flights int // groups written at once
	// Hold is how long a flight holds back the others, so that the writes that
	// arrive meanwhile share the next one. A flight that takes longer, because the
	// server is far away or hangs, no longer holds them back. 0: flights do not wait
	// for each other.
	Hold     time.Duration
	MaxItems int           // of one group
	MaxBytes int           // of one group; a single larger item goes alone
	Timeout  time.Duration // of one flush, independent of the callers' contexts
}

// Flush writes the items and returns one result for each, in order.
type Flush[T any] func(ctx context.Context, items []T) []error

// Committer collects writes into groups. If no flight holds it back, a write
// starts at once and alone. Otherwise it waits for the next flight, together with
// all writes that arrive meanwhile. So a single write has no extra delay, and the
// groups grow with the load. It is safe for concurrent use.
type Committer[T any] struct {
	cfg   Config
	flush Flush[T]
	stop  context.CancelFunc // cancels the running flushes
	done  sync.WaitGroup     // the flights

	mu      sync.Mutex // guards following
	work    *sync.Cond // signals that queue grew, or closed
	queue   []*waiter[T]
	flying  map[string]bool // keys of the groups being written
	holding int             // flights that hold back the others
	closed  bool
}

// flight is one group being written.
type flight[T any] struct {
	waiters []*waiter[T]
	late    *time.Timer // ends Hold; nil without
	holding bool        // counted in Committer.holding; guarded by its mu
}

type waiter[T any] struct {
	item   T
	key    string
	size   int
	result chan error // capacity 1, so that the flight never blocks

	abandoned bool // guarded by Committer.mu; only while queued
	taken     bool // guarded by Committer.mu
}

// New starts cfg.Flights goroutines, which Close stops and waits for. Only the
// values of ctx are used: its cancellation does not stop the committer.
func New[T any](ctx context.Context, cfg Config, flush Flush[T]) *Committer[T] {
	ctx, stop := context.WithCancel(context.WithoutCancel(ctx)) //nolint:gosec // Close calls it
	c := &Committer[T]{cfg: cfg, flush: flush, stop: stop, flying: map[string]bool{}}
	c.work = sync.NewCond(&c.mu)
	for range max(1, cfg.Flights) {
		c.done.Go(func() { c.fly(ctx) })
	}
	return c
}

// Do writes the item in a group and returns the item's own result. Unless the key
// is empty, no two items with one key are in a group or being written at once,
// and they are written in order of arrival. If ctx ends first, Do returns its
// error: joined with ErrUnknown if the write had started, alone if it had not
// started and never will.
func (c *Committer[T]) Do(ctx context.Context, key string, size int, item T) error {
	w := &waiter[T]{item: item, key: key, size: size, result: make(chan error, 1)}
	if err := ctx.Err(); err != nil {
		return err
	}
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return ErrClosed
	}
	c.queue = append(c.queue, w)
	held := c.holding > 0 // the flight looks at the queue when it lands or is late
	c.mu.Unlock()
	if !held {
		c.work.Signal()
	}

	select {
	case err := <-w.result:
		return err
	case <-ctx.Done():
	}
	c.mu.Lock()
	w.abandoned = true
	taken := w.taken
	c.mu.Unlock()
	if !taken {
		return ctx.Err()
	}
	select {
	case err := <-w.result:
		return err
	default:
		return errors.Join(ErrUnknown, ctx.Err())
	}
}

// Close refuses new writes, finishes the queued ones and returns when all flights
// have ended. If ctx ends first, the running flushes are cancelled. It may be
// called repeatedly.
func (c *Committer[T]) Close(ctx context.Context) {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.work.Broadcast()
	release := context.AfterFunc(ctx, c.stop)
	c.done.Wait()
	release()
	c.stop()
}

// fly starts one flight after another. New starts its goroutine; Close stops it and
// waits.
func (c *Committer[T]) fly(ctx context.Context) {
	for {
		f := c.next()
		if f == nil {
			return
		}
		items := make([]T, len(f.waiters))
		for i, w := range f.waiters {
			items[i] = w.item
		}
		results := c.run(ctx, items)
		c.landed(f)
		for i, w := range f.waiters {
			w.result <- results[i]
		}
	}
}

func (c *Committer[T]) landed(f *flight[T]) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, w := range f.waiters {
		delete(c.flying, w.key)
	}
	if f.late != nil {
		f.late.Stop()
	}
	c.releaseLocked(f) // this goroutine looks at the queue next
}

// overdue lets the other flights start although this one has not landed.
func (c *Committer[T]) overdue(f *flight[T]) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.releaseLocked(f)
	c.work.Signal()
}

func (c *Committer[T]) releaseLocked(f *flight[T]) {
	if f.holding {
		f.holding = false
		c.holding--
	}
}

func (c *Committer[T]) run(ctx context.Context, items []T) []error {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	return c.flush(ctx, items)
}

// next waits for work and returns the oldest group, or nil when closed and empty.
func (c *Committer[T]) next() *flight[T] {
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		if c.holding == 0 || c.closed {
			if ws := c.takeLocked(); len(ws) > 0 {
				return c.startLocked(ws)
			}
		}
		if c.closed { // a flight that holds back the rest takes it when it lands
			return nil
		}
		c.work.Wait()
	}
}

func (c *Committer[T]) startLocked(ws []*waiter[T]) *flight[T] {
	f := &flight[T]{waiters: ws}
	if c.cfg.Hold > 0 {
		f.holding = true
		c.holding++
		f.late = time.AfterFunc(c.cfg.Hold, func() { c.overdue(f) })
	} else if len(c.queue) > 0 {
		c.work.Signal()
	}
	return f
}

// takeLocked removes from the queue's front what fits into one group. An item
// that shares its key with an item in this group or being written stays in the
// queue. Each flight looks at the queue again when it is done, so no item is left
// behind.
func (c *Committer[T]) takeLocked() []*waiter[T] {
	var ws, rest []*waiter[T]
	bytes := 0
	for i, w := range c.queue {
		if w.abandoned {
			continue // its caller has returned with the answer that it never starts
		}
		full := len(ws) >= c.cfg.MaxItems || len(ws) > 0 && bytes+w.size > c.cfg.MaxBytes
		if full {
			rest = append(rest, c.queue[i:]...)
			break
		}
		if w.key != "" && c.flying[w.key] {
			rest = append(rest, w)
			continue
		}
		c.flying[w.key] = true
		w.taken = true
		bytes += w.size
		ws = append(ws, w)
	}
	c.queue = rest
	return ws
}
