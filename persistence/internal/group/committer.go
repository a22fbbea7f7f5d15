// Package group turns many small writes that meet into few large ones.
package group

import (
	"context"
	"errors"
	"sync"
	"time"
)

// ErrClosed is what a committer answers once it is closed.
var ErrClosed = errors.New("group: closed")

// ErrUnknown marks a write that its waiter gave up while it was under way: it
// may or may not take effect.
var ErrUnknown = errors.New("group: given up while under way")

// Config bounds the groups.
type Config struct {
	Flights  int           // groups under way at once
	MaxItems int           // of one group
	MaxBytes int           // of one group; a single larger item goes alone
	Timeout  time.Duration // of one flush, whatever its waiters' contexts say
}

// Flush writes the items and returns one result for each, in order.
type Flush[T any] func(ctx context.Context, items []T) []error

// Committer collects writes into groups. It is self-clocking: with a flight
// free a write goes at once and alone, else it waits for the next flight with
// all that came meanwhile, so a lone write pays nothing and a crowd shares.
// Safe for concurrent use.
type Committer[T any] struct {
	cfg   Config
	flush Flush[T]
	stop  context.CancelFunc // ends the flushes under way
	done  sync.WaitGroup     // the flights

	mu     sync.Mutex // guards following
	work   *sync.Cond // queue grew, or closed
	queue  []*waiter[T]
	flying map[string]bool // keys of the groups under way
	closed bool
}

type waiter[T any] struct {
	item   T
	key    string
	size   int
	result chan error // holds one; the flight never waits

	abandoned bool // guarded by Committer.mu; only while queued
	taken     bool // guarded by Committer.mu
}

// New starts cfg.Flights goroutines; Close stops them and waits. Only ctx's
// values are used: its end does not end the committer.
func New[T any](ctx context.Context, cfg Config, flush Flush[T]) *Committer[T] {
	ctx, stop := context.WithCancel(context.WithoutCancel(ctx)) //nolint:gosec // Close calls it
	c := &Committer[T]{cfg: cfg, flush: flush, stop: stop, flying: map[string]bool{}}
	c.work = sync.NewCond(&c.mu)
	for range max(1, cfg.Flights) {
		c.done.Go(func() { c.fly(ctx) })
	}
	return c
}

// Do writes the item with whatever else is waiting and returns its own result.
// No two items of one key are in a group or under way at once, and they go in
// the order they came, unless the key is empty. When ctx ends
// first its error is returned: joined with ErrUnknown if the write was under
// way, alone if it was not begun and never will be.
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
	c.mu.Unlock()
	c.work.Signal()

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

// Close refuses new writes, lets those that wait be written, and returns when
// all flights have ended. When ctx ends first the flushes under way are
// cancelled. It may be called again.
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

// fly is one flight: New starts it, Close ends it and waits.
func (c *Committer[T]) fly(ctx context.Context) {
	for {
		ws := c.next()
		if ws == nil {
			return
		}
		items := make([]T, len(ws))
		for i, w := range ws {
			items[i] = w.item
		}
		results := c.run(ctx, items)
		c.landed(ws)
		for i, w := range ws {
			w.result <- results[i]
		}
	}
}

func (c *Committer[T]) landed(ws []*waiter[T]) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, w := range ws {
		delete(c.flying, w.key)
	}
}

func (c *Committer[T]) run(ctx context.Context, items []T) []error {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	return c.flush(ctx, items)
}

// next waits for work and takes the oldest group; nil when closed and empty.
func (c *Committer[T]) next() []*waiter[T] {
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		if ws := c.takeLocked(); len(ws) > 0 {
			if len(c.queue) > 0 {
				c.work.Signal()
			}
			return ws
		}
		if c.closed {
			return nil
		}
		c.work.Wait()
	}
}

// takeLocked takes from the front what fits into one group; what shares a key
// with something taken or under way keeps its place for a later group. The
// flight that lands looks at the queue again, so nothing is forgotten.
func (c *Committer[T]) takeLocked() []*waiter[T] {
	var ws, rest []*waiter[T]
	bytes := 0
	for i, w := range c.queue {
		if w.abandoned {
			continue // its waiter was told that it is not begun
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
