package retry_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"chatbox/internal/retry"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var (
	errAway = errors.New("away")
	errBad  = errors.New("bad")
)

func away(err error) bool { return errors.Is(err, errAway) }

func TestWhile_UntilItSucceedsOrCannot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, c := range map[string]struct {
			tries   int // of the Backoff
			results []error
			calls   int
			want    error
		}{
			"at once":       {0, []error{nil}, 1, nil},
			"later":         {0, []error{errAway, errAway, nil}, 3, nil},
			"not passing":   {0, []error{errAway, errBad, nil}, 2, errBad},
			"limited":       {3, []error{errAway, errAway, errAway, nil}, 3, errAway},
			"within limits": {3, []error{errAway, errAway, nil}, 3, nil},
		} {
			calls := 0
			err := retry.While(t.Context(), retry.Backoff{First: time.Second, Longest: time.Minute, Tries: c.tries}, away, func() error {
				calls++
				return c.results[calls-1]
			})
			assert.Equal(t, c.want, err, name)
			assert.Equal(t, c.calls, calls, name)
		}
	})
}

func TestWhile_PausesGrowAndEndWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		var at []time.Time
		err := retry.While(ctx, retry.Backoff{First: time.Second, Longest: 4 * time.Second}, away, func() error {
			at = append(at, time.Now())
			return errAway
		})
		require.ErrorIs(t, err, errAway, "the last error, not the context's")
		middle := time.Second
		for i := 1; i < len(at); i++ {
			pause := at[i].Sub(at[i-1])
			assert.GreaterOrEqual(t, pause, middle/2)
			assert.LessOrEqual(t, pause, middle*3/2)
			middle = min(2*middle, 4*time.Second)
		}
		assert.Greater(t, len(at), 500)
	})
}
