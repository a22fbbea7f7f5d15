package conformance

import (
	"slices"
	"sync"
	"testing"
	"time"

	"chatbox"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// asked is a message that wants an answer.
func asked(k chatbox.SessionKey, seq int64, run int) chatbox.Event {
	e := said(k, seq, "question")
	e.Turn = &chatbox.Turn{State: chatbox.TurnPending, Run: run}
	return e
}

func turnClaims(t *testing.T, f StoreFixture) {
	t.Helper()
	k := newKey()
	appendAll(t, f.Stores, asked(k, 1, 1), said(k, 2, "no question"))
	const claimers = 10
	var wg sync.WaitGroup
	var mu sync.Mutex // guards following
	counts := map[int]int{}
	for range claimers {
		wg.Go(func() {
			e, err := f.Turns.ClaimTurn(t.Context(), k, 1)
			if assert.NoError(t, err) && assert.NotNil(t, e.Turn) {
				mu.Lock()
				counts[e.Turn.Claims]++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	for n := 1; n <= claimers; n++ {
		assert.Equal(t, 1, counts[n], "claim %d is told once", n)
	}
	want := asked(k, 1, 1)
	want.Turn.Claims = claimers
	got, err := f.Messages.ByKey(t.Context(), k, want.Key)
	require.NoError(t, err)
	assert.Equal(t, want, got)

	e, err := f.Turns.ClaimTurn(t.Context(), k, 2)
	require.NoError(t, err)
	assert.Equal(t, said(k, 2, "no question"), e, "a message without a turn comes back as it is")
	_, err = f.Turns.ClaimTurn(t.Context(), k, 3)
	require.ErrorIs(t, err, chatbox.NotFound)

	require.NoError(t, f.Turns.SettleTurn(t.Context(), k, chatbox.Gen{Seq: 1, Run: 1}, chatbox.TurnDone))
	e, err = f.Turns.ClaimTurn(t.Context(), k, 1)
	require.NoError(t, err)
	assert.Equal(t, &chatbox.Turn{State: chatbox.TurnDone, Run: 1, Claims: claimers}, e.Turn, "a settled turn is not claimed")
}

func turnSettle(t *testing.T, f StoreFixture) {
	t.Helper()
	k := newKey()
	appendAll(t, f.Stores, asked(k, 1, 2))
	state := func() chatbox.TurnState {
		t.Helper()
		events, err := f.Messages.Range(t.Context(), k, 1, 1)
		require.NoError(t, err)
		require.Len(t, events, 1)
		return events[0].Turn.State
	}
	for _, run := range []int{1, 3} {
		require.NoError(t, f.Turns.SettleTurn(t.Context(), k, chatbox.Gen{Seq: 1, Run: run}, chatbox.TurnDone))
		assert.Equal(t, chatbox.TurnPending, state(), "another run's end is not this one's")
	}
	require.NoError(t, f.Turns.SettleTurn(t.Context(), k, chatbox.Gen{Seq: 1, Run: 2}, chatbox.TurnFailed))
	assert.Equal(t, chatbox.TurnFailed, state())
	require.NoError(t, f.Turns.SettleTurn(t.Context(), k, chatbox.Gen{Seq: 1, Run: 2}, chatbox.TurnDone))
	assert.Equal(t, chatbox.TurnFailed, state(), "what is settled stays")
	require.NoError(t, f.Turns.SettleTurn(t.Context(), k, chatbox.Gen{Seq: 9, Run: 1}, chatbox.TurnDone))
}

func turnRetry(t *testing.T, f StoreFixture) {
	t.Helper()
	k := newKey()
	appendAll(t, f.Stores, asked(k, 1, 1), said(k, 2, "no question"))
	_, err := f.Turns.ClaimTurn(t.Context(), k, 1)
	require.NoError(t, err)
	require.NoError(t, f.Turns.SettleTurn(t.Context(), k, chatbox.Gen{Seq: 1, Run: 1}, chatbox.TurnFailed))

	const racers = 8
	var wg sync.WaitGroup
	won := make([]bool, racers)
	for i := range racers {
		wg.Go(func() {
			again, err := f.Turns.RetryTurn(t.Context(), k, chatbox.Gen{Seq: 1, Run: 1}, 7)
			if err != nil {
				t.Error(err)
			}
			won[i] = again
		})
	}
	wg.Wait()
	winner := slices.Index(won, true)
	require.GreaterOrEqual(t, winner, 0)
	assert.NotContains(t, won[winner+1:], true, "of those that retry one is told so")
	e, err := f.Messages.ByKey(t.Context(), k, said(k, 1, "").Key)
	require.NoError(t, err)
	assert.Equal(t, &chatbox.Turn{State: chatbox.TurnPending, Run: 2, From: 7}, e.Turn, "pending, and not claimed yet")

	for _, g := range []chatbox.Gen{{Seq: 1, Run: 3}, {Seq: 2, Run: 1}, {Seq: 3, Run: 1}} {
		again, err := f.Turns.RetryTurn(t.Context(), k, g, 7)
		require.NoError(t, err)
		assert.False(t, again, "%+v", g)
	}
}

func turnSweep(t *testing.T, f StoreFixture) {
	t.Helper()
	a, b := newKey(), newKey()
	// Before everything else, so that what other runs left pending cannot fill
	// the limit.
	old := time.UnixMilli(time.Now().UnixMilli() % 1_000_000)
	at := func(e chatbox.Event, after time.Duration) chatbox.Event {
		e.Time = old.Add(after)
		return e
	}
	appendAll(t, f.Stores,
		at(asked(a, 1, 1), 3*time.Millisecond), at(said(a, 2, "x"), time.Millisecond), at(asked(a, 3, 4), 2*time.Millisecond),
		at(asked(b, 1, 1), time.Millisecond), at(asked(b, 2, 1), 10*time.Millisecond))
	pending := func(from, before time.Duration) []chatbox.PendingTurn {
		t.Helper()
		found, err := f.Turns.PendingTurns(t.Context(), old.Add(from), old.Add(before), 100)
		require.NoError(t, err)
		var ours []chatbox.PendingTurn
		for _, p := range found {
			if p.Session == a || p.Session == b {
				ours = append(ours, p)
			}
		}
		return ours
	}
	want := []chatbox.PendingTurn{
		{Session: b, Gen: chatbox.Gen{Seq: 1, Run: 1}, Since: old.Add(time.Millisecond).UTC(), At: 1},
		{Session: a, Gen: chatbox.Gen{Seq: 3, Run: 4}, Since: old.Add(2 * time.Millisecond).UTC(), At: 3},
		{Session: a, Gen: chatbox.Gen{Seq: 1, Run: 1}, Since: old.Add(3 * time.Millisecond).UTC(), At: 1},
	}
	assert.Equal(t, want, pending(0, 10*time.Millisecond), "oldest first, before excludes")
	assert.Equal(t, want[1:2], pending(2*time.Millisecond, 3*time.Millisecond), "from includes")
	found, err := f.Turns.PendingTurns(t.Context(), time.Time{}, time.Now(), 2)
	require.NoError(t, err)
	assert.Len(t, found, 2, "limited")
	for _, p := range pending(0, time.Hour) {
		require.NoError(t, f.Turns.SettleTurn(t.Context(), p.Session, p.Gen, chatbox.TurnDone))
	}
	assert.Empty(t, pending(0, time.Hour))
}

func turnsOf(t *testing.T, f StoreFixture) {
	t.Helper()
	k, other := newKey(), newKey()
	appendAll(t, f.Stores,
		asked(k, 1, 1), said(k, 2, "no question"), asked(k, 3, 1), asked(k, 4, 2), asked(k, 5, 1), asked(other, 1, 1))
	_, err := f.Turns.ClaimTurn(t.Context(), k, 3)
	require.NoError(t, err)
	require.NoError(t, f.Turns.SettleTurn(t.Context(), k, chatbox.Gen{Seq: 4, Run: 2}, chatbox.TurnFailed))
	of := func(from, to int64, limit int) (seqs []int64) {
		t.Helper()
		found, err := f.Turns.PendingOf(t.Context(), k, from, to, limit)
		require.NoError(t, err)
		for _, p := range found {
			assert.Equal(t, k, p.Session)
			seqs = append(seqs, p.Gen.Seq)
		}
		return seqs
	}
	assert.Equal(t, []int64{1, 3, 5}, of(1, 9, 10))
	assert.Equal(t, []int64{3}, of(2, 4, 10), "closed both ways")
	assert.Equal(t, []int64{1, 3}, of(1, 9, 2), "limited")
	assert.Empty(t, of(6, 9, 10))
	again, err := f.Turns.RetryTurn(t.Context(), k, chatbox.Gen{Seq: 4, Run: 2}, 5)
	require.NoError(t, err)
	require.True(t, again)
	found, err := f.Turns.PendingOf(t.Context(), k, 3, 4, 10)
	require.NoError(t, err)
	require.Len(t, found, 2)
	assert.Equal(t, chatbox.PendingTurn{
		Session: k, Gen: chatbox.Gen{Seq: 3, Run: 1}, Since: asked(k, 3, 1).Time.UTC(), At: 3, Claims: 1,
	}, found[0])
	assert.Equal(t, chatbox.Gen{Seq: 4, Run: 3}, found[1].Gen)
	assert.EqualValues(t, 5, found[1].At, "from where it was asked for again")
	assert.Zero(t, found[1].Claims)
}
