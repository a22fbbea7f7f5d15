package conformance

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"chatbox"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// recorded is a recording whose transcript is due at the moment.
func recorded(k chatbox.SessionKey, seq int64, due time.Time) chatbox.Event {
	e := said(k, seq, "")
	e.Type, e.FileID, e.ToTranscribe = chatbox.TypeVoiceMessage, "file_aaaaaaaaaaaaaaaaaaaaaaaaaa", &due
	return e
}

func recordingOf(k chatbox.SessionKey, seq int64) chatbox.RecordingKey {
	return chatbox.RecordingKey{Session: k, Seq: seq}
}

func transcriptClaim(t *testing.T, f StoreFixture) {
	t.Helper()
	k, due := newKey(), past()
	appendAll(t, f.Stores, said(k, 1, "no recording"), recorded(k, 2, due.Add(time.Hour)))
	events, err := f.Messages.Range(t.Context(), k, 2, 2)
	require.NoError(t, err)
	require.Len(t, events, 1)
	assert.Nil(t, events[0].ToTranscribe, "the work is not read with its event")

	pods := []Stores{f.Stores, f.Reopen(t, StoreKey()), f.Reopen(t, StoreKey())}
	until := due.Add(time.Minute)
	var mu sync.Mutex // guards won
	won := 0
	var wg sync.WaitGroup
	for i := range 12 {
		wg.Go(func() {
			tries, err := pods[i%len(pods)].Transcripts.ClaimTranscript(t.Context(), recordingOf(k, 2), fmt.Sprint("token-", i), due, until, i%2 == 0)
			if err != nil {
				assert.ErrorIs(t, err, chatbox.NotOwner)
				return
			}
			assert.Equal(t, 1, tries)
			mu.Lock()
			defer mu.Unlock()
			won++
		})
	}
	wg.Wait()
	assert.Equal(t, 1, won, "work that nobody has claimed may be claimed before it is due, once")

	claim := func(token string, now time.Time) (int, error) {
		return f.Transcripts.ClaimTranscript(t.Context(), recordingOf(k, 2), token, now, now.Add(time.Minute), true)
	}
	_, err = claim("early", until.Add(-time.Millisecond))
	require.ErrorIs(t, err, chatbox.NotOwner, "a claim lasts")
	tries, err := claim("late", until)
	require.NoError(t, err, "a claim that was not settled is another's")
	assert.Equal(t, 2, tries)
	for _, seq := range []int64{1, 3} {
		_, err = f.Transcripts.ClaimTranscript(t.Context(), recordingOf(k, seq), "x", until, until, true)
		require.ErrorIs(t, err, chatbox.NotFound, "no recording at %d", seq)
	}
}

func transcriptSettle(t *testing.T, f StoreFixture) {
	t.Helper()
	k, now := newKey(), past()
	appendAll(t, f.Stores, recorded(k, 1, now))
	key := recordingOf(k, 1)
	claim := func(token string, again bool) (int, error) {
		return f.Transcripts.ClaimTranscript(t.Context(), key, token, now, now.Add(time.Minute), again)
	}
	settle := func(token string, to chatbox.TranscriptState) {
		require.NoError(t, f.Transcripts.SettleTranscript(t.Context(), key, token, to, now.Add(time.Hour)))
	}
	_, err := claim("one", false)
	require.NoError(t, err)
	require.NoError(t, f.Transcripts.RenewTranscript(t.Context(), key, "one", now.Add(2*time.Minute)))
	_, err = f.Transcripts.ClaimTranscript(t.Context(), key, "two", now.Add(time.Minute), now.Add(time.Hour), true)
	require.ErrorIs(t, err, chatbox.NotOwner, "it was renewed")
	require.ErrorIs(t, f.Transcripts.RenewTranscript(t.Context(), key, "two", now), chatbox.NotOwner)
	settle("two", chatbox.TranscriptDone)
	require.NoError(t, f.Transcripts.RenewTranscript(t.Context(), key, "one", now.Add(time.Minute)), "another token settles nothing")

	settle("one", chatbox.TranscriptPending)
	tries, err := claim("two", false)
	require.NoError(t, err, "work that was given back may be claimed at once")
	assert.Equal(t, 1, tries, "the claims that nobody has settled")
	require.ErrorIs(t, f.Transcripts.RenewTranscript(t.Context(), key, "one", now), chatbox.NotOwner)
	require.ErrorIs(t, f.Transcripts.ReviveTranscript(t.Context(), key), chatbox.NotFound, "it has not failed")

	settle("two", chatbox.TranscriptFailed)
	_, err = claim("three", false)
	require.ErrorIs(t, err, chatbox.NotOwner, "failed work waits for a request")
	_, err = claim("three", true)
	require.ErrorIs(t, err, chatbox.NotOwner, "and until it is due")
	later := now.Add(time.Hour)
	tries, err = f.Transcripts.ClaimTranscript(t.Context(), key, "three", later, later.Add(time.Minute), true)
	require.NoError(t, err)
	assert.Equal(t, 1, tries)
	require.NoError(t, f.Transcripts.RenewTranscript(t.Context(), key, "three", now), "it is pending again")

	settle("three", chatbox.TranscriptFailed)
	require.NoError(t, f.Transcripts.ReviveTranscript(t.Context(), key))
	require.ErrorIs(t, f.Transcripts.ReviveTranscript(t.Context(), key), chatbox.NotFound, "once")
	_, err = claim("four", true)
	require.ErrorIs(t, err, chatbox.NotOwner, "revived work waits until it is due")
	_, err = f.Transcripts.ClaimTranscript(t.Context(), key, "four", later, later.Add(time.Minute), false)
	require.NoError(t, err)

	settle("four", chatbox.TranscriptDone)
	_, err = claim("five", true)
	require.ErrorIs(t, err, chatbox.NotFound, "done is done")
	require.ErrorIs(t, f.Transcripts.ReviveTranscript(t.Context(), key), chatbox.NotFound)
	require.NoError(t, f.Transcripts.SettleTranscript(t.Context(), recordingOf(k, 9), "x", chatbox.TranscriptDone, now), "a recording that is gone")
	require.ErrorIs(t, f.Transcripts.RenewTranscript(t.Context(), recordingOf(k, 9), "x", now), chatbox.NotOwner)
}

