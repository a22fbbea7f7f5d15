package app

import (
	"context"
	"sync"
	"time"

	"chatbox/internal/outage"
	"chatbox/redisstate"
)

// checkWithin bounds a readiness check: the answer comes within a second.
const checkWithin = 700 * time.Millisecond

// Check writes to Redis, asks the history for a sign of life and whether the pod
// hears itself through Redis. A pod that has not read yet who is shut out is not
// ready, as if the history did not answer, nor is one whose name is another's.
// llm is informational: a model that is away makes answers fail, not the pod.
// causes says of each check that failed why, in words of a closed set.
func (a *App) Check(ctx context.Context) (ready bool, checks map[string]bool, causes map[string]string) {
	ctx, cancel := context.WithTimeout(ctx, checkWithin)
	defer cancel()
	var redis, mongo outage.Kind
	var wg sync.WaitGroup
	wg.Go(func() { redis = a.redisState(ctx) })
	wg.Go(func() { mongo = a.mongoState(ctx) })
	wg.Wait()
	kinds := map[string]outage.Kind{"redis": redis, "mongodb": mongo}
	if !a.bus.Healthy() {
		kinds["bus"] = outage.Deaf
	}
	if len(a.answers.Models()) == 0 {
		kinds["llm"] = outage.Failed
	}
	checks, causes = map[string]bool{}, map[string]string{}
	for _, name := range []string{"redis", "mongodb", "bus", "llm"} {
		checks[name] = kinds[name] == ""
		if kinds[name] != "" {
			causes[name] = string(kinds[name])
		}
	}
	pod := a.podState()
	if pod != "" && (redis == "" || pod != outage.Preparing) { // without Redis no pod can register
		causes["pod"] = string(pod)
	}
	return checks["redis"] && checks["mongodb"] && checks["bus"] && pod == "", checks, causes
}

func (a *App) redisState(ctx context.Context) outage.Kind {
	err := a.redis.Probe(ctx)
	if err == nil {
		err = a.around.misfit()
	}
	return redisstate.Kind(err)
}

func (a *App) mongoState(ctx context.Context) outage.Kind {
	if err := a.stores.Ping(ctx); err != nil {
		return a.stores.kind(err)
	}
	if !a.gate.Informed() {
		return outage.Preparing
	}
	return ""
}

// podState is why the pod itself is not ready.
func (a *App) podState() outage.Kind {
	if a.draining.Load() {
		return outage.Draining
	}
	if name := a.name.state(); name != "" {
		if why := a.around.card.Kind(); why != "" && name == outage.Preparing {
			return why
		}
		return name
	}
	return a.clock.state()
}

// kind finds out why the history did not answer.
func (s Stores) kind(err error) outage.Kind {
	if s.Kind == nil {
		return outage.KindOf(err)
	}
	return s.Kind(err)
}
