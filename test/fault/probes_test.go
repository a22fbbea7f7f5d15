//go:build fault

package fault

import (
	"context"
	"net/http"
	"sync"
	"syscall"
	"testing"
	"time"

	"chatbox/cmd/chatload/ledger"
)

func TestProbes_LivenessStandsAndReadinessTellsTheTruth(t *testing.T) {
	c := start(t, setup{})
	c.mongo.controlled(t)
	d := c.device("ada", "s-1", c.balancer.url())
	id := c.say(d, "s-1", c.ask(300, 20*time.Millisecond))
	c.streaming(d, "s-1", id, 100)
	alive := c.liveness()
	stopped := time.Now()
	signal(t, c.redis.process, syscall.SIGSTOP)
	c.pauseMongo()
	lost := c.readiness(stopped, http.StatusServiceUnavailable)
	hold(c.ctx, t, 5*time.Second)
	signal(t, c.redis.process, syscall.SIGCONT)
	c.mongo.act(c.ctx, t, "resume")
	back := c.readiness(time.Now(), http.StatusOK)
	slowest := alive()
	c.answered(d, "s-1", id)
	c.judge(sitting{user: "ada", session: "s-1", allow: []ledger.Class{ledger.ErrorShown}}, d)
	c.untouched()
	figure(t, "probes", "Redis and MongoDB stopped: /healthz always 200, slowest %v; /readyz 503 after at most %v (promised 2 s), "+
		"200 after at most %v of their return (promised 5 s)",
		slowest.Round(time.Millisecond), lost.Round(time.Millisecond), back.Round(time.Millisecond))
	if lost > 4*time.Second || back > 10*time.Second {
		t.Error("readiness is late")
	}
}

// liveness asks every pod ten times a second whether it lives, until it is
// stopped; then it returns how long the slowest answer took.
func (c *cluster) liveness() func() time.Duration {
	ctx, cancel := context.WithCancel(c.ctx)
	var work sync.WaitGroup
	var mu sync.Mutex
	var slowest time.Duration
	for _, p := range c.pods {
		work.Go(func() {
			tick := time.NewTicker(100 * time.Millisecond)
			defer tick.Stop()
			for {
				began := time.Now()
				status, err := get(ctx, c.http, p.url()+"/chatbox/healthz")
				if ctx.Err() == nil && (err != nil || status != http.StatusOK) {
					c.t.Errorf("/healthz of %s: %d, %v", p.name, status, err)
				}
				mu.Lock()
				slowest = max(slowest, time.Since(began))
				mu.Unlock()
				select {
				case <-ctx.Done():
					return
				case <-tick.C:
				}
			}
		})
	}
	c.t.Cleanup(func() { cancel(); work.Wait() })
	return func() time.Duration {
		cancel()
		work.Wait()
		return slowest
	}
}

// readiness waits until every pod's readiness has this status and returns how
// long after since the last of them had it.
func (c *cluster) readiness(since time.Time, want int) time.Duration {
	c.t.Helper()
	var mu sync.Mutex
	var worst time.Duration
	var all sync.WaitGroup
	for _, p := range c.pods {
		all.Go(func() {
			_, reached := poll(c.ctx, longestWait, func(ctx context.Context) bool {
				began := time.Now()
				status, err := get(ctx, c.http, p.url()+"/chatbox/readyz")
				if took := time.Since(began); took > time.Second {
					c.t.Errorf("/readyz of %s took %v", p.name, took)
				}
				return err == nil && status == want
			})
			if !reached {
				c.t.Errorf("/readyz of %s is not %d after %v", p.name, want, longestWait)
			}
			mu.Lock()
			defer mu.Unlock()
			worst = max(worst, time.Since(since))
		})
	}
	all.Wait()
	return worst
}

func TestDrain_EndsWithTheServersAway(t *testing.T) {
	const shutdown = 10 * time.Second
	c := start(t, setup{env: map[string]string{"SHUTDOWN_TIMEOUT": shutdown.String()}})
	c.mongo.controlled(t)
	for _, p := range c.pods {
		session := "s-" + p.name
		d := c.device("ada", session, p.url())
		c.streaming(d, session, c.say(d, session, c.ask(500, 20*time.Millisecond)), 100)
	}
	signal(t, c.redis.process, syscall.SIGSTOP)
	c.pauseMongo()
	var mu sync.Mutex
	var longest time.Duration
	var all sync.WaitGroup
	for _, p := range c.pods {
		all.Go(func() {
			took := c.drained(p)
			mu.Lock()
			defer mu.Unlock()
			longest = max(longest, took)
		})
	}
	all.Wait()
	figure(t, "drain-away", "SIGTERM with Redis and MongoDB stopped and answers under way: exit 0 after at most %v (allowed %v)",
		longest.Round(time.Millisecond), shutdown)
	if longest > shutdown {
		t.Errorf("a pod took %v to end", longest)
	}
}
