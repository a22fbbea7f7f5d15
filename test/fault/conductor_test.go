//go:build fault

package fault

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"chatbox/cmd/chatload/ledger"
)

// act is one entry of a schedule: what is done to whom, for how long, and how
// long nothing is done before.
type act struct {
	pause time.Duration
	what  string
	pod   int // where a pod is meant
	away  time.Duration
}

// The acts of a schedule. A killed process is started again after a while; Redis
// is then empty.
const (
	killPod    = "kill -9"
	stopPod    = "SIGSTOP"
	drainPod   = "SIGTERM"
	emptyRedis = "kill -9 Redis"
	stopRedis  = "SIGSTOP Redis"
	stopMongo  = "SIGSTOP MongoDB"
	killMongo  = "kill -9 MongoDB"
)

func (a act) String() string {
	of := a.what
	if a.what == killPod || a.what == stopPod || a.what == drainPod {
		of += fmt.Sprintf(" pod-%d", a.pod+1)
	}
	return fmt.Sprintf("after %v %s for %v", a.pause, of, a.away)
}

// compose makes a schedule from a seed: rounds of all the acts, pods' twice, in
// an order of its own each.
func compose(seed uint64, rounds int) []act {
	chance := rand.New(rand.NewPCG(seed, 0))
	between := func(from, to time.Duration) time.Duration {
		return from + time.Duration(chance.Int64N(int64((to-from)/time.Millisecond)))*time.Millisecond
	}
	var acts []act
	for range rounds {
		round := []act{
			{what: killPod},
			{what: killPod},
			{what: stopPod},
			{what: stopPod},
			{what: drainPod},
			{what: drainPod},
			{what: emptyRedis},
			{what: stopRedis},
			{what: stopMongo},
			{what: killMongo},
		}
		chance.Shuffle(len(round), func(i, j int) { round[i], round[j] = round[j], round[i] })
		acts = append(acts, round...)
	}
	for i := range acts {
		a := &acts[i]
		a.pause, a.pod, a.away = between(time.Second, 5*time.Second), chance.IntN(3), between(time.Second, 8*time.Second)
	}
	return acts
}

// TestConductor_EverythingInOneRun has a load generator talk while pods,
// Redis and the history are killed, stopped, drained and restarted after one
// schedule. FAULT_SEED plays a schedule again.
func TestConductor_EverythingInOneRun(t *testing.T) {
	if !long() {
		t.Skip("NOT RUN: FAULT=short; it takes minutes")
	}
	seed := rand.Uint64()
	if s := os.Getenv("FAULT_SEED"); s != "" {
		var err error
		if seed, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatalf("FAULT_SEED: %v", err)
		}
	}
	t.Run("race-40", func(t *testing.T) { conducted(t, true, 40, 15, seed) })
	t.Run("plain-200", func(t *testing.T) { conducted(t, false, 200, 40, seed) })
}

func conducted(t *testing.T, race bool, sessions, rate int, seed uint64) {
	t.Helper()
	c := start(t, setup{race: race})
	c.mongo.controlled(t)
	acts := compose(seed, 1)
	var score strings.Builder
	for _, a := range acts {
		fmt.Fprintln(&score, a)
	}
	t.Logf("seed %d\n%s", seed, &score)
	if err := os.WriteFile(filepath.Join(c.dir, "schedule.txt"), fmt.Appendf(nil, "seed %d\n%s", seed, &score), 0o644); err != nil {
		t.Error(err)
	}
	t.Cleanup(func() { // also where the test ends early
		ctx := context.WithoutCancel(c.ctx)
		c.mongo.act(ctx, t, "start")
		c.mongo.act(ctx, t, "resume")
	})
	load := c.load("--users", fmt.Sprint(sessions), "--devices", "2", "--messages", "0", "--duration", "30m", "--ramp", "5s",
		"--rate", fmt.Sprint(rate), "--reconnect-every", "20s", "--repeat", "0.2", "--cancel", "0.05", "--allow-errors",
		"--answer-timeout", "2m", "--settle", "1m", "--seed", fmt.Sprint(seed))
	hold(c.ctx, t, 10*time.Second)
	began := time.Now()
	for _, a := range acts {
		hold(c.ctx, t, a.pause)
		c.perform(a)
	}
	until(c.ctx, t, "all pods are ready", longestWait, c.balancer.allReady)
	hold(c.ctx, t, 5*time.Second)
	took := time.Since(began)
	r := load.finish()
	c.verdict(r.Report, []ledger.Class{ledger.ErrorShown})
	c.recoverable(r.Report)
	build := "plain build"
	if race {
		build = "race build"
	}
	figure(t, "conductor", "%s, %d sessions with 2 devices, seed %d: %d acts in %v (2 pods killed, 2 stopped, 2 drained, Redis killed and stopped, "+
		"MongoDB killed and stopped): %d acked, %d answers verified, violations %d, %s; %d frames repeated, %d cancelled, %d reconnects, "+
		"%d dials refused; ms p50/p99: ack %v, resume %v",
		build, sessions, seed, len(acts), took.Round(time.Second), r.Report.Messages, r.Report.Verified, r.Report.Violations(true), errorsShown(r.Report),
		r.Repeats, r.Cancels, r.Reconnects, r.Refused, r.Latency["ack"], r.Latency["resume"])
	if r.Report.Messages == 0 || r.Report.Sessions != sessions {
		t.Errorf("%d messages acked in %d sessions", r.Report.Messages, r.Report.Sessions)
	}
}

// perform does one act, whole.
func (c *cluster) perform(a act) {
	c.t.Helper()
	p := c.pods[a.pod]
	switch a.what {
	case killPod:
		c.kill(p)
		c.again(p, a.away)
	case drainPod:
		c.drained(p)
		c.again(p, a.away)
	case stopPod:
		c.pause(p.process, a.away)
	case emptyRedis:
		c.redis.emptied(c.ctx, c.t, a.away)
	case stopRedis:
		c.pause(c.redis.process, a.away)
	case stopMongo:
		c.mongo.act(c.ctx, c.t, "pause")
		hold(c.ctx, c.t, a.away)
		c.mongo.act(c.ctx, c.t, "resume")
	case killMongo:
		c.mongo.act(c.ctx, c.t, "kill")
		hold(c.ctx, c.t, a.away)
		c.mongo.act(c.ctx, c.t, "start")
	}
}

// again starts a pod after a while; nobody waits until it is ready.
func (c *cluster) again(p *pod, away time.Duration) {
	c.t.Helper()
	hold(c.ctx, c.t, away)
	if err := p.start(); err != nil {
		c.t.Fatal(err)
	}
}
