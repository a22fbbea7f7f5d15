package app

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The first sessions that are seeded may be all of them. The alert about it needs a count of 0 before.
func TestMeters_SeedsBeginAtZero(t *testing.T) {
	t.Parallel()
	reg := prometheus.NewRegistry()
	NewMeters().register(reg)
	families, err := reg.Gather()
	require.NoError(t, err)
	require.Len(t, families, 1)
	require.Equal(t, "chat_redis_seconds", families[0].GetName())
	require.Len(t, families[0].GetMetric(), 1)
	seeds := families[0].GetMetric()[0]
	assert.Equal(t, "seed", seeds.GetLabel()[0].GetValue())
	assert.Zero(t, seeds.GetHistogram().GetSampleCount())
}
