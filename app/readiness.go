package app

import (
	"context"
	"sync"
	"time"

	"chatbox/internal/outage"
	"chatbox/redisstate"
)

// checkWithin limits a readiness check, which must answer within a second.
const checkWithin = 700 * time.Millisecond

// Check writes to Redis, pings the history and checks that the pod receives its
// own messages through Redis. A pod is not ready either before it has read the
// withdrawals and blocks, which counts as a failure of the history, or while
// another pod has its name. The check llm is informational: if a model is
// unavailable, answers fail but the pod works. causes gives the reason for each
// failed check, from a closed set.
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
	if pod != "" && (redis == "" || pod != outage.Preparing) { // a pod cannot register without Redis
		causes["pod"] = string(pod)
	} else if pod = a.peerState(); pod == outage.OtherRedis || pod != "" && redis == "" && mongo == "" { // nor compare without either
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

// podState returns why the pod itself is not ready, or "".
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

// peerState returns why the pod is not ready because of the other pods' Redis, or
// "".
func (a *App) peerState() outage.Kind {
	if a.peers == nil {
		return ""
	}
	return a.peers.state()
}

// kind classifies the error of a failed ping.
func (s Stores) kind(err error) outage.Kind {
	if s.Kind == nil {
		return outage.KindOf(err)
	}
	return s.Kind(err)
}
