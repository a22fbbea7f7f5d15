package chatbox_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"pgregory.net/rapid"

	"chatbox"
)

func TestHistoryQuery_BoundsStayWithinWhatWasAsked(t *testing.T) {
	number := rapid.OneOf(rapid.Int64Range(0, 20), rapid.SampledFrom([]int64{math.MaxInt64 - 500, math.MaxInt64 - 1, math.MaxInt64}))
	rapid.Check(t, func(t *rapid.T) {
		q := chatbox.HistoryQuery{Limit: rapid.IntRange(1, 500).Draw(t, "limit"), AfterSeq: -1}
		if rapid.Bool().Draw(t, "after") {
			q.AfterSeq = number.Draw(t, "after_seq")
		}
		if rapid.Bool().Draw(t, "before") {
			q.BeforeSeq = max(1, number.Draw(t, "before_seq"))
		}
		head := rapid.Int64Range(0, 20).Draw(t, "head")
		from, to, more := q.Bounds(head)
		var want []int64
		for seq := int64(1); seq <= head; seq++ {
			if (q.AfterSeq < 0 || seq > q.AfterSeq) && (q.BeforeSeq == 0 || seq < q.BeforeSeq) {
				want = append(want, seq)
			}
		}
		assert.Equal(t, len(want) > q.Limit, more)
		switch {
		case len(want) > q.Limit && q.AfterSeq >= 0:
			want = want[:q.Limit]
		case len(want) > q.Limit:
			want = want[len(want)-q.Limit:]
		}
		if len(want) == 0 {
			assert.Greater(t, from, to)
			return
		}
		assert.Equal(t, []int64{want[0], want[len(want)-1]}, []int64{from, to})
	})
}
