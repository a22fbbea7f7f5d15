package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"chatbox/app/api"
	"chatbox/app/config"
)

// Stop drains the pod. It returns when the pod has ended, at the latest after the
// shutdown timeout, even if Redis or the history is unavailable. The contract
// gives the order: not ready; no new sockets; no new turns; running answers
// finish or are handed over; clients are sent away at a limited rate; then
// everything ends.
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
		a.log.DebugContext(ctx, "card left to expire", "error", err)
	}
	a.cancel()
	perr := a.private.close()
	werr := a.await(ctx)
	a.leavePeers(gone)
	cerr := a.redis.Close()
	a.log.InfoContext(ctx, "pod stopped", "took", time.Since(began).String())
	return errors.Join(werr, cerr, perr)
}

// requestGrace is how long a draining pod waits for requests that have begun to
// arrive.
const requestGrace = time.Second

// closeServer waits for running requests. Clients that delay the rest of a
// request are cut off after requestGrace. Clients that do not read their response
// are cut off at the deadline. Neither counts as a failure of the pod.
func (a *App) closeServer(ctx context.Context, phases config.Drain) {
	cut := time.AfterFunc(min(requestGrace, phases.Rest()/2), a.door.End)
	defer cut.Stop()
	left := untilEnd(ctx)
	answers, cancel := context.WithTimeout(ctx, max(left/2, left-phases.Rest()))
	defer cancel()
	if err := a.server.Shutdown(answers); err != nil {
		a.log.WarnContext(ctx, "responses cut off", "error", err)
		a.door.End()
		_ = a.server.Close() // the remaining connections are closed
	}
}

// untilEnd returns the time until the context's deadline.
func untilEnd(ctx context.Context) time.Duration {
	at, _ := ctx.Deadline()
	return time.Until(at)
}

// sendAway closes the clients' sockets at a limited rate. At the deadline the
// remaining ones get the same frames and are closed at once, which does not count
// as a failure of the pod.
func (a *App) sendAway(ctx context.Context, phases config.Drain, began time.Time) {
	ctx, cancel := context.WithDeadline(ctx, began.Add(phases.Shutdown-phases.Rest()))
	defer cancel()
	if err := a.hub.Drain(ctx, phases.Window, api.Reconnect); err != nil {
		a.log.WarnContext(ctx, "sockets closed all at once", "error", err)
	}
}

// awaitAnswers waits up to limit for running answers to finish.
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

// await waits for the background work. Work that hangs in a call to an
// unavailable server is abandoned when ctx ends, and reported as an error.
func (a *App) await(ctx context.Context) error {
	done := make(chan struct{})
	go func() { // ends with the work; outlives await only if the process is about to end
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

// Kill ends the pod as a crash would: it cuts the sockets, gives no lease back,
// and neither sends nor flushes anything. It is for development and tests.
func (a *App) Kill() {
	a.stopped.Do(func() {
		a.stopErr = errors.New("the pod was killed")
		a.alerts.Cut()
		if a.transcripts != nil {
			a.transcripts.Cut()
		}
		a.sessions.Cut()
		_ = a.redis.Close()
		_ = a.listener.Close()
		a.door.End()
		a.hub.Cut()
		_ = a.server.Close()
		_ = a.private.close()
		a.cancel()
		a.hub.Cut()
		a.work.Wait()
	})
}
