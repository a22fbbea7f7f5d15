package conformance

import (
	"testing"
	"time"

	"chatbox"
	"chatbox/cluster"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func redisLeases(t *testing.T, s RedisServer) {
	t.Helper()
	t.Run("Claim", func(t *testing.T) { redisClaim(t, s) })
	t.Run("HealedFinalClosesToo", func(t *testing.T) {
		k := newTalk(t, s, nil)
		k.say(k.message("q"))
		l := k.taken()
		k.say(k.final(k.stream(l, 0, "a", "b"), chatbox.FinishStop)) // without the lease
		assert.Nil(t, k.read(0).Open)
		assert.Equal(t, cluster.ClaimNone, k.claim().Status)
		hasCode(t, k.c.Renew(t.Context(), l), chatbox.NotOwner)
		hasCode(t, k.c.Drop(t.Context(), l, nil), chatbox.NotOwner)
	})
	t.Run("VoidHeldEnded", func(t *testing.T) {
		k := newTalk(t, s, nil)
		k.say(k.message("before"))
		l := k.taken()
		k.say(k.admin(chatbox.TypeAdminJoin))
		hasCode(t, k.c.Renew(t.Context(), l), chatbox.NotOwner)
		k.say(k.note("while held"))
		assert.Equal(t, cluster.ClaimNone, k.claim().Status, "held")
		k.say(k.admin(chatbox.TypeAdminLeave))
		assert.Equal(t, cluster.ClaimNone, k.claim().Status, "void: before the leave")
		k.say(k.message("after"))
		assert.Equal(t, chatbox.Gen{Seq: 5, Run: 1}, k.taken().Gen)
		end := k.note("")
		end.Type = chatbox.TypeSessionEnded
		k.say(end)
		assert.Equal(t, cluster.ClaimNone, k.claim().Status, "ended")
		require.NoError(t, k.c.Enqueue(t.Context(), k.key, chatbox.Gen{Seq: 5, Run: 1}, 5))
		assert.Equal(t, cluster.ClaimNone, k.claim().Status)
	})
	t.Run("AutomaticLeaveVoidsNothing", func(t *testing.T) {
		k := newTalk(t, s, nil)
		k.say(k.admin(chatbox.TypeAdminJoin))
		k.say(k.message("while held")) // as a later version might have it
		leave := k.admin(chatbox.TypeAdminLeave)
		leave.Metadata[chatbox.MetaAutomatic] = "true"
		k.say(leave)
		assert.Equal(t, chatbox.Gen{Seq: 2, Run: 1}, k.taken().Gen)
	})
	t.Run("TokensAreComparedForEquality", func(t *testing.T) { redisTokens(t, s) })
	t.Run("Revoke", func(t *testing.T) { redisRevoke(t, s) })
	t.Run("AllowTakesBackNobodyElsesBan", func(t *testing.T) { redisAllow(t, s) })
	t.Run("ClaimRepeatedAfterALostReply", func(t *testing.T) {
		k := newTalk(t, s, nil)
		k.say(k.message("q"))
		lossy := &losingHook{}
		k.rdb.AddHook(lossy)
		lossy.armed.Store(true)
		c := k.claim()
		assert.Equal(t, cluster.ClaimTaken, c.Status, "the second try finds its own token")
		assert.Equal(t, int64(2), lossy.calls.Load())
		require.NoError(t, k.c.Renew(t.Context(), c.Lease))
		k.say(k.final(k.stream(c.Lease, 0, "a"), chatbox.FinishStop))
	})
	t.Run("FailureIsToldWithTheDrop", func(t *testing.T) {
		k := newTalk(t, s, nil)
		k.say(k.message("q"))
		l := k.taken()
		f := cluster.Failure{AnswerID: "ans_x", Gen: l.Gen, ReplyTo: "m1", Code: chatbox.ModelFailed, Message: "m"}
		k.watch(func(h *redisHandler) {
			require.NoError(t, k.c.Drop(t.Context(), l, &f))
			got := h.take(t, 1)
			require.NotNil(t, got[0].Failure)
			assert.Equal(t, f, *got[0].Failure)
			assert.Equal(t, redisOwner, got[0].Owner)
			assert.EqualValues(t, 1, got[0].Head)
		})
	})
}

// powerless has every act under a lease refused with the code.
func (k *talk) powerless(l cluster.Lease, code chatbox.Code) {
	k.t.Helper()
	k.cannotSpeak(l, code)
	ctx := k.t.Context()
	hasCode(k.t, k.c.Renew(ctx, l), code)
	hasCode(k.t, k.c.Release(ctx, l), code)
	hasCode(k.t, k.c.Drop(ctx, l, &cluster.Failure{Gen: l.Gen}), code)
}

// cannotSpeak has every act by which an answer gets on refused with the code.
func (k *talk) cannotSpeak(l cluster.Lease, code chatbox.Code) {
	k.t.Helper()
	before := k.read(0)
	ctx := k.t.Context()
	o := k.opening(l, 0)
	p, _ := add(o, "x")
	hasCode(k.t, k.c.Start(ctx, l, o), code)
	hasCode(k.t, k.c.Append(ctx, l, p), code)
	p.Snapshot = true
	hasCode(k.t, k.c.Append(ctx, l, p), code)
	_, err := k.c.Begin(ctx, cluster.Beginning{Session: k.key, Key: "a:1:1", Lease: &l})
	hasCode(k.t, err, code)
	assert.Equal(k.t, before, k.read(0))
}

func redisRevoke(t *testing.T, s RedisServer) {
	t.Helper()
	k := newTalk(t, s, nil)
	_, open, err := k.c.Revoke(t.Context(), k.key)
	require.NoError(t, err)
	assert.Nil(t, open)
	s.Advance(t, 6*time.Second)
	k.say(k.message("q"))
	l := k.taken()
	o := k.stream(l, 0, "said ", "so far")
	_, open, err = k.c.Revoke(t.Context(), k.key)
	require.NoError(t, err)
	assert.Equal(t, &o, open)
	k.powerless(l, chatbox.NotOwner)
	assert.Equal(t, cluster.ClaimBusy, k.claim().Status, "claims are forbidden")
	_, open, err = k.c.Revoke(t.Context(), k.key)
	require.NoError(t, err)
	assert.Equal(t, &o, open, "revoking again is no harm")
	s.Advance(t, 6*time.Second) // the revoker died
	c := k.claim()
	require.Equal(t, cluster.ClaimTaken, c.Status)
	assert.True(t, c.Open)
	_, open, err = k.c.Revoke(t.Context(), k.key)
	require.NoError(t, err)
	k.say(k.final(*open, chatbox.FinishTakenOver))
	k.say(k.admin(chatbox.TypeAdminJoin))
	assert.Nil(t, k.read(0).Open)
	k.powerless(c.Lease, chatbox.NotOwner)
}

func redisAllow(t *testing.T, s RedisServer) {
	t.Helper()
	k := newTalk(t, s, nil)
	k.say(k.message("q"))
	interrupt := func() {
		_, _, err := k.c.Interrupt(t.Context(), k.key)
		require.NoError(t, err)
	}
	revoke := func() {
		_, _, err := k.c.Revoke(t.Context(), k.key)
		require.NoError(t, err)
	}
	for attempt, bans := range [][]func(){{revoke, interrupt}, {interrupt, revoke}} {
		k.stream(k.taken(), attempt, "said")
		for _, ban := range bans {
			ban()
		}
		require.NoError(t, k.c.Allow(t.Context(), k.key))
		assert.Equal(t, cluster.ClaimBusy, k.claim().Status)
		s.Advance(t, 6*time.Second)
	}
	k.taken()
	interrupt()
	assert.Equal(t, cluster.ClaimBusy, k.claim().Status)
	require.NoError(t, k.c.Allow(t.Context(), k.key))
	k.taken()
}

func redisClaim(t *testing.T, s RedisServer) {
	t.Helper()
	k := newTalk(t, s, nil)
	assert.Equal(t, cluster.ClaimUnseeded, k.claim().Status)
	k.say(k.note("nothing to answer"))
	assert.Equal(t, cluster.ClaimNone, k.claim().Status)
	k.say(k.message("first"))
	k.say(k.message("second"))
	c := k.claim()
	require.Equal(t, cluster.ClaimTaken, c.Status)
	assert.Equal(t, chatbox.Gen{Seq: 2, Run: 1}, c.Lease.Gen, "oldest first")
	assert.Equal(t, redisOwner, c.Lease.Owner)
	assert.Equal(t, k.state, c.State)
	assert.False(t, c.Open)
	assert.Equal(t, cluster.ClaimBusy, k.claim().Status)
	require.NoError(t, k.c.Renew(t.Context(), c.Lease))
	s.Advance(t, 4*time.Second)
	require.NoError(t, k.c.Renew(t.Context(), c.Lease))
	s.Advance(t, 4*time.Second)
	assert.Equal(t, cluster.ClaimBusy, k.claim().Status, "renewed")
	o := k.stream(c.Lease, 0, "a")
	e := k.final(o, chatbox.FinishStop)
	assert.Equal(t, cluster.OutcomeDone, k.publish(e, func(p *cluster.Publication) { p.Lease = &c.Lease }).Outcome)
	assert.Equal(t, chatbox.Gen{Seq: 3, Run: 1}, k.taken().Gen, "the final gave the lease back and removed the turn")
}

func redisTokens(t *testing.T, s RedisServer) {
	t.Helper()
	k := newTalk(t, s, nil)
	k.say(k.message("q"))
	old := k.taken()
	s.Advance(t, 6*time.Second)
	l := k.taken()
	assert.NotEqual(t, old.Token, l.Token)
	k.powerless(old, chatbox.NotOwner)
	require.NoError(t, k.c.Renew(t.Context(), l), "the other's attempts did no harm")
	require.NoError(t, k.c.Release(t.Context(), l))
	k.powerless(l, chatbox.NotOwner)
	l = k.taken()
	require.NoError(t, k.c.Drop(t.Context(), l, nil))
	k.powerless(l, chatbox.NotOwner)
	assert.Equal(t, cluster.ClaimNone, k.claim().Status, "the turn is gone")
	k.say(k.message("q2"))
	l = k.taken()
	s.Advance(t, 6*time.Second)
	k.powerless(l, chatbox.NotOwner)
	require.NoError(t, k.rdb.Del(t.Context(), k.find("s")).Err())
	k.powerless(l, chatbox.NotFound)
}
