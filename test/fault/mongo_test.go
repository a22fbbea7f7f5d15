//go:build fault

package fault

import (
	"context"
	"testing"
	"time"

	"chatbox/cmd/chatload/ledger"
)

func TestMongo_Stopped(t *testing.T) {
	away := pick(6*time.Second, 15*time.Second)
	history(t, "mongo-stopped", "SIGSTOP for "+away.String(), func(c *cluster) {
		c.pauseMongo()
		hold(c.ctx, t, away)
		c.mongo.act(c.ctx, t, "resume")
	})
}

func TestMongo_KilledAndRestarted(t *testing.T) {
	history(t, "mongo-killed", "kill -9 and restart", func(c *cluster) {
		t.Cleanup(func() { c.mongo.act(context.WithoutCancel(c.ctx), t, "start") }) // also where the test ends early
		c.mongo.act(c.ctx, t, "kill")
		c.mongo.act(c.ctx, t, "start")
	})
}

// history plays a fault of the history's server under talking users.
func history(t *testing.T, name, what string, fault func(*cluster)) {
	t.Helper()
	c := start(t, setup{})
	c.mongo.controlled(t)
	w := c.gather(talkers)
	hold(c.ctx, t, 2*time.Second)
	fault(c)
	back := time.Now()
	acks, answers := w.recovered(back)
	hold(c.ctx, t, 2*time.Second)
	r := w.settle(ledger.ErrorShown)
	c.recoverable(r)
	c.untouched()
	figure(t, name, "%s under %d talking users with 2 devices: %d acked, %d answers verified, lost 0, repeated 0, %s; "+
		"back to everybody's next ack %v, to everybody's next answer %v",
		what, talkers, r.Messages, r.Verified, errorsShown(r), acks.Round(time.Millisecond), answers.Round(time.Millisecond))
}

// pauseMongo stops the server's process and has it go on at the test's end, if
// nobody does so before.
func (c *cluster) pauseMongo() {
	c.t.Helper()
	c.t.Cleanup(func() { c.mongo.act(context.WithoutCancel(c.ctx), c.t, "resume") })
	c.mongo.act(c.ctx, c.t, "pause")
}
