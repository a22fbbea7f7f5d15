//go:build fault

package fault

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The sockets of a full pod, and the promise of shedding.
const (
	shedIdle   = 500             // idle sockets, beside the talkers'
	shedTalk   = 10              // users who talk meanwhile
	shedWithin = 2 * time.Minute // of the scale-up the full pod has met the others
	shedMargin = 0.25            // above the mean: where shedding begins
)

// TestShed_FullPodMeetsTheOthers fills the only pod with idle sockets and a few
// users who talk, starts two more, and looks on every second.
func TestShed_FullPodMeetsTheOthers(t *testing.T) {
	if !long() {
		t.Skip("NOT RUN: FAULT=short; it takes two minutes")
	}
	c := start(t, setup{env: map[string]string{"LOG_LEVEL": "info"}})
	full, joining := c.pods[0], c.pods[1:]
	for _, p := range joining {
		c.drained(p)
	}
	until(c.ctx, t, "the balancer sees one pod", longestWait, func(context.Context) bool { return !c.balancer.isReady(joining[0]) && !c.balancer.isReady(joining[1]) })
	idle := c.load("--idle", fmt.Sprint(shedIdle), "--duration", "20m")
	count := func(p *pod) float64 { return c.metric(c.ctx, p, "chat_connections") }
	until(c.ctx, t, "the idle sockets", longestWait, func(context.Context) bool { return count(full) >= shedIdle })
	w := c.gather(shedTalk)
	before := count(full)
	began := time.Now()
	for _, p := range joining {
		if err := p.start(); err != nil {
			t.Fatal(err)
		}
	}
	for _, p := range joining {
		c.ready(p)
	}
	until(c.ctx, t, "the balancer sees all pods", longestWait, c.balancer.allReady)
	ready := time.Since(began)
	var met time.Duration
	var seen strings.Builder
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for time.Since(began) < shedWithin {
		own, sum := count(full), 0.0
		for _, p := range c.pods {
			sum += count(p)
		}
		mean := sum / float64(len(c.pods))
		if own-mean > max(shedMargin*mean, 2*math.Sqrt(mean)) {
			met = 0
		} else if met == 0 {
			met = time.Since(began)
		}
		fmt.Fprintf(&seen, " %.0f", own)
		select {
		case <-tick.C:
		case <-c.ctx.Done():
			t.Fatal(c.ctx.Err())
		}
	}
	counts := []float64{count(full), count(joining[0]), count(joining[1])}
	sent := c.metric(c.ctx, full, "chat_shed_total")
	report := w.settle()
	_ = idle.cmd.Process.Signal(syscall.SIGINT) // it may have ended
	if err := <-idle.done; err != nil {
		t.Errorf("chatload: %v", err)
	}
	var r struct {
		Ready      int            `json:"ready"`
		Alive      int            `json:"alive_at_end"`
		Reconnects int            `json:"reconnects"`
		Violations int            `json:"violations"`
		Errors     map[string]int `json:"error_codes"`
	}
	if err := json.Unmarshal(idle.stdout.Bytes(), &r); err != nil {
		t.Fatalf("chatload: %v", err)
	}
	figure(t, "shed", "%.0f sockets on the only pod, two pods join and are given clients %v later: the full pod is within a quarter of the mean %v after they were started (promised %v) and has %.0f, the others %.0f and %.0f, "+
		"after that; %.0f asked to go, %d reconnects of %d idle sockets, %d alive, %d violations, errors %v; %d users with two devices talked meanwhile: %d acked, %d violations; second by second:%s",
		before, ready.Round(100*time.Millisecond), met.Round(time.Second), shedWithin, counts[0], counts[1], counts[2],
		sent, r.Reconnects, r.Ready, r.Alive, r.Violations, r.Errors, shedTalk, report.Messages, report.Violations(false), &seen)
	if met == 0 {
		t.Errorf("the full pod has %.0f sockets, the others %.0f and %.0f", counts[0], counts[1], counts[2])
	}
	if r.Alive != shedIdle || r.Violations > 0 {
		t.Errorf("%d of %d idle sockets are alive, %d violations", r.Alive, shedIdle, r.Violations)
	}
}
