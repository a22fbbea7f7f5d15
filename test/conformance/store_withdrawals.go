package conformance

import (
	"sync"
	"testing"
	"time"

	"chatbox"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// keptOf is what is kept of the tenant's users.
func keptOf(t *testing.T, f StoreFixture, tenant string) map[string]chatbox.Withdrawal {
	t.Helper()
	all, err := f.Withdrawals.Kept(t.Context())
	require.NoError(t, err)
	users := map[string]chatbox.Withdrawal{}
	for _, w := range all {
		if w.User.Tenant == tenant {
			users[w.User.ID] = w
		}
	}
	return users
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
	assert.Equal(t, want, keptOf(t, f, tenant))
	assert.Equal(t, want, keptOf(t, f, tenant), "also after Redis has forgotten it")
	if f.Reopen != nil {
		f.Stores = f.Reopen(t, StoreKey())
		assert.Equal(t, want, keptOf(t, f, tenant), "durably")
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
	got := keptOf(t, f, u.Tenant)
	require.Len(t, got, 1)
	assert.Equal(t, epoch.Add(7*time.Second), got["ann"].Before)
}
