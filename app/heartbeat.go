package app

import (
	"context"
	"time"

	"chatbox/cluster"
	"chatbox/hub"
	"chatbox/redisstate"
)

const (
	podBeat    = 2 * time.Second  // heartbeat of the pod's card, which the console shows
	socketBeat = 20 * time.Second // a third of a socket registration's lifetime
)

// Fields of a pod's card.
const (
	podServing  = "serving"
	podDraining = "draining"
)

// heartbeat renews the pod's card and its sockets' registrations until ctx ends.
// The App starts it and waits for it.
func (a *App) heartbeat(ctx context.Context) {
	pod, socks := time.NewTimer(podBeat), time.NewTicker(socketBeat)
	defer pod.Stop()
	defer socks.Stop()
	for {
		pod.Reset(a.beatPod(ctx))
		select {
		case <-ctx.Done():
			return
		case <-pod.C:
			a.beatTally(ctx)
			a.beatSockets(ctx, a.hub.EachAdmin)
		case <-socks.C:
			a.beatSockets(ctx, a.hub.Each)
		}
	}
}

// beatPod renews the pod's card and returns when to do so again.
func (a *App) beatPod(ctx context.Context) time.Duration {
	ctx, cancel := context.WithTimeout(ctx, podBeat)
	defer cancel()
	card := cluster.PodInfo{
		ID: a.id, Version: Version, State: podServing, Connections: a.hub.Len(),
		Generations: a.answers.Generations(), LastHeartbeat: a.now().UTC().Truncate(time.Millisecond),
	}
	if a.draining.Load() {
		card.State = podDraining
	}
	began := time.Now()
	beat, err := a.redis.BeatPod(ctx, card, a.name.replaceable(began))
	a.noteCard(ctx, err)
	if err != nil {
		a.log.DebugContext(ctx, "heartbeat failed", "error", err)
		return podBeat
	}
	a.judgeClock(ctx, card.LastHeartbeat, beat.Now, time.Since(began))
	return a.judgeName(ctx, beat.Other)
}

// noteCard logs that the card cannot be renewed although Redis accepts writes. An
// unavailable Redis is logged elsewhere.
func (a *App) noteCard(ctx context.Context, err error) {
	if err == nil || a.around.redis.Kind() == "" && ctx.Err() == nil {
		a.around.card.NoteAs(ctx, redisstate.Kind(err), causeOf(err))
	}
}

func (a *App) beatTally(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, podBeat)
	defer cancel()
	if err := a.tally.beat(ctx, time.Now()); err != nil {
		a.log.DebugContext(ctx, "open sessions not counted", "error", err)
	}
}

// beatSockets renews the sockets' registrations. Those of admins are renewed with
// every card, so that after Redis lost its data the holder of a session is not
// taken to be absent.
func (a *App) beatSockets(ctx context.Context, each func(func(*hub.Conn))) {
	ctx, cancel := context.WithTimeout(ctx, socketBeat/2)
	defer cancel()
	var socks []redisstate.Socket
	each(func(c *hub.Conn) {
		socks = append(socks, redisstate.Socket{User: c.Actor().User(), ID: c.ID()})
	})
	if err := a.redis.BeatSockets(ctx, socks); err != nil {
		a.log.DebugContext(ctx, "sockets' registrations not renewed", "error", err)
	}
}
