//go:build fault

package fault

import (
	"context"
	"net/http"
	"testing"
	"time"

	"chatbox/cmd/chatload/ledger"
)

// outage is a server that is away for a while.
type outage struct {
	name, what string
	away       time.Duration
	down, up   func(*cluster)
	controlled bool // the history's server must be one that may be stopped
}

// The contract's bounds, twice as wide: a shared machine is not to fail a build.
const (
	unreadyWithin = 2 * 2 * time.Second
	readyWithin   = 2 * 5 * time.Second
)

// play has the server go away under talking users: everybody gets over it,
// liveness does not know of it, readiness does, and waiting costs little.
func (o outage) play(t *testing.T) {
	t.Helper()
	c := start(t, setup{})
	if o.controlled {
		c.mongo.controlled(t)
	}
	w := c.gather(talkers)
	hold(c.ctx, t, 2*time.Second)
	alive := c.liveness()
	resting := c.residents()
	most := c.watchMost(func(context.Context) float64 { return c.residents() })
	stopped := time.Now()
	o.down(c)
	unready := c.readiness(stopped, http.StatusServiceUnavailable)
	waiting, before := time.Now(), c.busy()
	hold(c.ctx, t, o.away-time.Since(stopped))
	used := 100 * (c.busy() - before).Seconds() / time.Since(waiting).Seconds()
	o.up(c)
	back := time.Now()
	ready := c.readiness(back, http.StatusOK)
	acks, answers := w.recovered(back)
	hold(c.ctx, t, 2*time.Second)
	slowest, memory := alive(), most()
	r := w.settle(ledger.ErrorShown)
	c.recoverable(r)
	c.untouched()
	figure(t, o.name, "%s under %d talking users with 2 devices: %d acked, %d answers verified, lost 0, repeated 0, holes 0, %s; "+
		"back to everybody's next ack %v, to everybody's next answer %v; /healthz always 200, slowest %v; /readyz 503 after at most %v (promised 2 s), "+
		"200 after at most %v of its return (promised 5 s); waiting took %.1f %% of one processor for three pods; their memory %.0f MiB, at most %.0f MiB",
		o.what, talkers, r.Messages, r.Verified, errorsShown(r), acks.Round(time.Millisecond), answers.Round(time.Millisecond),
		slowest.Round(time.Millisecond), unready.Round(time.Millisecond), ready.Round(time.Millisecond), used, resting, memory)
	if used > 50 {
		t.Errorf("waiting took %.1f %% of a processor", used)
	}
	if memory > 2*resting+100 {
		t.Errorf("memory grew from %.0f to %.0f MiB while a server was away", resting, memory)
	}
	if unready > unreadyWithin || ready > readyWithin {
		t.Error("readiness is late")
	}
}
