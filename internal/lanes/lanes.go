// Package lanes bounds how many acts are done at once, in all and for each of
// those who ask for them.
package lanes

import (
	"context"
	"sync"
)

// Lanes is a number of lanes, some of which may be one key's at once. It is safe
// for concurrent use.
type Lanes[K comparable] struct {
	all  chan struct{} // holds one for each act under way; never closed
	each int

	mu sync.Mutex // guards of
	of map[K]*share
}

// share is what one key has of the lanes.
type share struct {
	lanes chan struct{} // as those of Lanes
	acts  int           // those that wait included
}

// New makes so many lanes, of which each key may have so many at once.
func New[K comparable](all, each int) *Lanes[K] {
	return &Lanes[K]{all: make(chan struct{}, all), each: each, of: map[K]*share{}}
}

// Enter waits for a lane until ctx ends, and then returns its cause. leave gives
// the lane back; it is called once. Acts of one key enter in the order in which
// they came.
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

// Acts is how many acts are under way or waiting.
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
