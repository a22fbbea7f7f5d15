// Package sleep waits for a while that a context may cut short.
package sleep

import (
	"context"
	"math/rand/v2"
	"time"
)

// For waits d and reports true; it reports false, at once, where ctx has ended
// or ends first. A d of nothing does not wait.
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

// About is For with a wait between half of d and one and a half of it, so that
// those who began together do not go on together.
func About(ctx context.Context, d time.Duration) bool {
	return For(ctx, d/2+rand.N(max(d, 1))) //nolint:gosec // jitter needs no secrecy
}

// Every calls f again and again until ctx ends, at intervals between three
// quarters of d and five quarters of it, so that callers that began together
// drift apart.
func Every(ctx context.Context, d time.Duration, f func(ctx context.Context)) {
	for For(ctx, d*3/4+rand.N(max(d/2, 1))) { //nolint:gosec // jitter needs no secrecy
		f(ctx)
	}
}