func transcriptDue(t *testing.T, f StoreFixture) {
	t.Helper()
	a, b, at := newKey(), newKey(), past()
	appendAll(t, f.Stores,
		recorded(a, 1, at.Add(3*time.Millisecond)), said(a, 2, "x"), recorded(a, 3, at.Add(time.Millisecond)),
		recorded(b, 1, at.Add(2*time.Millisecond)), recorded(b, 2, at.Add(10*time.Millisecond)))
	due := func(before time.Duration) []chatbox.RecordingKey {
		t.Helper()
		found, err := f.Transcripts.DueTranscripts(t.Context(), at.Add(before), 1000)
		require.NoError(t, err)
		var ours []chatbox.RecordingKey
		for _, k := range found {
			if k.Session == a || k.Session == b {
				ours = append(ours, k)
			}
		}
		return ours
	}
	assert.Equal(t, []chatbox.RecordingKey{recordingOf(a, 3), recordingOf(b, 1), recordingOf(a, 1)}, due(10*time.Millisecond),
		"the oldest first, before excludes")
	limited, err := f.Transcripts.DueTranscripts(t.Context(), time.Now(), 2)
	require.NoError(t, err)
	assert.Len(t, limited, 2)
	_, err = f.Transcripts.ClaimTranscript(t.Context(), recordingOf(a, 3), "one", at, at.Add(time.Minute), false)
	require.NoError(t, err)
	assert.NotContains(t, due(time.Second), recordingOf(a, 3), "claimed")
	require.NoError(t, f.Transcripts.SettleTranscript(t.Context(), recordingOf(a, 3), "one", chatbox.TranscriptFailed, at))
	assert.NotContains(t, due(time.Hour), recordingOf(a, 3), "failed")
}

// transcriptGone: work exists only with its event.
func transcriptGone(t *testing.T, f StoreFixture) {
	t.Helper()
	k, now := newKey(), past()
	appendAll(t, f.Stores, said(k, 1, "first"), recorded(k, 2, now))
	loser := recorded(k, 1, now)
	loser.ID, loser.Key = "other", chatbox.ClientKey("u", "other")
	require.ErrorIs(t, f.Messages.Append(t.Context(), loser), chatbox.Clash)
	_, err := f.Transcripts.ClaimTranscript(t.Context(), recordingOf(k, 1), "x", now, now, false)
	require.ErrorIs(t, err, chatbox.NotFound)
	require.NoError(t, f.Messages.EraseRange(t.Context(), k, 1, 2))
	_, err = f.Transcripts.ClaimTranscript(t.Context(), recordingOf(k, 2), "x", now, now, false)
	require.ErrorIs(t, err, chatbox.NotFound)
	found, err := f.Transcripts.DueTranscripts(t.Context(), now.Add(time.Hour), 1000)
	require.NoError(t, err)
	assert.NotContains(t, found, recordingOf(k, 2))
}
