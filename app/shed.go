package app

import (
	"context"
	"math"
	"time"

	"chatbox"
	"chatbox/app/api"
)

// Bounds of shedding. A pod that joins gets new sockets only as clients come
// and go; without shedding the other pods stay full for as long as their
// clients stay. A balancer without affinity spreads what is sent away evenly, so
// a pod gets back 1/N of its own lot and of each other pod's. A lot that lessens
// the excess by a quarter every five seconds brings a full pod to the mean within
// two minutes, and a tenth of its sockets bounds how many clients reconnect at
// once. The more pods are full, the more clients have to move for one new pod;
// below a quarter above the mean that is not worth it.
const (
	shedEvery    = 5 * time.Second // also the time over which one lot is spread
	shedBegin    = 0.25            // above the mean, as a share of it: where shedding begins
	shedEnd      = 0.02            // where it ends
	shedQuarter  = 4               // of the excess goes with one lot
	shedTenth    = 10              // of the pod's sockets in one lot at most
	shedPatience = 6               // lots without effect until the pod gives up
	shedPause    = 5 * time.Minute // and then waits: the balancer sends everybody back
)

// shedder decides how many sockets a pod sends away. It belongs to one
// goroutine.
type shedder struct {
	above int // fewer sockets than this are never too many

	going bool
	lots  int // since the pod had from sockets
	from  int
	until time.Time // nothing is sent away before
}

// shed compares this pod's sockets with the other pods' until ctx ends, and
// sends some away where it has far more. Started and waited for by the App.
func (a *App) shed(ctx context.Context) {
	if a.opts.ShedAbove == 0 {
		return
	}
	s := &shedder{above: a.opts.ShedAbove}
	t := time.NewTicker(shedEvery)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		if n := a.excess(ctx, s); n > 0 {
			a.hub.Shed(ctx, n, shedEvery, api.Reconnect)
			a.log.InfoContext(ctx, "sockets sent to pods with fewer", "sockets", n)
		}
	}
}

func (a *App) excess(ctx context.Context, s *shedder) int {
	if a.draining.Load() || a.hub.Len() < s.above {
		return 0
	}
	ctx, cancel := context.WithTimeout(ctx, podBeat)
	defer cancel()
	pods, err := a.redis.Pods(ctx)
	if err != nil {
		a.log.DebugContext(ctx, "pods not compared", "error", err)
		return 0
	}
	return s.lot(a.id, a.hub.Len(), pods, time.Now())
}

// lot is how many of its own sockets a pod sends away now. It begins where it
// has clearly more than the mean of the pods that serve, and goes on until it
// has met them, so that chance moves nobody to and fro.
func (s *shedder) lot(self chatbox.PodID, own int, pods []chatbox.PodInfo, now time.Time) int {
	sum, serving := own, 1
	for _, p := range pods {
		if p.ID != self && p.State == podServing {
			sum, serving = sum+p.Connections, serving+1
		}
	}
	mean := float64(sum) / float64(serving)
	full := 1
	for _, p := range pods {
		if p.ID != self && p.State == podServing && float64(p.Connections) > mean {
			full++
		}
	}
	excess := float64(own) - mean
	slack := max(shedBegin*mean, 2*math.Sqrt(mean)) // twice the deviation of sockets that fell by chance
	if s.going {
		slack = shedEnd * mean
	}
	if own < s.above || excess <= max(1, slack) || now.Before(s.until) {
		s.going = false
		return 0
	}
	if !s.going || float64(s.from-own) >= excess/(2*shedQuarter) {
		s.going, s.lots, s.from = true, 0, own // it begins, or has an effect
	}
	if s.lots++; s.lots > shedPatience {
		s.going, s.until = false, now.Add(shedPause)
		return 0
	}
	stays := float64(serving-full) / float64(serving) // of what all full pods send away, elsewhere
	return max(1, min(int(excess/shedQuarter/stays), own/shedTenth))
}
