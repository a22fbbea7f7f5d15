package conformance

import (
	"testing"

	"chatbox"
	"chatbox/cluster"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// redisErase has a session of which only its end is left.
func redisErase(t *testing.T, s RedisServer) {
	t.Helper()
	ended := func(seq int64) chatbox.State {
		return chatbox.State{Head: seq, Ended: true, EndedAt: epoch, Erased: true}
	}
	t.Run("LeavesOneKeyThatSaysSo", func(t *testing.T) {
		k := newTalk(t, s, nil)
		first := k.say(k.message("q"))
		lease := k.taken()
		o := k.stream(lease, 0, "a", "b")
		st := ended(5)
		for range 2 {
			require.NoError(t, k.c.Erase(t.Context(), k.key, redisOwner, st))
		}
		for _, kind := range []string{"l", "k", "o", "q", "z", "x", "r"} {
			assert.Empty(t, k.find(kind), kind)
		}
		tail := k.read(0)
		assert.Equal(t, cluster.Tail{Seeded: true, Owner: redisOwner, State: st, Events: []chatbox.Event{}}, tail)
		begun, err := k.c.Begin(t.Context(), cluster.Beginning{Session: k.key, Key: first.Key})
		require.NoError(t, err)
		assert.Nil(t, begun.Repeat)
		assert.True(t, begun.State.Erased)
		p, _ := add(o, "c")
		hasCode(t, k.c.Append(t.Context(), lease, p), chatbox.NotOwner)
		assert.Equal(t, cluster.ClaimNone, k.claim().Status)
		ttl, err := k.rdb.PTTL(t.Context(), k.find("s")).Result()
		require.NoError(t, err)
		assert.Positive(t, ttl, "it goes by itself")
	})
	t.Run("RefusesWhatIsStale", func(t *testing.T) {
		k := newTalk(t, s, nil)
		k.say(k.note("a"))
		st := ended(5)
		require.NoError(t, k.c.Erase(t.Context(), k.key, redisOwner, st))
		require.NoError(t, k.c.Seed(t.Context(), cluster.Seed{Session: k.key, Owner: redisOwner, State: k.state}), "by a pod that read before")
		assert.Equal(t, st, k.read(0).State)
		assert.Equal(t, cluster.OutcomeAlready, k.publish(k.note("late")).Outcome)
		assert.Empty(t, k.read(0).Events)
	})
	t.Run("MendsWhatCameBack", func(t *testing.T) {
		k := newTalk(t, s, nil)
		k.say(k.note("a")) // what a failover brought back
		st := ended(3)
		heard := listen(t, k.rdb, k.channel())
		t.Cleanup(func() { _ = heard.Close() })
		_, err := heard.Receive(t.Context())
		require.NoError(t, err)
		require.NoError(t, k.c.Erase(t.Context(), k.key, redisOwner, st))
		msg, err := heard.ReceiveMessage(t.Context())
		require.NoError(t, err)
		assert.Equal(t, "3|", msg.Payload, "pods that are behind read again")
		assert.Equal(t, st, k.read(0).State)
	})
}
