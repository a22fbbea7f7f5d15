package conformance

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"chatbox"
	"chatbox/cluster"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// lose has Redis forget all of the session, as an empty one has, and nothing else.
func (k *talk) lose() {
	k.t.Helper()
	for _, kind := range []string{"s", "l", "k", "o", "q", "z", "x"} {
		if key := k.find(kind); key != "" {
			require.NoError(k.t, k.rdb.Del(k.t.Context(), key).Err())
		}
	}
}

// refill seeds the session as of its state, with these turns.
func (k *talk) refill(turns ...chatbox.PendingTurn) {
	k.t.Helper()
	require.NoError(k.t, k.c.Seed(k.t.Context(), cluster.Seed{Session: k.key, Owner: redisOwner, State: k.state, Turns: turns}))
}

// wants is a pending turn of the message at seq, claimed so often.
func (k *talk) wants(seq int64, claims int) chatbox.PendingTurn {
	return chatbox.PendingTurn{Session: k.key, Gen: chatbox.Gen{Seq: seq, Run: 1}, At: seq, Claims: claims}
}

// answer claims the oldest turn, which must be this one, and ends it.
func (k *talk) answer(seq int64) {
	k.t.Helper()
	l := k.taken()
	require.Equal(k.t, seq, l.Gen.Seq)
	k.say(k.final(k.stream(l, 0, "a"), chatbox.FinishStop))
}

func redisSeedTurns(t *testing.T, s RedisServer) { //nolint:funlen // a list of cases
	t.Helper()
	t.Run("InOrder", func(t *testing.T) {
		k := newTalk(t, s, nil)
		for range 4 {
			k.say(k.message("q"))
		}
		k.lose()
		retried := k.wants(1, 0) // its next run was asked for at the end
		retried.Gen.Run, retried.At = 2, 4
		k.refill(k.wants(2, 0), k.wants(3, 0), k.wants(4, 0), retried)
		k.say(k.message("q5"))
		for _, seq := range []int64{2, 3} {
			k.answer(seq)
		}
		assert.ElementsMatch(t, []int64{1, 4}, []int64{k.ended(), k.ended()}, "both count from the same place")
		k.answer(5)
		assert.Equal(t, cluster.ClaimNone, k.claim().Status)
	})
	t.Run("DueAtOnce", func(t *testing.T) {
		k := newTalk(t, s, nil)
		k.say(k.message("q"))
		k.lose()
		k.refill(k.wants(1, 0))
		turn, _ := k.due()
		assert.True(t, turn, "nobody can be answering it")
	})
	t.Run("KeptForWhoeverIsAnswering", func(t *testing.T) { redisSeedKept(t, s) })
	t.Run("KeptForALeaseTime", func(t *testing.T) {
		k := newTalk(t, s, nil)
		k.say(k.message("q"))
		k.taken()
		k.lose()
		k.refill(k.wants(1, 1))
		assert.Equal(t, cluster.ClaimBusy, k.claim().Status)
		s.Advance(t, 6*time.Second)
		turn, _ := k.due()
		assert.True(t, turn)
		assert.Equal(t, chatbox.Gen{Seq: 1, Run: 1}, k.taken().Gen, "whoever was answering is dead")
	})
	t.Run("VoidAndHeld", func(t *testing.T) {
		k := newTalk(t, s, nil)
		k.say(k.message("before"))
		k.say(k.admin(chatbox.TypeAdminJoin))
		k.lose()
		k.refill(k.wants(1, 1))
		assert.Equal(t, cluster.ClaimNone, k.claim().Status, "held")
		turn, _ := k.due()
		assert.False(t, turn)
		k.say(k.admin(chatbox.TypeAdminLeave))
		k.lose()
		k.refill(k.wants(1, 1))
		assert.Equal(t, cluster.ClaimNone, k.claim().Status, "void")
		k.answerNew(4)
	})
	t.Run("TakenOverBeforeItWasTakenUpAgain", func(t *testing.T) { redisSeedTakenOver(t, s) })
	t.Run("Concurrent", func(t *testing.T) {
		k := newTalk(t, s, nil)
		for range 3 {
			k.say(k.message("q"))
		}
		k.lose()
		behind := k.state
		behind.Head = 2
		var wg sync.WaitGroup
		for i := range 12 {
			wg.Go(func() {
				seed := cluster.Seed{Session: k.key, Owner: redisOwner, State: k.state, Turns: []chatbox.PendingTurn{k.wants(1, 0), k.wants(2, 0), k.wants(3, 0)}}
				if i%2 == 0 { // it read before the third came
					seed.State, seed.Turns = behind, seed.Turns[:2]
				}
				assert.NoError(t, k.c.Seed(t.Context(), seed))
			})
		}
		wg.Wait()
		for _, seq := range []int64{1, 2, 3} {
			k.answer(seq)
		}
	})
	t.Run("MeetsAPublish", func(t *testing.T) {
		k := newTalk(t, s, nil)
		k.say(k.message("q1"))
		stale := cluster.Seed{Session: k.key, Owner: redisOwner, State: k.state, Turns: []chatbox.PendingTurn{k.wants(1, 0)}}
		k.answer(1)
		k.say(k.message("q2"))
		require.NoError(t, k.c.Seed(t.Context(), stale))
		k.answer(3)
		assert.Equal(t, cluster.ClaimNone, k.claim().Status, "what was answered meanwhile stays answered")
	})
	t.Run("ACopyThatFellBehind", func(t *testing.T) {
		k := newTalk(t, s, nil)
		k.say(k.message("q1"))
		l := k.taken()
		k.stream(l, 0, "a")
		for range 300 { // more than is healed one by one
			k.state = k.state.Apply(k.message("lost"))
		}
		k.refill(k.wants(1, 1), k.wants(301, 0))
		require.NoError(t, k.c.Renew(t.Context(), l), "a lease that Redis still has stays")
		hasCode(t, k.c.Append(t.Context(), l, cluster.Piece{Gen: l.Gen, Index: 1}), chatbox.Clash)
	})
}

