package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"chatbox/app/api"
)

// Stop drains the pod and returns when it is gone, at the latest when its
// shutdown time is over, also with Redis or the history away. Its order is the
// contract's: not ready, no new sockets, no new turns; running answers end or
// are handed over; clients are sent away, paced; then everything ends.
func (a *App) Stop(ctx context.Context) error {
	a.stopped.Do(func() { a.stopErr = a.drain(ctx) })
	return a.stopErr
}

func (a *App) drain(ctx context.Context) error {
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, a.opts.Drain.Shutdown)
	defer cancel()
	a.draining.Store(true)
	a.hub.Refuse()
	a.beatPod(ctx)
	a.service.StopClaiming()
	a.awaitAnswers(ctx)
	a.service.ReleaseAll()
	left := a.hub.Drain(ctx, a.opts.Drain.Window, api.Reconnect)
	serr := a.server.Shutdown(ctx)
	if serr != nil {
		serr = errors.Join(serr, a.server.Close())
	}
	gone, end := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer end()
	if err := a.redis.RemovePod(gone, a.id); err != nil {
		a.log.DebugContext(ctx, "card left to age", "error", err)
	}
	a.cancel()
	werr := a.await(ctx)
	cerr := a.redis.Close()
	a.log.InfoContext(ctx, "pod stopped", "pod", a.id, "took", time.Since(began).String())
	return errors.Join(left, serr, werr, cerr)
}

// awaitAnswers lets running answers end for a while.
func (a *App) awaitAnswers(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, a.opts.Drain.Finish)
	defer cancel()
	t := time.NewTicker(20 * time.Millisecond)
	defer t.Stop()
	for a.service.Generations() > 0 {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
	}
}

// await waits for the background work; what hangs in a call to a server that
// is away is left behind when ctx ends, and said.
func (a *App) await(ctx context.Context) error {
	done := make(chan struct{})
	go func() { // ends with the work; outlives await only where the process is about to end
		a.work.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("background work did not end in time: %w", context.Cause(ctx))
	}
}

// Kill ends the pod as a crash would: its sockets are cut, its leases are left
// to expire, nothing is said or flushed. For development and tests.
func (a *App) Kill() {
	a.stopped.Do(func() {
		a.stopErr = errors.New("the pod was killed")
		a.alerts.Cut()
		_ = a.redis.Close()
		_ = a.listener.Close()
		a.hub.Cut()
		_ = a.server.Close()
		a.cancel()
		a.hub.Cut()
		a.work.Wait()
	})
}
