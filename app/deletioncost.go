package app

import (
	"context"
	"log/slog"
	"math"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"chatbox/app/config"
	"chatbox/providers/kubernetes"
)

// TellCost tells Kubernetes what the deletion of this pod costs. A scale-down
// removes pods of the lowest cost first. ctx bounds the call.
type TellCost func(ctx context.Context, cost int32) error

// Limits of telling. Kubernetes advises against frequent updates: each is a write
// of the API server's store, and every pod of the cluster makes them.
const (
	costEvery   = 30 * time.Second // least time between two updates
	costTimeout = 5 * time.Second  // of one update
	costShare   = 10               // divisor of the last cost: a smaller change is not told
	costSlack   = 10               // nor is a smaller change than this
	answerCost  = 10               // of a running answer, in sockets: another pod asks the model again
)

// costKeeper tells Kubernetes the pod's cost. It is used by one goroutine.
type costKeeper struct {
	send   TellCost
	load   func() (sockets, answers int)
	failed prometheus.Counter
	log    *slog.Logger

	known   bool // Kubernetes has told
	told    int32
	refused bool // the last update failed
}

// countCostFailures registers the counter of keepDeletionCost.
func (a *App) countCostFailures(reg prometheus.Registerer) {
	a.costFailed = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "chat_deletion_cost_failed_total", Help: "Updates of the cost of this pod's deletion that Kubernetes did not take.",
	})
	reg.MustRegister(a.costFailed)
}

// openDeletionCost returns nil if the setting is off, and with a warning if the
// pod does not run on Kubernetes or has no token: it serves as well without.
func openDeletionCost(cfg config.Config, log *slog.Logger) TellCost {
	if !cfg.DeletionCost {
		return nil
	}
	pod, err := kubernetes.NewPod(string(cfg.Pod), os.Getenv("KUBERNETES_SERVICE_HOST"), os.Getenv("KUBERNETES_SERVICE_PORT"), kubernetes.AccountFolder)
	if err != nil {
		log.Warn("POD_DELETION_COST is on, and the pod cannot call Kubernetes", "error", err)
		return nil
	}
	return pod.SetDeletionCost
}

// keepDeletionCost tells the pod's cost when it has changed much, until ctx ends.
// The App starts it and waits for it. Nothing depends on its success.
func (a *App) keepDeletionCost(ctx context.Context) {
	if a.opts.DeletionCost == nil {
		return
	}
	k := &costKeeper{
		send: a.opts.DeletionCost, failed: a.costFailed, log: a.log,
		load: func() (int, int) { return a.hub.Len(), a.answers.Generations() },
	}
	k.run(ctx, a.draining.Load)
}

// run returns when ctx ends. A draining pod tells nothing: it is being deleted.
func (k *costKeeper) run(ctx context.Context, draining func() bool) {
	t := time.NewTicker(costEvery)
	defer t.Stop()
	for {
		if !draining() {
			k.tell(ctx)
		}
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
	}
}

// tell updates the cost if it is worth it.
func (k *costKeeper) tell(ctx context.Context) {
	cost := costOf(k.load())
	if k.known && !costWorth(k.told, cost) {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, costTimeout)
	defer cancel()
	if err := k.send(ctx, cost); err != nil {
		k.failed.Inc()
		level := slog.LevelWarn
		if k.refused {
			level = slog.LevelDebug // one line for one outage
		}
		k.refused = true
		k.log.Log(ctx, level, "cost of the pod's deletion not told to Kubernetes", "error", err)
		return
	}
	if k.refused {
		k.log.InfoContext(ctx, "cost of the pod's deletion told to Kubernetes again")
	}
	k.known, k.told, k.refused = true, cost, false
}

// costOf is the number of sockets that have to move, and of answers that another
// pod has to finish, in sockets.
func costOf(sockets, answers int) int32 {
	return int32(min(sockets+answers*answerCost, math.MaxInt32)) //nolint:gosec // bounded
}

// costWorth reports whether a change may make another pod the cheapest. A pod
// that has become empty is always worth it: it is the best to remove.
func costWorth(told, cost int32) bool {
	if told == cost {
		return false
	}
	return cost == 0 || told == 0 || max(told-cost, cost-told) >= max(told/costShare, costSlack)
}
