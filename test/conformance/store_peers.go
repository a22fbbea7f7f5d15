package conformance

import (
	"slices"
	"sync"
	"testing"

	"chatbox"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// meet reports and returns the reports of these runs, by run.
func meet(t *testing.T, f StoreFixture, p chatbox.Peer, runs ...string) []chatbox.Peer {
	t.Helper()
	all, err := f.Peers.Meet(t.Context(), p)
	require.NoError(t, err)
	all = slices.DeleteFunc(all, func(p chatbox.Peer) bool { return !slices.Contains(runs, p.Run) })
	slices.SortFunc(all, func(a, b chatbox.Peer) int { return slices.Index(runs, a.Run) - slices.Index(runs, b.Run) })
	return all
}

func peersMeet(t *testing.T, f StoreFixture) {
	t.Helper()
	a, b := chatbox.Peer{Run: unique("a-"), Pod: "pod-a", Redis: "x", Beat: 1}, chatbox.Peer{Run: unique("b-"), Pod: "pod-b", Redis: "y", Beat: 1}
	got := meet(t, f, a, a.Run, b.Run)
	require.Len(t, got, 1)
	require.False(t, got[0].Since.IsZero(), "the history says when it came")
	a.Since = got[0].Since
	assert.Equal(t, []chatbox.Peer{a}, got)

	got = meet(t, f, b, a.Run, b.Run)
	require.Len(t, got, 2)
	b.Since = got[1].Since
	assert.False(t, b.Since.Before(a.Since))
	a.Beat, a.Settled = 2, true
	assert.Equal(t, []chatbox.Peer{a, b}, meet(t, f, a, a.Run, b.Run), "a later report keeps its time")
	a.Redis, a.Away, a.Beat = "z", true, 3
	again := a
	again.Since = a.Since.AddDate(-1, 0, 0)
	assert.Equal(t, []chatbox.Peer{again, b}, meet(t, f, again, a.Run, b.Run))

	require.NoError(t, f.Peers.Leave(t.Context(), a.Run))
	require.NoError(t, f.Peers.Leave(t.Context(), a.Run), "twice does no harm")
	assert.Equal(t, []chatbox.Peer{b}, meet(t, f, b, a.Run, b.Run))

	var runs []string
	var wg sync.WaitGroup
	for range 8 {
		run := unique("c-")
		runs = append(runs, run)
		wg.Go(func() {
			for beat := range int64(3) {
				_, err := f.Peers.Meet(t.Context(), chatbox.Peer{Run: run, Redis: "x", Beat: beat})
				assert.NoError(t, err)
			}
		})
	}
	wg.Wait()
	assert.Len(t, meet(t, f, b, runs...), 8)
}
