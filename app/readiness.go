package app

import (
	"context"
	"sync"
	"time"
)

// checkWithin bounds a readiness check: the answer comes within a second.
const checkWithin = 700 * time.Millisecond

// Check asks Redis and the history for a sign of life and whether the pod
// hears itself through Redis. A pod that has not read yet who is shut out is
// not ready, as if the history did not answer. llm is informational: a model that is away makes
// answers fail, not the pod.
func (a *App) Check(ctx context.Context) (ready bool, checks map[string]bool) {
	ctx, cancel := context.WithTimeout(ctx, checkWithin)
	defer cancel()
	var redis, mongo bool
	var wg sync.WaitGroup
	wg.Go(func() { redis = a.redis.Ping(ctx) == nil })
	wg.Go(func() { mongo = a.stores.Ping(ctx) == nil && a.gate.Informed() })
	wg.Wait()
	checks = map[string]bool{
		"redis": redis, "mongodb": mongo, "bus": a.bus.Healthy(), "llm": len(a.service.Models()) > 0,
	}
	return redis && mongo && checks["bus"] && !a.draining.Load(), checks
}