// ended answers the oldest turn and says whose it was.
func (k *talk) ended() int64 {
	k.t.Helper()
	l := k.taken()
	k.say(k.final(k.stream(l, 0, "a"), chatbox.FinishStop))
	return l.Gen.Seq
}

// answerNew says something at seq and has it answered.
func (k *talk) answerNew(seq int64) {
	k.t.Helper()
	require.Equal(k.t, seq, k.say(k.message("q")).Seq)
	k.answer(seq)
}

func redisSeedKept(t *testing.T, s RedisServer) {
	t.Helper()
	// lost is a session that was seeded while its first answer was being given.
	lost := func(t *testing.T) (*talk, cluster.Lease, cluster.OpenAnswer) {
		t.Helper()
		k := newTalk(t, s, nil)
		k.say(k.message("q1"))
		k.say(k.message("q2"))
		l := k.taken()
		o := k.stream(l, 0, "said ")
		k.lose()
		k.refill(k.wants(1, 1), k.wants(2, 0))
		return k, l, o
	}
	t.Run("GoesOn", func(t *testing.T) {
		k, l, o := lost(t)
		k.cannotSpeak(l, chatbox.NotFound)
		assert.Equal(t, cluster.ClaimBusy, k.claim().Status, "by nobody else")
		_, _, err := k.c.Interrupt(t.Context(), k.key)
		hasCode(t, err, chatbox.Unavailable)
		require.NoError(t, k.c.Renew(t.Context(), l))
		p, o := add(o, "so far")
		hasCode(t, k.c.Append(t.Context(), l, p), chatbox.Clash)
		p.Snapshot, p.Content = true, o.Text
		require.NoError(t, k.c.Append(t.Context(), l, p))
		assert.Equal(t, &o, k.read(0).Open)
		k.say(k.final(o, chatbox.FinishStop))
		k.answer(2)
	})
	t.Run("OfOneTurnOnly", func(t *testing.T) {
		k, l, _ := lost(t)
		l.Gen = chatbox.Gen{Seq: 2, Run: 1}
		hasCode(t, k.c.Renew(t.Context(), l), chatbox.NotOwner)
		hasCode(t, k.c.Release(t.Context(), l), chatbox.NotOwner)
		hasCode(t, k.c.Drop(t.Context(), l, nil), chatbox.NotOwner)
		l.Gen.Seq = 1
		require.NoError(t, k.c.Renew(t.Context(), l))
		other := l
		other.Token = "7:another who was answering"
		hasCode(t, k.c.Renew(t.Context(), other), chatbox.NotOwner)
	})
	t.Run("GivenBack", func(t *testing.T) {
		k, l, _ := lost(t)
		require.NoError(t, k.c.Release(t.Context(), l))
		assert.Equal(t, chatbox.Gen{Seq: 1, Run: 1}, k.taken().Gen)
	})
	t.Run("Failed", func(t *testing.T) {
		k, l, _ := lost(t)
		require.NoError(t, k.c.Drop(t.Context(), l, nil))
		k.answer(2)
	})
}

