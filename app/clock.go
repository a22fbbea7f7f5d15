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
	// skewTold is the difference between the pod's clock and Redis' above which
	// the log warns. NTP keeps clocks within a fraction of it.
	skewTold = 5 * time.Second
	// skewMost is the difference above which the pod is not ready: it would
	// refuse tokens that other pods accept, and accept expired ones.
	skewMost = api.Leeway
)

// podClock tracks how far the pod's clock is ahead of Redis'.
type podClock struct {
	told *outage.Outage

	mu    sync.Mutex // guards following
	ahead time.Duration
	wrong bool // the pod's clock is off, and another pod agrees with Redis
}

// seconds returns how far the clock is ahead.
func (c *podClock) seconds() float64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ahead.Seconds()
}

// state returns why the pod must not serve because of its clock, or "".
func (c *podClock) state() outage.Kind {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.wrong {
		return outage.Clock
	}
	return ""
}

// judgeClock compares the pod's clock with Redis'. sent is the pod's time when a
// heartbeat began, redis is Redis' time when it arrived, and took is how long the
// heartbeat took. Redis' clock may be the wrong one, which must not stop all
// pods. So a pod that differs by more than skewMost is wrong only if another pod
// agrees with Redis.
func (a *App) judgeClock(ctx context.Context, sent, redis time.Time, took time.Duration) {
	ahead := sent.Add(took / 2).Sub(redis)
	if ahead.Abs() <= took/2 { // within the precision of the measurement
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

// othersAgree reports whether another pod's clock agrees with Redis'.
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

// now returns the time of the pod's clock.
func (a *App) now() time.Time {
	if a.opts.Clock != nil {
		return a.opts.Clock()
	}
	return time.Now()
}
