package sleep_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"chatbox/internal/sleep"
)

func TestFor_WaitsThatLong(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		assert.True(t, sleep.For(t.Context(), time.Minute))
		assert.Equal(t, time.Minute, time.Since(began))
		assert.True(t, sleep.For(t.Context(), 0))
		assert.True(t, sleep.For(t.Context(), -time.Minute))
		assert.Equal(t, time.Minute, time.Since(began))
	})
}

func TestFor_EndsWithItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		assert.False(t, sleep.For(ctx, time.Minute))
		assert.False(t, sleep.For(ctx, time.Minute))
		assert.False(t, sleep.For(ctx, 0))
		assert.Equal(t, time.Second, time.Since(began))
	})
}

func TestAbout_IsNearIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for range 100 {
			began := time.Now()
			assert.True(t, sleep.About(t.Context(), time.Second))
			assert.GreaterOrEqual(t, time.Since(began), time.Second/2)
			assert.Less(t, time.Since(began), 3*time.Second/2)
		}
		assert.True(t, sleep.About(t.Context(), 0))
	})
}
