package conformance

import (
	"testing"
	"time"

	"chatbox"
	"chatbox/cluster"
	"chatbox/redisstate"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// redisLives lets one process die while it answers, as another one sees it.
func redisLives(t *testing.T, s RedisServer) {
	t.Helper()
	t.Run("AnswersOfTheDeadAreReleasedAtOnce", func(t *testing.T) {
		k, other := newTalk(t, s, nil), newTalk(t, s, nil)
		k.say(k.message("q"))
		lease := k.taken()
		spare := other.again() // answered by the living process
		spare.say(spare.message("q"))
		kept := spare.taken()
		h := newRedisHandler()
		b, stop := runBus(t, k.c, h)
		require.Eventually(t, b.Healthy, patience, 10*time.Millisecond)
		watcher := redisstate.NewLives(other.c)
		dying := redisstate.NewLives(k.c)
		assert.Empty(t, looks(t, s, dying, watcher, k, lease), "it is silent but connected, like a stopped process")
		stop()
		var orphans []chatbox.SessionKey
		for range 5 { // a busy machine may make a pause that looks like an outage
			if orphans = looks(t, s, dying, watcher, k, lease); len(orphans) > 0 {
				break
			}
		}
		require.Equal(t, []chatbox.SessionKey{k.key}, orphans)
		hasCode(t, k.c.Renew(t.Context(), lease), chatbox.NotOwner)
		assert.Equal(t, cluster.ClaimTaken, k.claim().Status)
		require.NoError(t, other.c.Renew(t.Context(), kept))
	})
	t.Run("SilenceBeforeTheFirstLookProvesNothing", func(t *testing.T) {
		k, other := newTalk(t, s, nil), newTalk(t, s, nil)
		k.say(k.message("q"))
		lease := k.taken()
		_, err := redisstate.NewLives(k.c).Orphans(t.Context())
		require.NoError(t, err)
		pass(t, s, 100*time.Millisecond)
		assert.Empty(t, looks(t, s, nil, redisstate.NewLives(other.c), k, lease))
		require.NoError(t, k.c.Renew(t.Context(), lease))
	})
	t.Run("ALivingProcessIsNotDead", func(t *testing.T) {
		k, other := newTalk(t, s, nil), newTalk(t, s, nil)
		living, watcher := redisstate.NewLives(k.c), redisstate.NewLives(other.c)
		k.say(k.message("q"))
		lease := k.taken()
		for range 8 {
			for _, l := range []*redisstate.Lives{living, watcher} {
				orphans, err := l.Orphans(t.Context())
				require.NoError(t, err)
				assert.Empty(t, orphans)
			}
			pass(t, s, 250*time.Millisecond)
			require.NoError(t, k.c.Renew(t.Context(), lease))
		}
	})
}

// pass lets time pass. A real server is waited for: Advance makes what is stored
// older, and a sign of life from before the looks proves nothing.
func pass(t *testing.T, s RedisServer, d time.Duration) {
	t.Helper()
	if s.Emulated {
		s.Advance(t, d)
		return
	}
	<-time.After(d)
}

// looks has the watcher look until it finds orphans, or eight times. dying has
// beaten once more before, and its lease is fresh.
func looks(t *testing.T, s RedisServer, dying, watcher *redisstate.Lives, k *talk, lease cluster.Lease) []chatbox.SessionKey {
	t.Helper()
	for _, l := range []*redisstate.Lives{watcher, dying} {
		if l == nil {
			continue
		}
		_, err := l.Orphans(t.Context())
		require.NoError(t, err)
	}
	require.NoError(t, k.c.Renew(t.Context(), lease))
	for range 8 {
		pass(t, s, 250*time.Millisecond)
		orphans, err := watcher.Orphans(t.Context())
		require.NoError(t, err)
		if len(orphans) > 0 {
			return orphans
		}
	}
	return nil
}
