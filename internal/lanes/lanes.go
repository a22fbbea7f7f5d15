// Package lanes bounds the number of concurrent operations, in total and per
// key.
package lanes

import (
	"context"
	"sync"
)

// Lanes is a set of lanes, of which each key may hold only some. It is safe
// for concurrent use.
type Lanes[K comparable] struct {
	all  chan struct{} // holds one token per running operation; never closed
	each int

	mu sync.Mutex // guards of
	of map[K]*share
}

// share is the part of the lanes held by one key.
type share struct {
	lanes chan struct{} // like Lanes.all
	acts  int           // including waiting ones
}

// New returns all lanes, of which each key may hold each at once.
func New[K comparable](all, each int) *Lanes[K] {
	return &Lanes[K]{all: make(chan struct{}, all), each: each, of: map[K]*share{}}
}

// Enter waits for a lane. If ctx ends first, it returns the cause of ctx. The
// caller calls leave once to release the lane. Operations of one key enter in
// the order of their calls.
func (l *Lanes[K]) Enter(ctx context.Context, k K) (leave func(), err error) {
	own := l.join(k)
	for i, lanes := range []chan struct{}{own.lanes, l.all} {
		select {
		case lanes <- struct{}{}:
		case <-ctx.Done():
			if i > 0 {
				<-own.lanes
			}
			l.part(k, own)
			return nil, context.Cause(ctx)
		}
	}
	return func() { <-l.all; <-own.lanes; l.part(k, own) }, nil
}

// Acts returns the number of running and waiting operations.
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
		own = &share{lanes: make(chan struct{}, l.each)}
		l.of[k] = own
	}
	own.acts++
	return own
}

func (l *Lanes[K]) part(k K, own *share) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if own.acts--; own.acts == 0 {
		delete(l.of, k)
	}
}
