package conformance

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"chatbox"
	"chatbox/helpdesk"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// past returns a due time for the alerts of one part of the suite. It is long ago,
// so that these alerts come before alerts that other runs left pending, and it
// differs for each part.
func past() time.Time { return time.UnixMilli(time.Now().UnixNano() % 1_000_000_000).UTC() }

// calling is a request for help whose alert is due at the moment.
func calling(k chatbox.SessionKey, seq int64, due time.Time) chatbox.Event {
	e := said(k, seq, "")
	e.Type, e.Alert = chatbox.TypeHelpRequest, &chatbox.Alert{State: chatbox.AlertPending, Due: due}
	return e
}

func alertOf(k chatbox.SessionKey, seq int64) helpdesk.AlertKey {
	return helpdesk.AlertKey{Session: k, Seq: seq}
}

func alertClaim(t *testing.T, f StoreFixture) {
	t.Helper()
	k, due := newKey(), past()
	appendAll(t, f.Stores, said(k, 1, "nothing to tell"), calling(k, 2, due))
	events, err := f.Messages.Range(t.Context(), k, 2, 2)
	require.NoError(t, err)
	require.Len(t, events, 1)
	assert.Nil(t, events[0].Alert, "an alert is not read with its event")

	pods := []Stores{f.Stores, f.Reopen(t, StoreKey()), f.Reopen(t, StoreKey())}
	until := due.Add(time.Minute)
	var mu sync.Mutex // guards following
	var won []helpdesk.AlertTask
	var wg sync.WaitGroup
	for i := range 12 {
		wg.Go(func() {
			task, err := pods[i%len(pods)].Alerts.ClaimAlert(t.Context(), alertOf(k, 2), fmt.Sprint("token-", i), due, until)
			if err != nil {
				assert.ErrorIs(t, err, chatbox.NotOwner)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			won = append(won, task)
		})
	}
	wg.Wait()
	require.Len(t, won, 1, "of those who claim together one has it")
	want := helpdesk.AlertTask{
		Key: alertOf(k, 2), Owner: "u", Since: events[0].Time,
		Alert: chatbox.Alert{State: chatbox.AlertPending, Due: until, Tries: 1, Token: won[0].Alert.Token},
	}
	assert.Equal(t, want, won[0])
	assert.NotEmpty(t, won[0].Alert.Token)

	_, err = f.Alerts.ClaimAlert(t.Context(), alertOf(k, 2), "early", until.Add(-time.Millisecond), until)
	require.ErrorIs(t, err, chatbox.NotOwner, "a claim lasts")
	late, err := f.Alerts.ClaimAlert(t.Context(), alertOf(k, 2), "late", until, until.Add(time.Minute))
	require.NoError(t, err, "a claim that came to no end is another's")
	assert.Equal(t, 2, late.Alert.Tries)
	for _, seq := range []int64{1, 3} {
		_, err = f.Alerts.ClaimAlert(t.Context(), alertOf(k, seq), "x", until, until)
		require.ErrorIs(t, err, chatbox.NotFound, "no alert at %d", seq)
	}
	_, err = f.Alerts.ClaimAlert(t.Context(), alertOf(newKey(), 2), "x", until, until)
	require.ErrorIs(t, err, chatbox.NotFound)
}

func alertSettle(t *testing.T, f StoreFixture) {
	t.Helper()
	k, due := newKey(), past()
	appendAll(t, f.Stores, calling(k, 1, due))
	claim := func(token string, at time.Time) (helpdesk.AlertTask, error) {
		return f.Alerts.ClaimAlert(t.Context(), alertOf(k, 1), token, at, at.Add(time.Minute))
	}
	_, err := claim("one", due)
	require.NoError(t, err)
	require.NoError(t, f.Alerts.MarkAlert(t.Context(), alertOf(k, 1), "email-1"))
	require.NoError(t, f.Alerts.MarkAlert(t.Context(), alertOf(k, 1), "email-1"))
	again := due.Add(time.Second)
	require.NoError(t, f.Alerts.SettleAlert(t.Context(), alertOf(k, 1), "another", chatbox.AlertDone, due))
	require.NoError(t, f.Alerts.SettleAlert(t.Context(), alertOf(k, 1), "one", chatbox.AlertPending, again))
	_, err = claim("early", again.Add(-time.Millisecond))
	require.ErrorIs(t, err, chatbox.NotOwner, "it is due again later")
	task, err := claim("two", again)
	require.NoError(t, err)
	assert.Equal(t, 2, task.Alert.Tries)
	assert.Equal(t, []string{"email-1"}, task.Alert.Sent, "what was sent is kept, once")

	require.NoError(t, f.Alerts.MarkAlert(t.Context(), alertOf(k, 1), "webhook"), "whoever has the claim now")
	require.NoError(t, f.Alerts.SettleAlert(t.Context(), alertOf(k, 1), "one", chatbox.AlertFailed, again), "an ended claim")
	_, err = claim("three", again.Add(time.Hour))
	require.NoError(t, err, "it had no effect")
	require.NoError(t, f.Alerts.SettleAlert(t.Context(), alertOf(k, 1), "three", chatbox.AlertDone, again))
	_, err = claim("four", again.Add(24*time.Hour))
	require.ErrorIs(t, err, chatbox.NotOwner, "what is settled stays")
	require.NoError(t, f.Alerts.MarkAlert(t.Context(), alertOf(k, 9), "email-1"), "an alert that is gone")
	require.NoError(t, f.Alerts.SettleAlert(t.Context(), alertOf(k, 9), "x", chatbox.AlertDone, again))
}

func alertDue(t *testing.T, f StoreFixture) {
	t.Helper()
	a, b, at := newKey(), newKey(), past()
	appendAll(t, f.Stores,
		calling(a, 1, at.Add(3*time.Millisecond)), said(a, 2, "x"), calling(a, 3, at.Add(time.Millisecond)),
		calling(b, 1, at.Add(2*time.Millisecond)), calling(b, 2, at.Add(10*time.Millisecond)))
	due := func(before time.Duration) []helpdesk.AlertKey {
		t.Helper()
		found, err := f.Alerts.DueAlerts(t.Context(), at.Add(before), 1000)
		require.NoError(t, err)
		var ours []helpdesk.AlertKey
		for _, k := range found {
			if k.Session == a || k.Session == b {
				ours = append(ours, k)
			}
		}
		return ours
	}
	assert.Equal(t, []helpdesk.AlertKey{alertOf(a, 3), alertOf(b, 1), alertOf(a, 1)}, due(10*time.Millisecond), "the oldest first, before excludes")
	limited, err := f.Alerts.DueAlerts(t.Context(), time.Now(), 2)
	require.NoError(t, err)
	assert.Len(t, limited, 2)
	_, err = f.Alerts.ClaimAlert(t.Context(), alertOf(a, 3), "one", at.Add(time.Second), at.Add(time.Minute))
	require.NoError(t, err)
	assert.NotContains(t, due(time.Second), alertOf(a, 3), "claimed")
	require.NoError(t, f.Alerts.SettleAlert(t.Context(), alertOf(a, 3), "one", chatbox.AlertFailed, at))
	assert.NotContains(t, due(time.Hour), alertOf(a, 3), "given up")
}

// alertClash: an event that finds its place taken leaves no alert behind.
func alertClash(t *testing.T, f StoreFixture) {
	t.Helper()
	k, due := newKey(), past()
	appendAll(t, f.Stores, said(k, 1, "first"))
	loser := calling(k, 1, due)
	loser.ID, loser.Key = "other", chatbox.ClientKey("u", "other")
	require.ErrorIs(t, f.Messages.Append(t.Context(), loser), chatbox.Clash)
	_, err := f.Alerts.ClaimAlert(t.Context(), alertOf(k, 1), "x", due, due.Add(time.Minute))
	require.ErrorIs(t, err, chatbox.NotFound)
	appendAll(t, f.Stores, calling(k, 2, due))
	require.ErrorIs(t, f.Messages.Append(t.Context(), calling(k, 2, due.Add(time.Hour))), chatbox.Clash)
	task, err := f.Alerts.ClaimAlert(t.Context(), alertOf(k, 2), "x", due, due.Add(time.Minute))
	require.NoError(t, err, "a repeat changes nothing")
	assert.Equal(t, 1, task.Alert.Tries)
}
