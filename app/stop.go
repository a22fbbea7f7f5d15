package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"chatbox/app/api"
	"chatbox/app/config"
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
	began, phases := time.Now(), a.opts.Drain.Fit()
	ctx, cancel := context.WithTimeout(ctx, phases.Shutdown)
	defer cancel()
	a.draining.Store(true)
	a.hub.Refuse()
	a.beatPod(ctx)
	a.answers.StopClaiming()
	a.awaitAnswers(ctx, phases.Finish)
	a.answers.ReleaseAll()
	a.sendAway(ctx, phases, began)
	a.closeServer(ctx, phases)
	gone, end := context.WithTimeout(context.WithoutCancel(ctx), min(time.Second, phases.Rest()/3))
	defer end()
	if err := a.redis.RemovePod(gone, a.id); err != nil {
		a.log.DebugContext(ctx, "card left to age", "error", err)
	}
	a.cancel()
	werr := a.await(ctx)
	cerr := a.redis.Close()
	a.log.InfoContext(ctx, "pod stopped", "took", time.Since(began).String())
	return errors.Join(werr, cerr)
}

// requestGrace is how long a draining pod still waits for requests that have
// begun to arrive.
const requestGrace = time.Second

// closeServer lets requests end that are being answered. Clients that keep the
// pod waiting for the rest of a request are cut off after a moment, those that
// do not take their answer when the pod's time is up: neither is a failure of
// the pod's.
func (a *App) closeServer(ctx context.Context, phases config.Drain) {
	cut := time.AfterFunc(min(requestGrace, phases.Rest()/2), a.door.End)
	defer cut.Stop()
	left := untilEnd(ctx)
	answers, cancel := context.WithTimeout(ctx, max(left/2, left-phases.Rest()))
	defer cancel()
	if err := a.server.Shutdown(answers); err != nil {
		a.log.WarnContext(ctx, "responses cut off", "error", err)
		a.door.End()
		_ = a.server.Close() // nothing is left to do about it
	}
}

// untilEnd is what is left of a context that has a deadline.
func untilEnd(ctx context.Context) time.Duration {
	at, _ := ctx.Deadline()
	return time.Until(at)
}

// sendAway paces the clients. Those whose time was up were told and closed like
// the others, all at once: that is no failure of the pod's.
func (a *App) sendAway(ctx context.Context, phases config.Drain, began time.Time) {
	ctx, cancel := context.WithDeadline(ctx, began.Add(phases.Shutdown-phases.Rest()))
	defer cancel()
	if err := a.hub.Drain(ctx, phases.Window, api.Reconnect); err != nil {
		a.log.WarnContext(ctx, "sockets closed all at once", "error", err)
	}
}

// awaitAnswers lets running answers end for a while.
func (a *App) awaitAnswers(ctx context.Context, limit time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	t := time.NewTicker(20 * time.Millisecond)
	defer t.Stop()
	for a.answers.Generations() > 0 {
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
		a.door.End()
		a.hub.Cut()
		_ = a.server.Close()
		a.cancel()
		a.hub.Cut()
		a.work.Wait()
	})
}
