package app

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"chatbox"
	"chatbox/helpdesk"
)

// minutes is Concurrency in memory.
type minutes struct {
	Concurrency

	down bool
	of   map[time.Time]helpdesk.ConcurrencySample
}

func (m *minutes) Tally(_ context.Context, samples []helpdesk.ConcurrencySample) error {
	if m.down {
		return errors.New("away")
	}
	for _, c := range samples {
		m.of[c.Minute] = c
	}
	return nil
}

func (*minutes) Forget(context.Context, time.Time) error { return nil }

func TestTally_CountsSessionSecondsAndPeaks(t *testing.T) {
	open := map[string]int{"t": 2}
	store := &minutes{of: map[time.Time]helpdesk.ConcurrencySample{}}
	ta := newTally("p1", store, func() map[string]int { return open })
	start := time.Date(2024, 1, 2, 3, 4, 0, 0, time.UTC)
	at := start
	beat := func(n int) {
		for range n {
			at = at.Add(podBeat)
			_ = ta.beat(t.Context(), at)
		}
	}
	beat(1)
	require.EqualValues(t, 2, store.of[start].Peak, "a peak that has grown is written at once")
	assert.InDelta(t, 4, store.of[start].Seconds, 0.01)
	store.down = true
	open["t"] = 5
	beat(10)
	assert.EqualValues(t, 2, store.of[start].Peak)
	store.down = false
	open["t"] = 1
	beat(24) // through the next minute
	first, next := store.of[start], store.of[start.Add(time.Minute)]
	assert.EqualValues(t, 5, first.Peak, "what could not be written is written later")
	assert.InDelta(t, 4+10*2*5+18*2*1, first.Seconds, 0.01)
	assert.EqualValues(t, 1, next.Peak)
	assert.Equal(t, chatbox.PodID("p1"), first.Pod)
	assert.NotEmpty(t, first.Run)
	delete(open, "t")
	beat(60)
	assert.Empty(t, ta.minutes, "what is over and written is forgotten")
}

// A minute records since when sessions were open in it: since the beat before the
// first count, or since its start if the previous minute had some too.
func TestTally_SaysSince(t *testing.T) {
	open := map[string]int{}
	store := &minutes{of: map[time.Time]helpdesk.ConcurrencySample{}}
	ta := newTally("p1", store, func() map[string]int { return open })
	start := time.Date(2024, 1, 2, 3, 4, 0, 0, time.UTC)
	for at := start; at.Before(start.Add(2 * time.Minute)); at = at.Add(podBeat) {
		if at.Equal(start.Add(15 * podBeat)) {
			open["t"] = 3
		}
		require.NoError(t, ta.beat(t.Context(), at))
	}
	assert.Equal(t, start.Add(14*podBeat), store.of[start].Since)
	assert.Equal(t, start.Add(time.Minute), store.of[start.Add(time.Minute)].Since)
}
