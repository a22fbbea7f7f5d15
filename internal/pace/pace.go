// Package pace spreads what each of many keys does over time.
package pace

import (
	"sync"
	"time"
)

const (
	maxKeys = 100_000 // that are remembered; beyond that nobody new is paced
	swept   = time.Minute
)

// Pace lets each key act so many times a second, and in a burst before that. What
// comes earlier is given a later moment, in the order in which it was asked for.
// It is safe for concurrent use and starts nothing.
type Pace[K comparable] struct {
	every time.Duration // between two acts of a key
	burst time.Duration // how far a key may be ahead of that

	mu    sync.Mutex      // guards following
	next  map[K]time.Time // when the key's next act would be due without a burst
	sweep time.Time       // when those that are over are forgotten
}

// New makes a pace of perSecond acts, of which burst may be at once; both are
// positive.
func New[K comparable](perSecond, burst int) *Pace[K] {
	every := time.Second / time.Duration(perSecond)
	return &Pace[K]{every: every, burst: time.Duration(burst-1) * every, next: map[K]time.Time{}}
}

// Take takes the key's next moment and returns how far away it is. Where that is
// beyond patience nothing is taken and ok is false.
func (p *Pace[K]) Take(k K, now time.Time, patience time.Duration) (wait time.Duration, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sweepLocked(now)
	next, known := p.next[k]
	if !known && len(p.next) >= maxKeys {
		return 0, true
	}
	if next.Before(now) {
		next = now
	}
	if wait = max(0, next.Sub(now)-p.burst); wait > patience {
		return wait, false
	}
	p.next[k] = next.Add(p.every)
	return wait, true
}

// sweepLocked forgets keys that have their whole burst again.
func (p *Pace[K]) sweepLocked(now time.Time) {
	if now.Before(p.sweep) {
		return
	}
	p.sweep = now.Add(swept)
	for k, next := range p.next {
		if next.Before(now) {
			delete(p.next, k)
		}
	}
}
