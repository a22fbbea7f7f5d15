package conformance

import (
	"sync"
	"testing"
	"time"

	"chatbox"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// keptOf is what is kept of the tenant's users since a time, read by pages of two.
func keptOf(t *testing.T, f StoreFixture, tenant string, since time.Time) map[string]chatbox.Withdrawal {
	t.Helper()
	users, after := map[string]chatbox.Withdrawal{}, chatbox.UserKey{}
	for {
		page, err := f.Withdrawals.Kept(t.Context(), since, after, 2)
		require.NoError(t, err)
		for _, w := range page {
			if w.User.Tenant == tenant {
				assert.NotContains(t, users, w.User.ID, "once")
				users[w.User.ID] = w
			}
		}
		if len(page) < 2 {
			return users
		}
		after = page[1].User
	}
}

func withdrawalsLater(t *testing.T, f StoreFixture) {
	t.Helper()
	tenant := unique("t-")
	of := func(id string, before, until time.Duration) chatbox.Withdrawal {
		return chatbox.Withdrawal{User: chatbox.UserKey{Tenant: tenant, ID: id}, Before: epoch.Add(before), Until: epoch.Add(until)}
	}
	for _, w := range []chatbox.Withdrawal{
		of("ann", time.Minute, time.Hour), of("ann", 0, time.Minute), of("bob @ é", 0, time.Hour), of("old", 0, time.Second),
	} {
		require.NoError(t, f.Withdrawals.Keep(t.Context(), w))
		require.NoError(t, f.Withdrawals.Keep(t.Context(), w))
	}
	want := map[string]chatbox.Withdrawal{
		"ann": of("ann", time.Minute, time.Hour), "bob @ é": of("bob @ é", 0, time.Hour), "old": of("old", 0, time.Second),
	}
	assert.Equal(t, want, keptOf(t, f, tenant, time.Time{}))
	assert.Equal(t, want, keptOf(t, f, tenant, time.Time{}), "also after Redis has forgotten it")
	delete(want, "bob @ é")
	delete(want, "old")
	assert.Equal(t, want, keptOf(t, f, tenant, epoch.Add(time.Minute)), "the later ones only")
	if f.Reopen != nil {
		f.Stores = f.Reopen(t, StoreKey())
		assert.Equal(t, want, keptOf(t, f, tenant, epoch.Add(time.Minute)), "durably")
	}
}

func withdrawalsRace(t *testing.T, f StoreFixture) {
	t.Helper()
	u := chatbox.UserKey{Tenant: unique("t-"), ID: "ann"}
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			at := epoch.Add(time.Duration(i) * time.Second)
			assert.NoError(t, f.Withdrawals.Keep(t.Context(), chatbox.Withdrawal{User: u, Before: at, Until: at.Add(time.Hour)}))
		})
	}
	wg.Wait()
	got := keptOf(t, f, u.Tenant, time.Time{})
	require.Len(t, got, 1)
	assert.Equal(t, epoch.Add(7*time.Second), got["ann"].Before)
}
