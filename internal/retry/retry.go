// Package retry repeats a call that may fail for a while.
package retry

import (
	"context"
	"time"

	"chatbox/internal/sleep"
)

// Backoff is how long to pause between tries: First after the first failure,
// twice as long after each next one, Longest at the most. Every pause is varied
// between half and one and a half of that, so that callers that failed together
// do not try again together.
type Backoff struct {
	First, Longest time.Duration
}

// While calls f until it succeeds, until it fails with an error of which again
// says false, or until ctx ends. It returns the last error of f.
func While(ctx context.Context, b Backoff, again func(error) bool, f func() error) error {
	for pause := b.First; ; pause = min(2*pause, b.Longest) {
		err := f()
		if err == nil || !again(err) || !sleep.About(ctx, pause) {
			return err
		}
	}
}
