package desk

import (
	"context"
	"sync"
	"time"
)

// recent keeps what was read for each tenant a little while, so that however
// many ask at once cost one read. Where a read fails, what an earlier one
// brought counts on for a time of its own.
type recent[T any] struct {
	life, spare time.Duration
	read        func(ctx context.Context, tenant string) (T, error)

	mu   sync.Mutex // guards following
	kept map[string]*reading[T]
	room int // how many may be kept until those that are over are looked for
}

// reading is one read, under way until done is closed; then the rest is set.
type reading[T any] struct {
	at    time.Time // when it began: what it brought is not older
	done  chan struct{}
	value T
	err   error
	last  time.Time // when the value's read began, which may be an earlier one
}

const (
	readPatience = 3 * time.Second // a read that many wait for is no caller's own
	manyReadings = 1024            // as many are kept, and twice as many as are asked for, before any is forgotten
)

func newRecent[T any](life, spare time.Duration, read func(context.Context, string) (T, error)) *recent[T] {
	return &recent[T]{life: life, spare: spare, read: read, kept: map[string]*reading[T]{}, room: manyReadings}
}

// get returns, as a value, what a read brought that began less than life ago, or joins the
// one that is under way.
func (c *recent[T]) get(ctx context.Context, tenant string) (*reading[T], error) {
	return c.since(ctx, tenant, time.Now().Add(-c.life))
}

// now returns what a read brings that begins now.
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

// enter returns the reading to wait for; where the caller is to do it, with the
// one before it.
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

// good reports whether the reading is over and has brought something.
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

// set has get return what was just written; reads under way are not kept.
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

// sweepLocked forgets what nobody has asked for lately. However many that is
// not, all of them are gone through once for as many that come.
func (c *recent[T]) sweepLocked() {
	for tenant, r := range c.kept {
		if r.good() && time.Since(r.at) > c.life+c.spare {
			delete(c.kept, tenant)
		}
	}
	c.room = max(manyReadings, 2*len(c.kept))
}
