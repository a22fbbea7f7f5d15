//go:build fault

package fault

import (
	"fmt"
	"testing"
	"time"
)

func TestDrain_AnswerIsHandedOver(t *testing.T) {
	const (
		shutdown = 20 * time.Second
		delay    = 20 * time.Millisecond // until the model's first piece, and between two
	)
	c := start(t, setup{})
	var worst, longest time.Duration
	rounds := pick(3, 9)
	for round := range rounds {
		user, session := fmt.Sprintf("user-%d", round), fmt.Sprintf("s-%d", round)
		a := c.device(user, session, c.balancer.url())
		model := models[round%len(models)]
		c.choose(a, session, model)
		question := c.ask(400, delay)
		id := c.say(a, session, question)
		c.streaming(a, session, id, 100)
		victim := c.generating(question)
		inside := c.device(user, session, victim.url())
		outside := c.device(user, session, c.other(victim).url())
		c.streaming(inside, session, id, 200)
		longest = max(longest, c.drained(victim))
		// The one that knew no other pod comes back to this one.
		c.restart(victim)
		c.alike(session, id, question, model, a, inside, outside)
		if calls := c.model.asked(question); len(calls) > 0 {
			_, next := c.handover(outside, question, victim, calls[0].ended)
			worst = max(worst, next)
		}
		c.judge(sitting{user: user, session: session, model: model}, a, inside, outside)
		c.leave(a, inside, outside)
	}
	figure(t, "drain", "%d times SIGTERM of the generating pod in mid-answer: lost 0, repeated 0, errors shown 0; "+
		"release to next piece, worst %v (promised < 1 s + the model's first piece, %v); exit 0 after at most %v (allowed %v)",
		rounds, worst, delay, longest.Round(time.Millisecond), shutdown)
	if worst > 2*time.Second+delay {
		t.Errorf("release to next piece: %v", worst)
	}
	if longest > shutdown {
		t.Errorf("the pod took %v to end", longest)
	}
}

func TestRolling_DeploysAreInvisible(t *testing.T) {
	c := start(t, setup{})
	rounds := pick(1, 2)
	load := c.load("--users", "20", "--devices", "2", "--messages", "0", "--duration", "10m", "--ramp", "1s", "--wait", "1")
	hold(c.ctx, t, 5*time.Second)
	began := time.Now()
	var longest time.Duration
	for range rounds {
		for _, p := range c.pods {
			longest = max(longest, c.drained(p))
			c.restart(p)
			hold(c.ctx, t, 2*time.Second)
		}
	}
	took := time.Since(began)
	r := load.finish()
	c.verdict(r.Report, nil)
	resume := r.Latency["resume"]
	figure(t, "rolling", "%d times all pods restarted in %v under 20 users with 2 devices: %d acked, %d reconnects, %d dials refused, %s; "+
		"resume p99 %.0f ms; most connections of one pod in a second %s; longest drain %v",
		rounds, took.Round(time.Second), r.Report.Messages, r.Reconnects, r.Refused, errorsShown(r.Report),
		resume.P99, c.balancer.busiest(began), longest.Round(time.Millisecond))
	if r.Report.Messages == 0 || r.Reconnects == 0 {
		t.Error("the load did not talk through the restart")
	}
}
