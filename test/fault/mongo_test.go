//go:build fault

package fault

import (
	"context"
	"testing"
	"time"
)

func TestMongo_Stopped(t *testing.T) {
	away := pick(6*time.Second, 15*time.Second)
	outage{
		name: "mongo-stopped", what: "SIGSTOP for " + away.String(), away: away, controlled: true,
		down: (*cluster).pauseMongo,
		up:   func(c *cluster) { c.mongo.act(c.ctx, t, "resume") },
	}.play(t)
}

func TestMongo_KilledAndRestarted(t *testing.T) {
	away := pick(4*time.Second, 15*time.Second)
	outage{
		name: "mongo-killed", what: "kill -9 and restart after " + away.String(), away: away, controlled: true,
		down: func(c *cluster) { c.mongoDown("kill", "start") },
		up:   func(c *cluster) { c.mongo.act(c.ctx, t, "start") },
	}.play(t)
}

// pauseMongo stops the server's process.
func (c *cluster) pauseMongo() {
	c.t.Helper()
	c.mongoDown("pause", "resume")
}

// mongoDown does something to the server and has it undone at the test's end,
// if nobody does so before.
func (c *cluster) mongoDown(down, up string) {
	c.t.Helper()
	c.t.Cleanup(func() { c.mongo.act(context.WithoutCancel(c.ctx), c.t, up) })
	c.mongo.act(c.ctx, c.t, down)
}
