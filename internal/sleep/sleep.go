// Package sleep waits for a time or until a context ends.
package sleep

import (
	"context"
	"math/rand/v2"
	"time"
)

// For waits d and returns true. It returns false at once when ctx ends. If d ≤
// 0 it does not wait.
func For(ctx context.Context, d time.Duration) bool {
	if ctx.Err() != nil || d <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// About is For with a random wait between d/2 and 3d/2, so that callers that
// began together do not continue together.
func About(ctx context.Context, d time.Duration) bool {
	return For(ctx, d/2+rand.N(max(d, 1))) //nolint:gosec // jitter needs no secrecy
}

// Every calls f repeatedly until ctx ends, at random intervals between 3d/4
// and 5d/4, so that callers that began together drift apart.
func Every(ctx context.Context, d time.Duration, f func(ctx context.Context)) {
	for For(ctx, d*3/4+rand.N(max(d/2, 1))) { //nolint:gosec // jitter needs no secrecy
		f(ctx)
	}
}
