package live

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"chatbox"
)

func TestEfforts(t *testing.T) {
	now := time.UnixMilli(1_700_000_000_000)
	e := newEfforts(1000, 100)
	mallory, ada := chatbox.UserKey{ID: "mallory"}, chatbox.UserKey{ID: "ada"}

	require.NoError(t, e.admit(mallory, now))
	e.spend(mallory, 989, now)
	require.NoError(t, e.admit(mallory, now), "one left")
	e.spend(mallory, 1000, now)
	err := e.admit(mallory, now)
	require.ErrorIs(t, err, chatbox.RateLimited)
	var refused *chatbox.Error
	require.ErrorAs(t, err, &refused)
	assert.Equal(t, chatbox.RefusedRate, refused.Refusal)
	assert.Equal(t, 10100*time.Millisecond, refused.RetryAfter, "1,009 overdrawn, at 100 a second")
	require.NoError(t, e.admit(ada, now), "others have accounts of their own")
	require.NoError(t, e.admit(chatbox.UserKey{Tenant: "t", ID: "mallory"}, now))

	require.ErrorIs(t, e.admit(mallory, now.Add(-time.Hour)), chatbox.RateLimited, "a clock that went back gives nothing")
	now = now.Add(refused.RetryAfter)
	require.NoError(t, e.admit(mallory, now), "after the wait it was told")
	require.Error(t, e.admit(mallory, now))

	require.NoError(t, e.admit(ada, now.Add(time.Hour)))
	assert.Len(t, e.users, 1, "full accounts are forgotten")
}

func TestEfforts_AreBounded(t *testing.T) {
	now := time.UnixMilli(1_700_000_000_000)
	e := newEfforts(10, 1)
	for i := range maxEfforts + 10 {
		require.NoError(t, e.admit(chatbox.UserKey{ID: fmt.Sprint(i)}, now))
	}
	assert.Len(t, e.users, maxEfforts)
}
