package conformance

import (
	"sync"
	"testing"
	"time"

	"chatbox"
	"chatbox/helpdesk"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// ratings: of one talk the last that was given stands, and one of an earlier
// talk never goes over one of a later.
func ratings(t *testing.T, f StoreFixture) {
	t.Helper()
	k := newKey()
	of := func(talk int64, score int, comment string) chatbox.Rating {
		return chatbox.Rating{Score: score, Comment: comment, Time: epoch.Add(time.Duration(talk) * time.Hour), Talk: talk, AdminID: "ü|$.x"}
	}
	_, err := f.Ratings.Rate(t.Context(), k, of(1, 1, ""))
	require.ErrorIs(t, err, chatbox.NotFound)
	in := chatbox.Session{Key: k, Owner: "u", CreatedAt: epoch, State: chatbox.State{Head: 9, Talk: chatbox.Talk{Ended: 7, By: 6}}}
	_, _, err = f.Sessions.Create(t.Context(), in)
	require.NoError(t, err)
	for _, c := range []struct{ given, stands chatbox.Rating }{
		{of(4, 2, "  slow\n"), of(4, 2, "  slow\n")},
		{of(4, 3, ""), of(4, 3, "")},
		{of(7, 5, "kind 😀"), of(7, 5, "kind 😀")},
		{of(4, 1, "too late"), of(7, 5, "kind 😀")},
	} {
		got, err := f.Ratings.Rate(t.Context(), k, c.given)
		require.NoError(t, err)
		assert.Equal(t, c.stands, got)
		s, err := f.Sessions.Load(t.Context(), k)
		require.NoError(t, err)
		require.NotNil(t, s.Rating)
		assert.Equal(t, c.stands, *s.Rating)
	}
	require.NoError(t, f.Sessions.SaveState(t.Context(), k, chatbox.State{Head: 12, LastActivity: epoch}))
	page, err := f.Ledger.All(t.Context(), helpdesk.StaffQuery{Tenant: k.Tenant, UserID: "u", Sort: helpdesk.SortActivity, Limit: 5})
	require.NoError(t, err)
	require.Len(t, page.Sessions, 1)
	assert.Equal(t, of(7, 5, "kind 😀"), *page.Sessions[0].Rating, "a fold does not touch it")

	pods := []Stores{f.Stores, f.Reopen(t, StoreKey())}
	var wg sync.WaitGroup
	for i := range int64(12) {
		wg.Go(func() {
			stands, err := pods[i%2].Ratings.Rate(t.Context(), k, of(10+i, 4, ""))
			if err != nil {
				t.Error(err)
			}
			assert.GreaterOrEqual(t, stands.Talk, 10+i)
		})
	}
	wg.Wait()
	s, err := f.Sessions.Load(t.Context(), k)
	require.NoError(t, err)
	assert.Equal(t, of(21, 4, ""), *s.Rating)
}
