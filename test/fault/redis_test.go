//go:build fault

package fault

import (
	"syscall"
	"testing"
	"time"

	"chatbox/cmd/chatload/ledger"
)

// talkers is how many users send messages while a server is unavailable.
const talkers = 20

func TestRedis_KilledAndRestartedEmpty(t *testing.T) {
	c := start(t, setup{})
	w := c.gather(talkers)
	rounds := pick(2, 5)
	var worstAck, worstAnswer time.Duration
	for range rounds {
		hold(c.ctx, t, 2*time.Second)
		c.redis.emptied(c.ctx, t, time.Second)
		back := time.Now()
		acks, answers := w.recovered(back)
		worstAck, worstAnswer = max(worstAck, acks), max(worstAnswer, answers)
	}
	hold(c.ctx, t, 2*time.Second)
	w.hush() // the last words fall into the last loss: nothing later reveals what is missing
	c.redis.emptied(c.ctx, t, 0)
	r := w.settle(ledger.ErrorShown)
	c.recoverable(r)
	c.untouched()
	figure(t, "redis-emptied", "%d times killed and restarted empty under %d talking users with 2 devices: %d acked, %d answers verified, "+
		"lost 0, repeated 0, holes 0, %s; back to everybody's next ack %v, to everybody's next answer %v",
		rounds+1, talkers, r.Messages, r.Verified, errorsShown(r), worstAck.Round(time.Millisecond), worstAnswer.Round(time.Millisecond))
}

func TestRedis_Stopped(t *testing.T) {
	away := pick(8*time.Second, 20*time.Second)
	outage{
		name: "redis-stopped", what: "SIGSTOP for " + away.String(), away: away,
		down: func(c *cluster) { signal(t, c.redis.process, syscall.SIGSTOP) },
		up:   func(c *cluster) { signal(t, c.redis.process, syscall.SIGCONT) },
	}.play(t)
}

// busy is the processor time that the pods have used so far.
func (c *cluster) busy() time.Duration {
	var sum time.Duration
	for _, p := range c.pods {
		sum += p.busy()
	}
	return sum
}

// recoverable fails the test if a user was shown an error other than that of an
// unavailable server, which a repeat can resolve.
func (c *cluster) recoverable(r ledger.Report) {
	c.t.Helper()
	for code, n := range r.ErrorCodes {
		if code != "SERVICE_ERROR" && code != "DATABASE_ERROR" {
			c.t.Errorf("error %s was shown %d times: %q", code, n, r.Examples[ledger.ErrorShown])
		}
	}
}

// untouched fails the test where a pod has ended.
func (c *cluster) untouched() {
	c.t.Helper()
	for _, p := range c.pods {
		if !p.running() || p.count() != 1 {
			c.t.Errorf("%s did not live through it", p.name)
		}
	}
}
