package live

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
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

// A user's long reads go one at a time and have a part of the time; what would
// wait too long is refused, and others' reads go beside them.
func TestEfforts_ReadInTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, began := newEfforts(1000, 100), time.Now()
		greedy, ada := chatbox.UserKey{ID: "greedy"}, chatbox.UserKey{ID: "ada"}
		read := func(u chatbox.UserKey, takes time.Duration) error {
			return e.read(t.Context(), u, func(context.Context) error { <-time.After(takes); return nil })
		}
		require.NoError(t, read(greedy, readFree))
		require.NoError(t, read(greedy, 100*time.Millisecond))
		assert.Equal(t, readFree+100*time.Millisecond, time.Since(began))

		results := make(chan error, 10)
		for range cap(results) {
			go func() { results <- read(greedy, 2*time.Second) }()
		}
		synctest.Wait()
		began = time.Now()
		require.NoError(t, read(ada, time.Second))
		assert.Equal(t, time.Second, time.Since(began), "others do not wait")
		served := 0
		for range cap(results) {
			err := <-results
			if err == nil {
				served++
				continue
			}
			var why *chatbox.Error
			require.ErrorAs(t, err, &why)
			assert.Equal(t, chatbox.RateLimited, why.Code)
			assert.Equal(t, chatbox.RefusedRate, why.Refusal)
			assert.Positive(t, why.RetryAfter)
		}
		assert.Equal(t, 1, served)
		assert.Less(t, time.Since(began), 2*readWait)
	})
}