// Clients show text that Redis has lost. The end of the answer, without text, then
// counts as the next attempt, so that clients replace it.
func redisSeedTakenOver(t *testing.T, s RedisServer) {
	t.Helper()
	k := newTalk(t, s, nil)
	k.say(k.message("q"))
	k.stream(k.taken(), 0, "shown to all")
	k.lose()
	k.refill(k.wants(1, 1))
	running, open, err := k.c.Revoke(t.Context(), k.key)
	require.NoError(t, err)
	assert.Equal(t, chatbox.Gen{Seq: 1, Run: 1}, running)
	assert.Nil(t, open)
	e := k.final(cluster.OpenAnswer{AnswerID: chatbox.AnswerID(k.key, 1, 1), Gen: running, Index: -1}, chatbox.FinishTakenOver)
	assert.Equal(t, cluster.Published{Outcome: cluster.OutcomeDiverged, Head: 1, Attempt: -1}, k.publish(e))
	k.watch(func(h *redisHandler) {
		k.publish(e, func(p *cluster.Publication) { p.Supersede = 1 })
		got := h.take(t, 2)
		require.NotNil(t, got[0].Piece)
		assert.True(t, got[0].Piece.Snapshot)
		assert.Empty(t, got[0].Piece.Content)
		require.NotNil(t, got[1].Event)
		assert.Equal(t, 1, got[1].Event.Answer.Attempt)
	})
}

func redisRevive(t *testing.T, s RedisServer) {
	t.Helper()
	k := newTalk(t, s, nil)
	sessions := map[cluster.TurnFate]*talk{}
	for _, fate := range []cluster.TurnFate{
		cluster.TurnThere, cluster.TurnEntered, cluster.TurnHeld, cluster.TurnVoid, cluster.TurnAhead, cluster.TurnForgotten,
	} {
		o := k.again()
		o.say(o.message("q"))
		sessions[fate] = o
	}
	require.NoError(t, k.rdb.Del(t.Context(), sessions[cluster.TurnEntered].find("q")).Err())
	for _, fate := range []cluster.TurnFate{cluster.TurnHeld, cluster.TurnVoid} {
		sessions[fate].say(sessions[fate].admin(chatbox.TypeAdminJoin))
	}
	sessions[cluster.TurnVoid].say(sessions[cluster.TurnVoid].admin(chatbox.TypeAdminLeave))
	sessions[cluster.TurnForgotten].lose()
	var turns []chatbox.PendingTurn
	var want []cluster.TurnFate
	for fate, o := range sessions {
		turns, want = append(turns, o.wants(1, 0)), append(want, fate)
	}
	turns = append(turns, sessions[cluster.TurnThere].wants(2, 0)) // the message is not published yet
	want = append(want, cluster.TurnAhead)
	for i, fate := range want[:len(want)-1] {
		if fate == cluster.TurnAhead {
			turns[i].Gen.Seq, turns[i].At = 2, 2
		}
	}
	_, err := k.c.Revive(t.Context(), turns[:0])
	require.NoError(t, err)
	many := make([]chatbox.PendingTurn, 0, 40)
	for i := range 40 {
		many = append(many, chatbox.PendingTurn{
			Session: chatbox.SessionKey{Tenant: "t", ID: fmt.Sprint("none-", i)}, Gen: chatbox.Gen{Seq: 1, Run: 1}, At: 1,
		})
	}
	got, err := k.c.Revive(t.Context(), many) // every server of a Cluster knows the script from here on
	require.NoError(t, err)
	assert.NotContains(t, got, cluster.TurnThere)
	hook := &RoundTrips{}
	k.rdb.AddHook(hook)
	assert.EqualValues(t, 1, hook.Of(func() {
		got, err := k.c.Revive(t.Context(), turns)
		require.NoError(t, err)
		assert.Equal(t, want, got)
	}), "however many they are")
	assert.Equal(t, chatbox.Gen{Seq: 1, Run: 1}, sessions[cluster.TurnEntered].taken().Gen)
	none, err := k.c.Revive(t.Context(), nil)
	require.NoError(t, err)
	assert.Empty(t, none)
}
