package chain

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// upTo answers as a chain of n entries does, and counts the calls.
func upTo(n int64, asked *int) func([]int64) (int64, error) {
	return func(ns []int64) (int64, error) {
		*asked++
		best := int64(0)
		for _, m := range ns {
			if m <= n {
				best = max(best, m)
			}
		}
		return best, nil
	}
}

func TestGallop_FindsTheEndInAFewSteps(t *testing.T) {
	for _, end := range []int64{0, 1, 2, 3, 14, 15, 16, 17, 255, 256, 257, 32_767, 32_769, 1_000_003, 1 << 30} {
		for _, from := range []int64{0, 1, end / 2, end - 1, end} {
			if from < 0 || from > end {
				continue
			}
			asked := 0
			got, err := Gallop(from, upTo(end, &asked))
			require.NoError(t, err)
			assert.Equal(t, end, got, "from %d", from)
			if end < 1<<28 {
				assert.LessOrEqual(t, asked, 9, "from %d to %d", from, end)
			}
		}
	}
}

func TestBisect(t *testing.T) {
	for _, span := range [][2]int64{{1, 0}, {1, 1}, {1, 14}, {1, 15}, {1, 16}, {5, 300}, {1, 99_999}} {
		for _, end := range []int64{0, 1, 4, 5, 15, 16, 77, 299, 300, 99_998, 99_999} {
			asked := 0
			got, err := Bisect(span[0], span[1], upTo(end, &asked))
			require.NoError(t, err)
			assert.Equal(t, max(span[0]-1, min(end, span[1])), got, "%v of %d", span, end)
			assert.LessOrEqual(t, asked, 6)
		}
	}
	broken := errors.New("away")
	_, err := Bisect(1, 100, func([]int64) (int64, error) { return 0, broken })
	require.ErrorIs(t, err, broken)
}

func TestCursor(t *testing.T) {
	n, err := ParseCursor(Cursor(1 << 50))
	require.NoError(t, err)
	assert.EqualValues(t, 1<<50, n)
	for _, bad := range []string{"", "x", "!!", Cursor(0), Cursor(-1), Cursor(7) + "=", Cursor(7)[1:]} {
		_, err := ParseCursor(bad)
		require.Error(t, err, bad)
	}
}
