package app

import (
	"context"
	"fmt"
	"sync"
	"time"

	"chatbox/app/api"
	"chatbox/internal/outage"
)

const (
	// skewTold is how far the pod's clock may be from Redis' before the log says
	// so. NTP keeps clocks within a fraction of it.
	skewTold = 5 * time.Second
	// skewMost is how far it may be before the pod refuses tokens that other pods
	// accept, and accepts tokens that have expired.
	skewMost = api.Leeway
)

// podClock follows how far the pod's clock is ahead of Redis'.
type podClock struct {
	told *outage.Outage

	mu    sync.Mutex // guards following
	ahead time.Duration
	wrong bool // and another pod's is not
}

// seconds is how far the clock is ahead.
func (c *podClock) seconds() float64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ahead.Seconds()
}

// state is why the pod must not serve by its clock; "" where it may.
func (c *podClock) state() outage.Kind {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.wrong {
		return outage.Clock
	}
	return ""
}

// judgeClock compares the pod's clock with Redis'. sent and redis are what the
// two said when a heartbeat began and arrived; took is how long the heartbeat
// took. Redis' clock may be the wrong one, and must not end the whole service: a
// pod that differs by more than skewMost is wrong only if another pod agrees
// with Redis.
func (a *App) judgeClock(ctx context.Context, sent, redis time.Time, took time.Duration) {
	ahead := sent.Add(took / 2).Sub(redis)
	if ahead.Abs() <= took/2 { // as far as can be told it is right
		ahead = 0
	}
	wrong := ahead.Abs() > skewMost && a.othersAgree(ctx)
	a.clock.mu.Lock()
	a.clock.ahead, a.clock.wrong = ahead, wrong
	a.clock.mu.Unlock()
	var err error
	if ahead.Abs() > skewTold {
		err = outage.As(outage.Clock, fmt.Errorf("the clock is %v ahead of Redis'", ahead.Round(time.Millisecond)))
	}
	a.clock.told.Note(ctx, err)
}

// othersAgree reports whether the clock of another pod is near Redis'.
func (a *App) othersAgree(ctx context.Context) bool {
	skews, err := a.redis.Skews(ctx)
	if err != nil {
		a.log.DebugContext(ctx, "clocks of pods not compared", "error", err)
		return false
	}
	for id, skew := range skews {
		if id != a.id && skew.Abs() <= skewMost {
			return true
		}
	}
	return false
}

// now is the pod's clock.
func (a *App) now() time.Time {
	if a.opts.Clock != nil {
		return a.opts.Clock()
	}
	return time.Now()
}
