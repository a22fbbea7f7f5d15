package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"
)

// Lifecycle tears down what was started, the last first: what came later may
// still need what was there before. It is safe for concurrent use.
type Lifecycle struct {
	log *slog.Logger

	mu    sync.Mutex // guards following
	steps []teardown
	ended chan struct{} // made by the first Stop, closed when it is through
	err   error         // set before ended is closed
}

// teardown is one named step with a bound of its own.
type teardown struct {
	name  string
	bound time.Duration // 0: only Stop's context bounds it
	stop  func(context.Context) error
}

// NewLifecycle makes one with nothing in it.
func NewLifecycle(log *slog.Logger) *Lifecycle { return &Lifecycle{log: log} }

// Add has stop called by Stop, before everything that was added earlier. Its
// context ends after bound, or with Stop's if that is sooner. What is added
// after Stop is stopped at once.
func (l *Lifecycle) Add(ctx context.Context, name string, bound time.Duration, stop func(context.Context) error) error {
	l.mu.Lock()
	late := l.ended != nil
	if !late {
		l.steps = append(l.steps, teardown{name, bound, stop})
	}
	l.mu.Unlock()
	if late {
		return l.run(ctx, teardown{name, bound, stop})
	}
	return nil
}

// Stop runs the steps in reverse, each exactly once, whoever calls and however
// often; every caller waits for the end, as long as its context lasts, and gets
// the same errors, joined and named. A step that outlives its bound is left behind and reported: the rest
// is still torn down.
func (l *Lifecycle) Stop(ctx context.Context) error {
	l.mu.Lock()
	first := l.ended == nil
	if first {
		l.ended = make(chan struct{})
	}
	ended, steps := l.ended, l.steps
	l.steps = nil
	l.mu.Unlock()
	if !first {
		select {
		case <-ended:
			return l.err
		case <-ctx.Done():
			return fmt.Errorf("wait for the teardown: %w", context.Cause(ctx))
		}
	}
	var errs []error
	for _, s := range slices.Backward(steps) {
		errs = append(errs, l.run(ctx, s))
	}
	l.err = errors.Join(errs...)
	close(ended)
	return l.err
}

func (l *Lifecycle) run(ctx context.Context, s teardown) error {
	began := time.Now()
	cancel := func() {}
	if s.bound > 0 {
		ctx, cancel = context.WithTimeout(ctx, s.bound)
	}
	defer cancel()
	err := bounded(ctx, s.stop)
	if err != nil {
		err = fmt.Errorf("stop %s: %w", s.name, err)
		l.log.WarnContext(ctx, "teardown failed", "part", s.name, "took", time.Since(began), "err", err)
		return err
	}
	l.log.DebugContext(ctx, "torn down", "part", s.name, "took", time.Since(began))
	return nil
}

// bounded calls f and returns when it does or when ctx has ended, a moment
// later so that an f that heeds ctx reports for itself. The goroutine ends with
// f; where f does not, the process is about to.
func bounded(ctx context.Context, f func(context.Context) error) error {
	const moment = 100 * time.Millisecond
	done := make(chan error, 1)
	go func() { done <- contained(ctx, f) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	t := time.NewTimer(moment)
	defer t.Stop()
	select {
	case err := <-done:
		return err
	case <-t.C:
		return fmt.Errorf("did not end in time: %w", context.Cause(ctx))
	}
}

// contained turns a panic into an error, so that the rest is torn down.
func contained(ctx context.Context, f func(context.Context) error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("panicked: %v", v)
		}
	}()
	return f(ctx)
}
