package pace

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestPace_EachKeyHasItsOwn(t *testing.T) {
	const never = time.Hour
	p, now := New[string](10, 3), time.UnixMilli(1_700_000_000_000)
	take := func(k string, patience time.Duration) (time.Duration, bool) { return p.Take(k, now, patience) }
	for i, want := range []time.Duration{0, 0, 0, 100 * time.Millisecond, 200 * time.Millisecond} {
		wait, ok := take("greedy", never)
		assert.True(t, ok)
		assert.Equal(t, want, wait, "act %d", i)
	}
	wait, ok := take("ada", 0)
	assert.True(t, ok)
	assert.Zero(t, wait, "others have a pace of their own")

	for range 2 { // what is refused takes no moment
		wait, ok = take("greedy", 250*time.Millisecond)
		assert.False(t, ok)
		assert.Equal(t, 300*time.Millisecond, wait)
	}
	now = now.Add(wait)
	wait, ok = take("greedy", 0)
	assert.True(t, ok, "after the wait it was told")
	assert.Zero(t, wait)

	now = now.Add(time.Hour)
	_, _ = take("ben", 0)
	assert.Len(t, p.next, 1, "who has the whole burst again is forgotten")
	for range 3 {
		wait, ok = take("greedy", 0)
		assert.True(t, ok, "but no more than that")
		assert.Zero(t, wait)
	}
	_, ok = take("greedy", 0)
	assert.False(t, ok)
}

func TestPace_IsBounded(t *testing.T) {
	p, now := New[int](1, 1), time.UnixMilli(1_700_000_000_000)
	for k := range maxKeys + 10 {
		_, ok := p.Take(k, now, 0)
		assert.True(t, ok)
	}
	assert.Len(t, p.next, maxKeys)
}
