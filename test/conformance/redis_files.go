package conformance

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"chatbox"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func redisFileQuota(t *testing.T, s RedisServer) {
	t.Helper()
	k, pod := newTalk(t, s, nil), newTalk(t, s, nil)
	u := k.user()
	const day, most = "2026-11-30", 1 << 40
	reserve := func(u chatbox.UserKey, day, id string, want int64, files int) int64 {
		t.Helper()
		granted, _, err := k.c.ReserveFile(t.Context(), u, day, id, want, most, files)
		require.NoError(t, err)
		return granted
	}
	waits := func(id string, want int64, files int) time.Duration {
		t.Helper()
		_, wait, err := k.c.ReserveFile(t.Context(), u, day, id, want, most, files)
		require.NoError(t, err)
		return wait
	}
	const life = 2 * time.Minute
	settle := func(id string, size int64) {
		t.Helper()
		require.NoError(t, pod.c.SettleFile(t.Context(), u, day, id, size))
	}
	assert.EqualValues(t, most-10, reserve(u, day, "a", most-10, 3))
	assert.EqualValues(t, 10, reserve(u, day, "b", 50, 3), "what is left")
	assert.Zero(t, reserve(u, day, "c", 1, 3), "nothing is left")
	for _, wait := range []time.Duration{waits("c", 1, 3), waits("c", most, 3), waits("c", 1, 2), waits("b", 50, 3)} {
		assert.Positive(t, wait, "until a reservation lapses")
		assert.LessOrEqual(t, wait, life)
	}
	assert.Zero(t, waits("c", most+1, 3), "more than the day has")
	settle("b", 0)
	assert.EqualValues(t, 10, reserve(u, day, "b:b", 50, 3), "given back")
	settle("b:b", 4)
	assert.EqualValues(t, 6, reserve(u, day, "c", 6, 3))
	assert.Zero(t, reserve(u, day, "d", 1, 3), "three files")
	assert.Positive(t, waits("d", 1, 3))
	assert.Zero(t, waits("d", 1, 1), "one file was settled")
	assert.EqualValues(t, 6, reserve(u, day, "c", 6, 3), "again")
	settle("c", 0)
	settle("unknown", 0)
	assert.EqualValues(t, 6, reserve(u, day, "e", 7, 3))
	other := u
	other.Tenant = "another"
	assert.EqualValues(t, 5, reserve(other, day, "a", 5, 1))
	assert.EqualValues(t, 5, reserve(u, "2026-12-01", "a", 5, 1), "the next day")
	s.Advance(t, life-10*time.Second)
	assert.EqualValues(t, 6, reserve(u, day, "e", 6, 3), "renewed")
	s.Advance(t, 20*time.Second)
	assert.Zero(t, reserve(u, day, "f", most, 2), "it lives on")
	s.Advance(t, life)
	assert.EqualValues(t, most-4, reserve(u, day, "f", most, 3), "reservations of a killed pod lapse, the file does not")
	trips := &RoundTrips{}
	k.rdb.AddHook(trips)
	assert.EqualValues(t, 1, trips.Of(func() { reserve(u, "x", "x", 1, 1) }))
}

// Many uploads on two pods get what the day has, and no more.
func redisFileQuotaRace(t *testing.T, s RedisServer) {
	t.Helper()
	k, pod := newTalk(t, s, nil), newTalk(t, s, nil)
	race := chatbox.UserKey{Tenant: "race", ID: k.user().ID}
	const day = "2026-11-30"
	var sum atomic.Int64
	var wg sync.WaitGroup
	for i := range 32 {
		c := []*talk{k, pod}[i%2].c
		wg.Go(func() {
			granted, _, err := c.ReserveFile(t.Context(), race, day, fmt.Sprint(i), 10, 155, 100)
			if assert.NoError(t, err) {
				sum.Add(granted)
			}
		})
	}
	wg.Wait()
	assert.EqualValues(t, 155, sum.Load(), "over all pods")
}
