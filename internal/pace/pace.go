// Package pace spreads the acts of each of many keys over time.
package pace

import (
	"sync"
	"time"
)

const (
	maxKeys = 100_000 // further keys are not paced
	swept   = time.Minute
)

// Pace lets each key act a number of times per second, and in a burst before
// that. Acts that come too early get later moments, in the order of the calls.
// It is safe for concurrent use and starts no goroutine.
type Pace[K comparable] struct {
	every time.Duration // between two acts of a key
	burst time.Duration // how far a key may be ahead of that

	mu    sync.Mutex      // guards following
	next  map[K]time.Time // when the key's next act would be due without a burst
	sweep time.Time       // when keys with a whole burst are removed
}

// New returns a pace of perSecond acts, and of burst acts at once. Both must be
// positive.
func New[K comparable](perSecond, burst int) *Pace[K] {
	every := time.Second / time.Duration(perSecond)
	return &Pace[K]{every: every, burst: time.Duration(burst-1) * every, next: map[K]time.Time{}}
}

// Take takes the key's next moment and returns how far away it is. If that is
// longer than longest, it takes nothing and ok is false.
func (p *Pace[K]) Take(k K, now time.Time, longest time.Duration) (wait time.Duration, ok bool) {
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
	if wait = max(0, next.Sub(now)-p.burst); wait > longest {
		return wait, false
	}
	p.next[k] = next.Add(p.every)
	return wait, true
}

// sweepLocked removes keys that have their whole burst again.
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
