package conformance

import (
	"testing"
	"time"

	"chatbox"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func erasures(t *testing.T, f StoreFixture) {
	t.Helper()
	u := chatbox.UserKey{Tenant: unique("t-"), ID: "ü|$.x"}
	marked := func() (at []time.Time) {
		t.Helper()
		all, err := f.Erasures.Erasing(t.Context(), 1000)
		require.NoError(t, err)
		for _, e := range all {
			if e.User == u {
				at = append(at, e.At)
			}
		}
		return at
	}
	require.Empty(t, marked())
	for _, at := range []time.Time{epoch, epoch.Add(time.Minute), epoch} {
		require.NoError(t, f.Erasures.BeginErasure(t.Context(), u, at))
	}
	require.Equal(t, []time.Time{epoch.Add(time.Minute)}, marked(), "the later time")

	k := chatbox.SessionKey{Tenant: u.Tenant, ID: "s"}
	for _, s := range []chatbox.Session{{Key: k, Owner: u.ID}, {Key: chatbox.SessionKey{Tenant: u.Tenant, ID: "alive"}, Owner: u.ID}} {
		s.CreatedAt = epoch
		_, _, err := f.Sessions.Create(t.Context(), s)
		require.NoError(t, err)
	}
	require.NoError(t, f.Tombs.Bury(t.Context(), k, epoch))
	left, err := f.Erasures.Disown(t.Context(), u)
	require.NoError(t, err)
	assert.EqualValues(t, 1, left, "its traces are still looked for")
	require.NoError(t, f.Tombs.Sweep(t.Context(), k, time.Time{}))
	for range 2 {
		left, err = f.Erasures.Disown(t.Context(), u)
		require.NoError(t, err)
		assert.Zero(t, left)
	}
	s, err := f.Sessions.Load(t.Context(), k)
	require.NoError(t, err)
	assert.True(t, s.Erased, "the id stays burnt")
	assert.Empty(t, s.Owner)
	s, err = f.Sessions.Load(t.Context(), chatbox.SessionKey{Tenant: u.Tenant, ID: "alive"})
	require.NoError(t, err)
	assert.Equal(t, u.ID, s.Owner)

	require.NoError(t, f.Erasures.EndErasure(t.Context(), chatbox.Erasing{User: u, At: epoch}))
	require.Len(t, marked(), 1, "a later one was marked meanwhile")
	require.NoError(t, f.Erasures.EndErasure(t.Context(), chatbox.Erasing{User: u, At: epoch.Add(time.Minute)}))
	require.Empty(t, marked())
}
