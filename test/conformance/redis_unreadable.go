package conformance

import (
	"testing"

	"chatbox"
	"chatbox/cluster"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// redisUnreadable has copies in Redis that nobody can open, or whose end may
// be missing.
func redisUnreadable(t *testing.T, s RedisServer) {
	t.Helper()
	// spoiled is a session with a pending turn whose fold is damaged.
	spoiled := func(t *testing.T) *talk {
		t.Helper()
		k := newTalk(t, s, nil)
		k.say(k.message("q"))
		require.NoError(t, k.rdb.HSet(t.Context(), k.find("s"), "f", "sealed with a key of yesterday").Err())
		return k
	}
	reseeded := func(t *testing.T, k *talk) {
		t.Helper()
		assert.Empty(t, k.find("s"), "head and fold go together")
		assert.Empty(t, k.find("l"))
		require.NoError(t, k.c.Seed(t.Context(), cluster.Seed{Session: k.key, Owner: redisOwner, State: k.state, Turns: []chatbox.PendingTurn{k.wants(1, 0)}}))
		assert.Equal(t, k.state, k.read(0).State)
		assert.Equal(t, chatbox.Gen{Seq: 1, Run: 1}, k.taken().Gen, "the turn was not forgotten")
	}
	t.Run("BeginSeesNoSession", func(t *testing.T) {
		k := spoiled(t)
		b, err := k.c.Begin(t.Context(), cluster.Beginning{Session: k.key, Key: "c:x:1"})
		require.NoError(t, err)
		assert.False(t, b.Seeded)
		assert.NotEmpty(t, b.Intent)
		reseeded(t, k)
	})
	t.Run("ReadSeesNoSession", func(t *testing.T) {
		k := spoiled(t)
		assert.False(t, k.read(0).Seeded)
		reseeded(t, k)
	})
	t.Run("ClaimSeesNoSession", func(t *testing.T) {
		k := spoiled(t)
		assert.Equal(t, cluster.ClaimUnseeded, k.claim().Status)
		reseeded(t, k)
	})
	t.Run("PiecesThatCannotBeOpenedAreNone", func(t *testing.T) {
		k := newTalk(t, s, nil)
		k.say(k.message("q"))
		k.stream(k.taken(), 0, "a", "b")
		require.NoError(t, k.rdb.LSet(t.Context(), k.find("o"), 1, "damaged").Err())
		tail := k.read(0)
		assert.True(t, tail.Seeded)
		assert.Nil(t, tail.Open)
		_, open, err := k.c.Revoke(t.Context(), k.key)
		require.NoError(t, err, "a person can take over all the same")
		assert.Nil(t, open)
	})
	t.Run("AClaimTellsOfAFailover", func(t *testing.T) {
		k := newTalk(t, s, nil)
		k.say(k.message("q"))
		l := k.taken()
		o := k.stream(l, 0, "a")
		require.NoError(t, k.c.Release(t.Context(), l))
		c := k.claim()
		assert.True(t, c.Open)
		assert.False(t, c.Torn)
		require.NoError(t, k.rdb.HSet(t.Context(), k.find("s"), "oe", "of the master before").Err())
		require.NoError(t, k.c.Release(t.Context(), c.Lease))
		c = k.claim()
		assert.True(t, c.Open)
		assert.True(t, c.Torn)
		whole := cluster.Piece{
			AnswerID: o.AnswerID, Gen: o.Gen, ReplyTo: o.ReplyTo, ModelID: o.ModelID,
			Attempt: 1, Index: -1, Content: o.Text, Snapshot: true,
		}
		require.NoError(t, k.c.Append(t.Context(), c.Lease, whole))
		require.NoError(t, k.c.Release(t.Context(), c.Lease))
		c = k.claim()
		assert.False(t, c.Torn, "all of it was shown again by this master")
		o.Attempt, o.Index = 1, -1
		assert.Equal(t, &o, k.read(0).Open)
	})
}
