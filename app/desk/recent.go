package desk

import (
	"context"
	"sync"
	"time"
)

// recent caches a read per tenant, so that many concurrent callers cost one read.
// If a read fails, the previous value stays valid for a longer time, spare.
type recent[T any] struct {
	life, spare time.Duration
	read        func(ctx context.Context, tenant string) (T, error)

	mu   sync.Mutex // guards following
	kept map[string]*reading[T]
	room int // size at which expired entries are removed
}

// reading is one read. It runs until done is closed; the other fields are set
// then.
type reading[T any] struct {
	at    time.Time // when the read began; the value is not older
	done  chan struct{}
	value T
	err   error
	last  time.Time // when the read of the value began; earlier than at if this read failed
}

const (
	readPatience = 3 * time.Second // timeout of a shared read, independent of its callers' contexts
	manyReadings = 1024            // minimum number of entries before any is removed
)

func newRecent[T any](life, spare time.Duration, read func(context.Context, string) (T, error)) *recent[T] {
	return &recent[T]{life: life, spare: spare, read: read, kept: map[string]*reading[T]{}, room: manyReadings}
}

// get returns a read that began less than life ago, or joins the running one.
func (c *recent[T]) get(ctx context.Context, tenant string) (*reading[T], error) {
	return c.since(ctx, tenant, time.Now().Add(-c.life))
}

// now returns a read that begins now.
func (c *recent[T]) now(ctx context.Context, tenant string) (*reading[T], error) {
	return c.since(ctx, tenant, time.Now())
}

func (c *recent[T]) since(ctx context.Context, tenant string, oldest time.Time) (*reading[T], error) {
	r, mine := c.enter(tenant, oldest)
	if mine != nil {
		c.fill(ctx, tenant, r, mine)
	}
	select {
	case <-r.done:
		return r, r.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// enter returns the reading to wait for. If the caller must do the read itself,
// before is the previous reading; otherwise it is nil.
func (c *recent[T]) enter(tenant string, oldest time.Time) (r, before *reading[T]) {
	c.mu.Lock()
	defer c.mu.Unlock()
	before = c.kept[tenant]
	if before != nil && !before.at.Before(oldest) {
		return before, nil
	}
	if before == nil {
		before = &reading[T]{}
	}
	if len(c.kept) >= c.room {
		c.sweepLocked()
	}
	r = &reading[T]{at: time.Now(), done: make(chan struct{})}
	c.kept[tenant] = r
	return r, before
}

func (c *recent[T]) fill(ctx context.Context, tenant string, r, before *reading[T]) {
	by := time.Now().Add(readPatience)
	if d, ok := ctx.Deadline(); ok && d.Before(by) {
		by = d
	}
	ctx, cancel := context.WithDeadline(context.WithoutCancel(ctx), by)
	defer cancel()
	r.value, r.err = c.read(ctx, tenant)
	r.last = r.at
	if r.err != nil {
		if before.good() && time.Since(before.last) < c.spare {
			r.value, r.err, r.last = before.value, nil, before.last
		}
	}
	failed := r.err != nil
	close(r.done)
	if failed {
		c.forget(tenant, r)
	}
}

// good reports whether the reading has ended and has a value.
func (r *reading[T]) good() bool {
	if r.done == nil {
		return false
	}
	select {
	case <-r.done:
		return r.err == nil
	default:
		return false
	}
}

// set caches a value that was just written. A running read is discarded, because
// it may miss the write.
func (c *recent[T]) set(tenant string, value T) {
	done := make(chan struct{})
	close(done)
	now := time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.kept[tenant] = &reading[T]{at: now, done: done, value: value, last: now}
}

func (c *recent[T]) forget(tenant string, r *reading[T]) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.kept[tenant] == r {
		delete(c.kept, tenant)
	}
}

// sweepLocked removes expired entries. It then doubles room beyond those left, so
// the cost is constant per new entry.
func (c *recent[T]) sweepLocked() {
	for tenant, r := range c.kept {
		if r.good() && time.Since(r.at) > c.life+c.spare {
			delete(c.kept, tenant)
		}
	}
	c.room = max(manyReadings, 2*len(c.kept))
}
