package app

import (
	"context"
	"math"
	"time"

	"chatbox"
	"chatbox/app/api"
	"chatbox/cluster"
)

// Limits of shedding. A new pod gets sockets only as clients connect. Without
// shedding, the other pods stay full until their clients leave. A balancer
// without affinity spreads the reconnecting clients evenly, so each of N pods
// gets back 1/N of every batch. Batches of a quarter of the excess every five
// seconds bring a full pod to the mean within two minutes. At most a tenth of the
// pod's sockets move in one batch, so that few clients reconnect at once. Shedding
// begins at a quarter above the mean: for a smaller excess, too many clients would
// have to move.
const (
	shedEvery    = 5 * time.Second // also the time over which one batch is spread
	shedBegin    = 0.25            // share above the mean at which shedding begins
	shedEnd      = 0.02            // share above the mean at which it ends
	shedQuarter  = 4               // divisor of the excess, for one batch
	shedTenth    = 10              // divisor of the pod's sockets: the most in one batch
	shedPatience = 6               // batches without effect until the pod gives up
	shedPause    = 5 * time.Minute // and then pauses: the balancer sends the clients back
)

// shedder computes how many sockets a pod sheds. It is used by one goroutine.
type shedder struct {
	above int // the pod never sheds below this number of sockets

	going bool
	lots  int // batches since the pod had from sockets
	from  int
	until time.Time // end of a pause
}

// shed compares the pod's number of sockets with the other pods' until ctx ends,
// and moves some away if the pod has far more. The App starts it and waits for
// it.
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
			a.log.InfoContext(ctx, "sockets moved to pods with fewer", "sockets", n)
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

// lot returns how many of its sockets a pod sheds now. Shedding begins clearly
// above the mean of the serving pods and continues down to the mean, so that
// random differences move no clients back and forth.
func (s *shedder) lot(self chatbox.PodID, own int, pods []cluster.PodInfo, now time.Time) int {
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
	slack := max(shedBegin*mean, 2*math.Sqrt(mean)) // twice the standard deviation of a random distribution
	if s.going {
		slack = shedEnd * mean
	}
	if own < s.above || excess <= max(1, slack) || now.Before(s.until) {
		s.going = false
		return 0
	}
	if !s.going || float64(s.from-own) >= excess/(2*shedQuarter) {
		s.going, s.lots, s.from = true, 0, own // shedding begins, or has an effect
	}
	if s.lots++; s.lots > shedPatience {
		s.going, s.until = false, now.Add(shedPause)
		return 0
	}
	stays := float64(serving-full) / float64(serving) // share of the shed clients that do not return to a full pod
	return max(1, min(int(excess/shedQuarter/stays), own/shedTenth))
}
