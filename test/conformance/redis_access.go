package conformance

import (
	"crypto/rand"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"chatbox"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func redisAccess(t *testing.T, s RedisServer) {
	t.Helper()
	t.Run("Tickets", func(t *testing.T) { redisTickets(t, s) })
}

func redisTickets(t *testing.T, s RedisServer) {
	t.Helper()
	k, other := newTalk(t, s, nil), newTalk(t, s, nil)
	ctx := t.Context()
	who := chatbox.Actor{
		Tenant: "t", UserID: "ann @ example", Name: "Ann", Roles: []string{"user", "admin"},
		IssuedAt: epoch, ExpiresAt: epoch.Add(time.Hour),
	}
	t.Run("OnceOverAllPods", func(t *testing.T) {
		ticket := rand.Text()
		require.NoError(t, k.c.PutTicket(ctx, ticket, who, 30*time.Second))
		var taken atomic.Int64
		var wg sync.WaitGroup
		for i := range 16 {
			c := k.c
			if i%2 == 0 {
				c = other.c
			}
			wg.Go(func() {
				a, err := c.TakeTicket(ctx, ticket)
				if err == nil && assert.Equal(t, who, a) {
					taken.Add(1)
					return
				}
				assert.ErrorIs(t, err, chatbox.NotFound)
			})
		}
		wg.Wait()
		assert.EqualValues(t, 1, taken.Load())
	})
	t.Run("EndsByItself", func(t *testing.T) {
		ticket := rand.Text()
		require.NoError(t, k.c.PutTicket(ctx, ticket, who, 30*time.Second))
		s.Advance(t, 31*time.Second)
		_, err := k.c.TakeTicket(ctx, ticket)
		hasCode(t, err, chatbox.NotFound)
		_, err = k.c.TakeTicket(ctx, "")
		hasCode(t, err, chatbox.NotFound)
	})
	t.Run("AMovedBoxIsNobodys", func(t *testing.T) {
		mine, theirs := rand.Text(), rand.Text()
		require.NoError(t, k.c.PutTicket(ctx, mine, who, time.Minute))
		keys := keysLike(t, k.rdb, "cb:ticket:*")
		require.Len(t, keys, 1)
		assert.NotContains(t, keys[0], mine)
		admin := who
		admin.UserID = "root"
		require.NoError(t, k.c.PutTicket(ctx, theirs, admin, time.Minute))
		all := keysLike(t, k.rdb, "cb:ticket:*")
		require.Len(t, all, 2)
		for _, key := range all {
			if key != keys[0] {
				overwrite(t, k.rdb, key, keys[0])
			}
		}
		_, err := k.c.TakeTicket(ctx, mine)
		require.Error(t, err)
		require.NotErrorIs(t, err, chatbox.NotFound)
	})
}
