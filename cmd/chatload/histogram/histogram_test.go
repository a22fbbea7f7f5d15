package histogram

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestHistogram_QuantilesAreWithinASixteenth(t *testing.T) {
	t.Parallel()
	var h Histogram
	for i := 1; i <= 1000; i++ {
		h.Add(time.Duration(i) * time.Millisecond)
	}
	q := h.Quantiles()
	assert.Equal(t, 1000, q.N)
	assert.InEpsilon(t, 500, q.P50, 1.0/16)
	assert.InEpsilon(t, 990, q.P99, 1.0/16)
	assert.InDelta(t, 1000, q.Max, 0.001)
	for _, d := range []time.Duration{0, time.Microsecond, 15 * time.Microsecond, 16 * time.Microsecond, 33 * time.Microsecond, time.Hour} {
		assert.LessOrEqual(t, d, upper(bucketOf(d)))
		assert.LessOrEqual(t, upper(bucketOf(d)), d+d/16+time.Microsecond)
	}
}
