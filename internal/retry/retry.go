// Package retry repeats calls that may fail temporarily.
package retry

import (
	"context"
	"time"

	"chatbox/internal/sleep"
)

// Backoff is the pause between tries: First after the first failure, doubled
// after each further one, Longest at most. The actual pause is between 50% and
// 150% of that, so that callers that failed together do not retry together. Tries
// limits the number of calls; 0 means no limit.
type Backoff struct {
	First, Longest time.Duration
	Tries          int
}

// While calls f until it succeeds, until again returns false for its error, until
// it has called f as often as b.Tries allows, or until ctx ends. It returns the
// last error of f.
func While(ctx context.Context, b Backoff, again func(error) bool, f func() error) error {
	pause := b.First
	for try := 1; ; try++ {
		err := f()
		if err == nil || try == b.Tries || !again(err) || !sleep.About(ctx, pause) {
			return err
		}
		pause = min(2*pause, b.Longest)
	}
}
