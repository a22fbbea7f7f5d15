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

func redisBegin(t *testing.T, s RedisServer) {
	t.Helper()
	t.Run("ReadsAndFindsRepeats", func(t *testing.T) {
		k := newTalk(t, s, nil)
		b := cluster.Beginning{Session: k.key, Key: "c:x:1"}
		begun, err := k.c.Begin(t.Context(), b)
		require.NoError(t, err)
		assert.False(t, begun.Seeded)
		assert.NotEmpty(t, begun.Intent)
		first := k.say(k.note("a"))
		for range 3 {
			k.say(k.note("x"))
		}
		begun, err = k.c.Begin(t.Context(), cluster.Beginning{Session: k.key, Key: first.Key, User: k.user()})
		require.NoError(t, err)
		require.NotNil(t, begun.Repeat)
		assert.Equal(t, first, *begun.Repeat)
		assert.Empty(t, begun.Intent, "a repeat leaves nothing behind")
		begun, err = k.c.Begin(t.Context(), b)
		require.NoError(t, err)
		assert.Nil(t, begun.Repeat)
		assert.Equal(t, k.state, begun.State)
		assert.Equal(t, redisOwner, begun.Owner)
	})
	t.Run("Reserved", func(t *testing.T) {
		k := newTalk(t, s, nil)
		holder, err := k.c.Reserve(t.Context(), k.key, "somebody")
		require.NoError(t, err)
		assert.Equal(t, "somebody", holder)
		begun, err := k.c.Begin(t.Context(), cluster.Beginning{Session: k.key, Key: "c:x:1"})
		require.NoError(t, err)
		assert.Equal(t, "somebody", begun.ReservedBy)
		assert.Equal(t, "somebody", k.read(0).ReservedBy)
	})
	t.Run("UnderLease", func(t *testing.T) {
		k := newTalk(t, s, nil)
		k.say(k.message("q"))
		l := k.taken()
		b := cluster.Beginning{Session: k.key, Key: chatbox.AnswerKey(1, 1), Lease: &l}
		_, err := k.c.Begin(t.Context(), b)
		require.NoError(t, err)
		_, _, err = k.c.Revoke(t.Context(), k.key)
		require.NoError(t, err)
		_, err = k.c.Begin(t.Context(), b)
		hasCode(t, err, chatbox.NotOwner)
		require.NoError(t, k.rdb.Del(t.Context(), k.find("s")).Err())
		_, err = k.c.Begin(t.Context(), b)
		hasCode(t, err, chatbox.NotFound)
	})
	t.Run("FlushSentTwiceCountsOnce", func(t *testing.T) {
		k := newTalk(t, s, func(c *redisstate.Config) { c.RateLimit = 1 })
		b := cluster.Beginning{Session: k.key, Key: "c:x:1", User: k.user()}
		_, err := k.again().c.Begin(t.Context(), cluster.Beginning{Session: k.key, Key: "c:x:0"})
		require.NoError(t, err)
		lossy := &losingHook{}
		k.rdb.AddHook(lossy)
		lossy.armed.Store(true)
		begun, err := k.c.Begin(t.Context(), b)
		require.NoError(t, err)
		require.EqualValues(t, 2, lossy.calls.Load())
		assert.Zero(t, begun.RetryAfter, "its own first count is no reason to refuse it")
		begun, err = k.c.Begin(t.Context(), b)
		require.NoError(t, err)
		assert.Positive(t, begun.RetryAfter)
	})
	t.Run("TriesOfOneAppendCountOnce", func(t *testing.T) {
		k := newTalk(t, s, func(c *redisstate.Config) { c.RateLimit = 1 })
		b := cluster.Beginning{Session: k.key, Key: "c:x:1", User: k.user(), Nonce: "one"}
		for range 3 {
			begun, err := k.c.Begin(t.Context(), b)
			require.NoError(t, err)
			assert.Zero(t, begun.RetryAfter)
		}
		b.Nonce = "another"
		begun, err := k.c.Begin(t.Context(), b)
		require.NoError(t, err)
		assert.Positive(t, begun.RetryAfter)
	})
	t.Run("RateLimit", func(t *testing.T) { redisRate(t, s) })
}

func redisRate(t *testing.T, s RedisServer) {
	t.Helper()
	k := newTalk(t, s, func(c *redisstate.Config) { c.RateLimit, c.RateWindow = 5, time.Minute })
	repeat := k.say(k.note("a"))
	b := cluster.Beginning{Session: k.key, Key: "c:new:1", User: k.user()}
	begin := func(b cluster.Beginning) cluster.Begun {
		t.Helper()
		begun, err := k.c.Begin(t.Context(), b)
		require.NoError(t, err)
		return begun
	}
	for range 20 { // repeats do not count
		again := b
		again.Key = repeat.Key
		require.NotNil(t, begin(again).Repeat)
	}
	for range 2 {
		require.Zero(t, begin(b).RetryAfter)
	}
	s.Advance(t, 30*time.Second)
	for range 2 {
		require.Zero(t, begin(b).RetryAfter)
	}
	last := begin(b)
	require.Zero(t, last.RetryAfter)
	refused := begin(b)
	assert.InDelta(t, 30*time.Second, refused.RetryAfter, float64(3*time.Second))
	again := b
	again.Key = repeat.Key
	assert.NotNil(t, begin(again).Repeat, "a repeat at the limit is a repeat")
	require.NoError(t, k.c.Abandon(t.Context(), b, refused.Intent))
	require.NoError(t, k.c.Abandon(t.Context(), b, last.Intent))
	assert.Zero(t, begin(b).RetryAfter, "what came to nothing is not counted")
	assert.Positive(t, begin(b).RetryAfter)
	s.Advance(t, 31*time.Second) // the first two are out of the window
	for range 2 {
		assert.Zero(t, begin(b).RetryAfter)
	}
	assert.Positive(t, begin(b).RetryAfter, "exactly two")
	other := b
	other.User.ID += "x"
	assert.Zero(t, begin(other).RetryAfter, "limits are a user's own")
	s.Advance(t, 10*time.Minute)
	for range 5 {
		assert.Zero(t, begin(b).RetryAfter)
	}
	assert.Positive(t, begin(b).RetryAfter)
}
