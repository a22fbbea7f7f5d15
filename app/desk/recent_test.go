package desk

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"chatbox/internal/sleep"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The cache is bounded by the tenants in use, and its cost per tenant is
// constant.
func TestRecent_ForgetsWhatNobodyAsksFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newRecent(time.Second, time.Second, func(context.Context, string) (int, error) { return 1, nil })
		sweeps, room := 0, c.room
		for round := range 10 {
			for i := range 3000 {
				_, err := c.get(t.Context(), fmt.Sprint(round, " ", i))
				require.NoError(t, err)
				if c.room != room {
					sweeps, room = sweeps+1, c.room
				}
			}
			sleep.For(t.Context(), 10*time.Second)
		}
		assert.LessOrEqual(t, len(c.kept), 2*3000+manyReadings)
		assert.LessOrEqual(t, sweeps, 30)
	})
}

func BenchmarkRecent_ManyTenants(b *testing.B) {
	c := newRecent(time.Nanosecond, time.Hour, func(context.Context, string) (int, error) { return 1, nil })
	tenants := make([]string, 10_000)
	for i := range tenants {
		tenants[i] = fmt.Sprint(i)
		_, _ = c.get(b.Context(), tenants[i])
	}
	for i := 0; b.Loop(); i++ {
		_, _ = c.get(b.Context(), tenants[i%len(tenants)])
	}
}
