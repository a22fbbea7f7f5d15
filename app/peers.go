package app

import (
	"context"
	crand "crypto/rand"
	"fmt"
	"slices"
	"sync"
	"time"

	"chatbox"
	"chatbox/internal/outage"
	"chatbox/internal/sleep"
	"chatbox/redisstate"
)

const (
	peerDead    = 4                      // rounds without a change of its report after which another process counts as dead
	peerSoon    = 100 * time.Millisecond // between tries of the first comparison
	peerDiffers = 3                      // rounds in which a new pod must find another Redis in use, to be refused
	// peerMoved is the same for a pod that has served. After all pods have seen
	// that their Redis was emptied, which takes two rounds, a killed pod still
	// counts with the earlier identity until it is peerDead.
	peerMoved = peerDead + 3
)

// peers compares the pod's Redis with that of the other pods that share the
// history. Two Redis servers would give one session two owners, two leases and
// two orders of answers.
//
// Each pod reports the identity of its Redis and reads the reports of the others.
// The right identity is that of a living pod that has settled, and of several such
// pods that of the first. So a new pod with a wrong setting does not stop the
// others. A pod that does not reach its Redis still counts against new pods, but
// not against pods that have settled, because its Redis may have been emptied
// meanwhile and then has another identity. No clocks of pods are compared: a
// living process is known by the change of its report from one round to the next.
// Pods of older versions report nothing.
type peers struct {
	told *outage.Outage

	mu      sync.Mutex // guards following
	own     chatbox.Peer
	others  map[string]*otherPeer // by run
	differs int                   // rounds in a row with another Redis in use
	refused bool                  // differs has reached peerDiffers
}

// otherPeer is another process as this one has seen it.
type otherPeer struct {
	beat  int64
	alive bool // its report has changed
	same  int  // rounds since the latest change
}

func newPeers(pod chatbox.PodID, told *outage.Outage) *peers {
	return &peers{told: told, own: chatbox.Peer{Run: crand.Text(), Pod: pod}, others: map[string]*otherPeer{}}
}

// state returns why the pod must not serve because of its Redis, or "".
func (p *peers) state() outage.Kind {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.refused:
		return outage.OtherRedis
	case !p.own.Settled:
		return outage.Preparing
	default:
		return ""
	}
}

// report returns the pod's next report. If redis is empty, the pod does not reach
// its Redis and repeats what it has reported before, so that the others know that
// it is alive; ok is false if it has reported nothing.
func (p *peers) report(redis string) (report chatbox.Peer, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if redis != "" && redis != p.own.Redis {
		p.own.Redis, p.own.Since = redis, time.Time{}
	}
	p.own.Away = redis == ""
	p.own.Beat++
	return p.own, p.own.Redis != ""
}

// met handles the reports of all processes. It returns the process whose Redis is
// the right one if that is another Redis than the pod's.
func (p *peers) met(all []chatbox.Peer) (right chatbox.Peer, differs bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, r := range all {
		if r.Run == p.own.Run {
			p.own.Since = r.Since
		}
	}
	p.others = p.seen(all)
	vouched := slices.ContainsFunc(all, func(r chatbox.Peer) bool {
		return r.Redis == p.own.Redis && r.Settled && !r.Away && p.others[r.Run].living()
	})
	right, open := p.own, false
	for _, r := range all {
		o := p.others[r.Run] // nil: the pod itself
		switch {
		case o == nil || r.Redis == "" || o.same >= peerDead:
		case r.Away && (r.Redis == p.own.Redis || p.own.Settled || vouched):
		case o.alive && before(r, right):
			right = r
		case !o.alive && r.Redis != p.own.Redis:
			open = true // it may have been killed
		}
	}
	if right.Redis == p.own.Redis {
		p.differs, p.refused = 0, false
		p.own.Settled = p.own.Settled || vouched || !open
		return chatbox.Peer{}, false
	}
	most := peerDiffers
	if p.own.Settled {
		most = peerMoved
	}
	if p.differs++; p.differs >= most {
		p.refused, p.own.Settled = true, false
	}
	return right, p.refused
}

// seen returns the other processes after one more round.
func (p *peers) seen(all []chatbox.Peer) map[string]*otherPeer {
	others := map[string]*otherPeer{}
	for _, r := range all {
		if r.Run != p.own.Run {
			others[r.Run] = p.others[r.Run].next(r.Beat)
		}
	}
	return others
}

// living reports whether the process has changed its report and may still do so;
// nil is the pod itself.
func (o *otherPeer) living() bool { return o != nil && o.alive && o.same < peerDead }

// next is the other process after one more round; o is nil in the first.
func (o *otherPeer) next(beat int64) *otherPeer {
	switch {
	case o == nil:
		return &otherPeer{beat: beat}
	case o.beat != beat:
		return &otherPeer{beat: beat, alive: true}
	default:
		return &otherPeer{beat: beat, alive: o.alive, same: o.same + 1}
	}
}

// before reports whether a's Redis is right rather than b's.
func before(a, b chatbox.Peer) bool {
	if a.Settled != b.Settled {
		return a.Settled
	}
	if !a.Since.Equal(b.Since) {
		return a.Since.Before(b.Since)
	}
	return a.Run < b.Run
}

// watchPeers compares the pod's Redis with that of the other pods until ctx ends.
// The first comparison is made as soon as Redis and the history are available,
// because the pod is not ready before it.
func (a *App) watchPeers(ctx context.Context) {
	for !a.lookAtPeers(ctx) {
		if !sleep.For(ctx, peerSoon) {
			return
		}
	}
	sleep.Every(ctx, podBeat, func(ctx context.Context) { a.lookAtPeers(ctx) })
}

// lookAtPeers makes one round of the comparison, and reports whether it could.
// Without Redis or the history nothing is judged: a pod is not ready then in any
// case.
func (a *App) lookAtPeers(ctx context.Context) (compared bool) {
	within, cancel := context.WithTimeout(ctx, lookWithin)
	defer cancel()
	redis, rerr := a.redis.Identity(within)
	report, ok := a.peers.report(redis)
	if !ok {
		return false
	}
	all, err := a.stores.Peers.Meet(within, report)
	if err != nil || rerr != nil {
		a.log.DebugContext(ctx, "redis not compared with that of other pods", "redis", redisstate.Kind(rerr), "error", err)
		return false
	}
	var differs error
	if right, other := a.peers.met(all); other {
		differs = outage.As(outage.OtherRedis, fmt.Errorf("REDIS_URL: pod %s shares the history and uses another Redis, since before this pod: set the same for all", right.Pod))
	}
	a.peers.told.Note(ctx, differs)
	return true
}

// leavePeers removes the pod's report, so that a pod that replaces it need not
// wait to see that it is dead.
func (a *App) leavePeers(ctx context.Context) {
	if a.stores.Peers == nil {
		return
	}
	if err := a.stores.Peers.Leave(ctx, a.peers.own.Run); err != nil {
		a.log.DebugContext(ctx, "report to other pods left to expire", "error", err)
	}
}
