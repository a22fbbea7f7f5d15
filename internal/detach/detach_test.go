package detach

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestDo_ReturnsTheResult(t *testing.T) {
	got, err := Do(t.Context(), func() (string, error) { return "x", nil })
	require.NoError(t, err)
	assert.Equal(t, "x", got)
	failed := errors.New("no")
	got, err = Do(t.Context(), func() (string, error) { return "half", failed })
	require.ErrorIs(t, err, failed)
	assert.Equal(t, "half", got)
}

func TestDo_LeavesWorkThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		why := errors.New("the caller has left")
		hangs, done := make(chan struct{}), false
		cancel(why)
		got, err := Do(ctx, func() (int, error) { <-hangs; done = true; return 1, nil })
		require.ErrorIs(t, err, why)
		assert.Zero(t, got)
		close(hangs)
		synctest.Wait()
		assert.True(t, done, "the work goes to its end")
	})
}

func TestDoOrDrop_AResultIsReturnedOrDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dropped := 0
		drop := func(n int) { dropped += n }
		got, err := DoOrDrop(t.Context(), func() (int, error) { return 1, nil }, drop)
		require.NoError(t, err)
		assert.Equal(t, 1, got)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		for _, failed := range []error{nil, errors.New("no")} {
			hangs := make(chan struct{})
			_, err = DoOrDrop(ctx, func() (int, error) { <-hangs; return 10, failed }, drop)
			require.ErrorIs(t, err, context.Canceled)
			close(hangs)
		}
		synctest.Wait()
		assert.Equal(t, 10, dropped, "the late result, and nothing of a failure")
	})
}

func TestDo_APanicIsAnErrorWithoutItsValue(t *testing.T) {
	_, err := Do(t.Context(), func() (int, error) { panic("CANARY") })
	assert.EqualError(t, err, "panicked: string")
}
