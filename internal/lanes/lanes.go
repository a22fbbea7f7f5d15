// Package lanes bounds the number of concurrent operations, in total and per
// key, and the part of the time that each key may use.
package lanes

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// MaxRest is the longest time that a key waits because of the time that its
// earlier operations took.
const MaxRest = 5 * time.Second

// ErrShare reports that the key's own operations were in the way.
var ErrShare = errors.New("the share of the lanes is used up")

// Config is the number of lanes and what one key may have of them.
type Config struct {
	All  int // concurrent operations
	Each int // concurrent operations of one key
	// Part is the part of the time that one key's operations may take: 3 is a
	// third; 0 is no limit. Free is the time that they may take in addition
	// before the key waits. All of it is available again after Part times as long
	// without operations.
	Part int
	Free time.Duration
}

// Lanes is a set of lanes, of which each key may hold only some. It is safe for
// concurrent use.
type Lanes[K comparable] struct {
	cfg Config
	all chan struct{} // holds one token per running operation; never closed

	mu sync.Mutex // guards of and the shares in it
	of map[K]*share
}

// share is the part of the lanes held by one key.
type share struct {
	lanes chan struct{} // like Lanes.all
	acts  int           // including those that wait or rest
	due   time.Time     // until then the key's operations have used up its part of the time
	kept  bool          // a timer will check whether the share can be removed
}

// New returns lanes without operations.
func New[K comparable](cfg Config) *Lanes[K] {
	return &Lanes[K]{cfg: cfg, all: make(chan struct{}, cfg.All), of: map[K]*share{}}
}

// Enter waits for a lane. If ctx ends first, it returns the cause of ctx, wrapped
// in ErrShare if the key's own operations were in the way. The caller calls leave
// once to release the lane. Operations of one key enter in the order of their
// calls.
func (l *Lanes[K]) Enter(ctx context.Context, k K) (leave func(), err error) {
	own := l.join(k)
	if !enter(ctx, own.lanes) {
		l.part(k, own)
		return nil, fmt.Errorf("%w: %w", ErrShare, context.Cause(ctx))
	}
	if !enter(ctx, l.all) {
		<-own.lanes
		l.part(k, own)
		return nil, context.Cause(ctx)
	}
	began := time.Now()
	return func() { l.leave(k, own, time.Since(began)) }, nil
}

// TryEnter is Enter without waiting.
func (l *Lanes[K]) TryEnter(ctx context.Context, k K) (leave func(), err error) {
	ctx, cancel := context.WithTimeout(ctx, 0)
	defer cancel()
	return l.Enter(ctx, k)
}

// enter reports whether a lane was free before ctx ended.
func enter(ctx context.Context, lanes chan struct{}) bool {
	select {
	case lanes <- struct{}{}:
		return true
	default:
	}
	select {
	case lanes <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

// leave releases the lane of an operation: for other keys now, for its own key
// after the rest.
func (l *Lanes[K]) leave(k K, own *share, took time.Duration) {
	<-l.all
	free := func() {
		<-own.lanes
		l.part(k, own)
	}
	if rest := l.spend(own, took); rest > 0 {
		time.AfterFunc(rest, free)
		return
	}
	free()
}

// spend adds the time that an operation took, and returns how long the key has
// to wait for it.
func (l *Lanes[K]) spend(own *share, took time.Duration) (rest time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now, free := time.Now(), time.Duration(l.cfg.Part)*l.cfg.Free
	if own.due.Before(now) {
		own.due = now
	}
	own.due = own.due.Add(time.Duration(l.cfg.Part) * took)
	if most := now.Add(free + MaxRest); own.due.After(most) {
		own.due = most
	}
	return own.due.Sub(now) - free
}

// Acts returns the number of operations that run, wait or rest.
func (l *Lanes[K]) Acts() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for _, own := range l.of {
		n += own.acts
	}
	return n
}

func (l *Lanes[K]) join(k K) *share {
	l.mu.Lock()
	defer l.mu.Unlock()
	own := l.of[k]
	if own == nil {
		own = &share{lanes: make(chan struct{}, l.cfg.Each)}
		l.of[k] = own
	}
	own.acts++
	return own
}

func (l *Lanes[K]) part(k K, own *share) {
	l.mu.Lock()
	defer l.mu.Unlock()
	own.acts--
	l.forgetLocked(k, own)
}

// forgetLocked removes the share of a key without operations once the key's rest
// is over.
func (l *Lanes[K]) forgetLocked(k K, own *share) {
	if own.acts > 0 || own.kept {
		return
	}
	wait := time.Until(own.due)
	if wait <= 0 {
		delete(l.of, k)
		return
	}
	own.kept = true
	time.AfterFunc(wait, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		own.kept = false
		l.forgetLocked(k, own)
	})
}
