// Package retry repeats calls that may fail temporarily.
package retry

import (
	"context"
	"time"

	"chatbox/internal/sleep"
)

// Backoff is the pause between tries: First after the first failure, doubled
// after each further one, Longest at most. Every pause is varied between 50%
// and 150%, so that callers that failed together do not retry together.
type Backoff struct {
	First, Longest time.Duration
}

// While calls f until it succeeds, until again returns false for its error, or
// until ctx ends. It returns the last error of f.
func While(ctx context.Context, b Backoff, again func(error) bool, f func() error) error {
	for pause := b.First; ; pause = min(2*pause, b.Longest) {
		err := f()
		if err == nil || !again(err) || !sleep.About(ctx, pause) {
			return err
		}
	}
}
