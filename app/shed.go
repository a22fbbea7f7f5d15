package app

import (
	"context"
	"time"

	"chatbox"
	"chatbox/app/api"
)

// Bounds of shedding. A pod that joins gets new sockets only as clients come
// and go; without shedding those that were there stay full for as long as
// their clients stay. Where the balancer spreads what is sent away evenly, the
// share that comes back is 1/N, so this converges.
const (
	shedEvery   = 5 * time.Second // also the time over which one lot is spread
	shedBelow   = 0.75            // of the mean: nothing happens unless a pod has fewer
	shedPercent = 2               // of this pod's sockets in one lot at most
)

// shed compares this pod's sockets with the other pods' until ctx ends, and
// sends some away where it has far more. Started and waited for by the App.
func (a *App) shed(ctx context.Context) {
	if a.opts.ShedAbove == 0 {
		return
	}
	t := time.NewTicker(shedEvery)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		if n := a.excess(ctx); n > 0 {
			a.hub.Shed(ctx, n, shedEvery, api.Reconnect)
			a.log.InfoContext(ctx, "sockets sent to pods with fewer", "sockets", n)
		}
	}
}

func (a *App) excess(ctx context.Context) int {
	if a.draining.Load() || a.hub.Len() < a.opts.ShedAbove {
		return 0
	}
	ctx, cancel := context.WithTimeout(ctx, podBeat)
	defer cancel()
	pods, err := a.redis.Pods(ctx)
	if err != nil {
		a.log.DebugContext(ctx, "pods not compared", "error", err)
		return 0
	}
	return excess(a.id, a.hub.Len(), pods)
}

// excess is how many of its own sockets a pod should send away now: what it has
// above the mean, in small lots, while a pod that serves has far less than it.
func excess(self chatbox.PodID, own int, pods []chatbox.PodInfo) int {
	sum, serving, least := own, 1, own
	for _, p := range pods {
		if p.ID != self && p.State == podServing {
			sum, serving, least = sum+p.Connections, serving+1, min(least, p.Connections)
		}
	}
	mean := sum / serving
	if own <= mean || float64(least) >= shedBelow*float64(mean) {
		return 0
	}
	return min(own-mean, max(1, own*shedPercent/100))
}
