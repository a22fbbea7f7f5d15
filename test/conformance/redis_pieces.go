package conformance

import (
	"slices"
	"testing"
	"time"

	"chatbox"
	"chatbox/cluster"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func redisPieces(t *testing.T, s RedisServer) {
	t.Helper()
	t.Run("OpenAnswerKnowsWhoSpeaksAndTheCost", func(t *testing.T) { redisOpenAnswerCost(t, s) })
	t.Run("OpenAnswerIsTheAcceptedPieces", func(t *testing.T) { redisOpenAnswer(t, s) })
	t.Run("AreShownInOrder", func(t *testing.T) {
		k := newTalk(t, s, nil)
		k.say(k.message("q"))
		l := k.taken()
		k.watch(func(h *redisHandler) {
			o := k.stream(l, 0, "a", "b")
			p, _ := add(o, "c")
			require.NoError(t, k.c.Append(t.Context(), l, p))
			require.NoError(t, k.c.Append(t.Context(), l, p))
			require.NoError(t, k.c.Start(t.Context(), l, k.opening(l, 1)))
			got := h.take(t, 5)
			require.NotNil(t, got[0].Loading)
			assert.Equal(t, o.AnswerID, got[0].Loading.AnswerID)
			for i, want := range []string{"a", "b", "c"} {
				require.NotNil(t, got[i+1].Piece)
				assert.Equal(t, i, got[i+1].Piece.Index)
				assert.Equal(t, want, got[i+1].Piece.Content)
				assert.EqualValues(t, 1, got[i+1].Head)
				assert.Equal(t, redisOwner, got[i+1].Owner)
			}
			require.NotNil(t, got[4].Piece, "a repeated piece is not shown twice")
			assert.True(t, got[4].Piece.Snapshot)
			assert.Equal(t, 1, got[4].Piece.Attempt)
			assert.Equal(t, -1, got[4].Piece.Index)
		})
	})
	t.Run("RepeatsThatArriveLateTakeNothingBack", func(t *testing.T) { redisLatePieces(t, s) })
	t.Run("AnotherTurnClosesWhatWasLeftOpen", func(t *testing.T) {
		k := newTalk(t, s, nil)
		k.say(k.message("q"))
		k.say(k.message("q2"))
		l := k.taken()
		k.stream(l, 0, "left")
		require.NoError(t, k.rdb.ZRem(t.Context(), k.find("q"), "1:1").Err())
		s.Advance(t, 6*time.Second)
		c := k.claim()
		require.Equal(t, cluster.ClaimTaken, c.Status)
		assert.False(t, c.Open)
		assert.Nil(t, k.read(0).Open)
	})
	t.Run("TakeoverClosesWhatIsOpen", func(t *testing.T) {
		k := newTalk(t, s, nil)
		k.say(k.message("q"))
		k.stream(k.taken(), 0, "open")
		k.say(k.admin(chatbox.TypeAdminJoin)) // without a final: its writer died in between
		assert.Nil(t, k.read(0).Open)
		k.say(k.admin(chatbox.TypeAdminLeave))
		assert.Nil(t, k.read(0).Open)
	})
	t.Run("TextThatAgedOutIsNotAnEmptyAnswer", func(t *testing.T) {
		k := newTalk(t, s, nil)
		k.say(k.message("q"))
		k.stream(k.taken(), 0, "shown")
		require.NoError(t, k.rdb.Del(t.Context(), k.find("o")).Err())
		assert.Nil(t, k.read(0).Open)
	})
}

func redisSchedule(t *testing.T, s RedisServer) {
	t.Helper()
	t.Run("Turns", func(t *testing.T) { redisTurns(t, s) })
	t.Run("Enqueue", func(t *testing.T) {
		k := newTalk(t, s, nil)
		hasCode(t, k.c.Enqueue(t.Context(), k.key, chatbox.Gen{Seq: 1, Run: 1}, 1), chatbox.NotFound)
		k.say(k.note("forgotten"))
		k.say(k.note("forgotten too"))
		require.NoError(t, k.c.Enqueue(t.Context(), k.key, chatbox.Gen{Seq: 2, Run: 3}, 2))
		require.NoError(t, k.c.Enqueue(t.Context(), k.key, chatbox.Gen{Seq: 1, Run: 1}, 1))
		require.NoError(t, k.c.Enqueue(t.Context(), k.key, chatbox.Gen{Seq: 1, Run: 1}, 1))
		turn, _ := k.due()
		assert.True(t, turn)
		l := k.taken()
		assert.Equal(t, chatbox.Gen{Seq: 1, Run: 1}, l.Gen)
		require.NoError(t, k.c.Drop(t.Context(), l, nil))
		assert.Equal(t, chatbox.Gen{Seq: 2, Run: 3}, k.taken().Gen)
	})
	t.Run("Intents", func(t *testing.T) { redisIntents(t, s) })
	t.Run("PublishedOrAbandonedLeavesNoIntent", func(t *testing.T) {
		k := newTalk(t, s, nil)
		b := cluster.Beginning{Session: k.key, Key: "c:x:m1"}
		for i := range 3 {
			begun, err := k.c.Begin(t.Context(), b)
			require.NoError(t, err)
			e := k.note("x")
			switch i {
			case 0:
				res := k.publish(e, func(p *cluster.Publication) { p.Intent = begun.Intent })
				require.Equal(t, cluster.OutcomeDone, res.Outcome)
			case 1:
				e.Seq = 1
				res := k.publish(e, func(p *cluster.Publication) { p.Intent = begun.Intent })
				require.Equal(t, cluster.OutcomeAlready, res.Outcome)
			default:
				require.NoError(t, k.c.Abandon(t.Context(), b, begun.Intent))
			}
		}
		s.Advance(t, 2*time.Second)
		_, heal := k.due()
		assert.False(t, heal)
	})
	t.Run("KeptIntents", func(t *testing.T) { redisKeptIntents(t, s) })
}

func redisKeptIntents(t *testing.T, s RedisServer) {
	t.Helper()
	k := newTalk(t, s, nil)
	begun, err := k.c.Begin(t.Context(), cluster.Beginning{Session: k.key, Key: "c:x:m1"})
	require.NoError(t, err)
	e := k.note("x")
	keep := func(p *cluster.Publication) { p.Intent, p.Keep = begun.Intent, true }
	require.Equal(t, cluster.OutcomeDone, k.publish(e, keep).Outcome)
	require.Equal(t, cluster.OutcomeAlready, k.publish(e, keep).Outcome, "a repeat whose first reply was lost")
	s.Advance(t, 2*time.Second)
	_, heal := k.due()
	assert.False(t, heal, "the pod has some seconds to write the record")
	s.Advance(t, 3*time.Second)
	_, heal = k.due()
	assert.True(t, heal, "then a sweep finds the session")
	require.NoError(t, k.c.Abandon(t.Context(), cluster.Beginning{Session: k.key}, begun.Intent))
	s.Advance(t, 3*time.Second)
	_, heal = k.due()
	assert.False(t, heal, "the record is written")
}

func redisOpenAnswer(t *testing.T, s RedisServer) {
	t.Helper()
	k := newTalk(t, s, nil)
	k.say(k.message("q"))
	l := k.taken()
	o := k.opening(l, 0)
	p, _ := add(o, "x")
	hasCode(t, k.c.Append(t.Context(), l, p), chatbox.Clash) // not started
	require.NoError(t, k.c.Start(t.Context(), l, o))
	assert.Equal(t, &o, k.read(0).Open)
	for _, text := range []string{"one ", "", "zwei ", "三"} {
		p, o = add(o, text)
		require.NoError(t, k.c.Append(t.Context(), l, p))
		assert.Equal(t, &o, k.read(0).Open)
	}
	require.NoError(t, k.c.Append(t.Context(), l, p), "a repeat is accepted")
	old := p
	old.Index = 1
	require.NoError(t, k.c.Append(t.Context(), l, old))
	assert.Equal(t, &o, k.read(0).Open, "without effect")
	ahead := p
	ahead.Index += 2
	hasCode(t, k.c.Append(t.Context(), l, ahead), chatbox.Clash)
	snap := ahead
	snap.Snapshot, snap.Content = true, "all of it"
	require.NoError(t, k.c.Append(t.Context(), l, snap), "a snapshot needs nothing to be there")
	o.Index, o.Text = snap.Index, "all of it"
	assert.Equal(t, &o, k.read(0).Open)
	p, o = add(o, " and more")
	require.NoError(t, k.c.Append(t.Context(), l, p))
	assert.Equal(t, &o, k.read(0).Open)

	again := k.opening(l, 1)
	require.NoError(t, k.c.Start(t.Context(), l, again))
	assert.Equal(t, &again, k.read(0).Open, "a restart begins empty")
	hasCode(t, k.c.Append(t.Context(), l, p), chatbox.Clash)
	p, again = add(again, "new")
	require.NoError(t, k.c.Append(t.Context(), l, p))
	assert.Equal(t, &again, k.read(0).Open)
}

func redisTurns(t *testing.T, s RedisServer) {
	t.Helper()
	k := newTalk(t, s, nil)
	k.say(k.message("q"))
	turn, _ := k.due()
	assert.False(t, turn, "the publisher claims first")
	s.Advance(t, 500*time.Millisecond)
	turn, _ = k.due()
	assert.True(t, turn)
	turn, _ = k.due()
	assert.False(t, turn, "put off: not all pods do the same")
	s.Advance(t, 2*time.Second)
	turn, _ = k.due()
	assert.True(t, turn, "it comes again unless it is dealt with")
	l := k.taken()
	s.Advance(t, 3*time.Second)
	turn, _ = k.due()
	assert.False(t, turn)
	require.NoError(t, k.c.Renew(t.Context(), l))
	s.Advance(t, 4*time.Second)
	turn, _ = k.due()
	assert.False(t, turn, "renewed")
	s.Advance(t, 1100*time.Millisecond)
	turn, _ = k.due()
	assert.True(t, turn, "due when the lease expires")
	l = k.taken()
	require.NoError(t, k.c.Release(t.Context(), l))
	turn, _ = k.due()
	assert.True(t, turn, "released: due at once")
	l = k.taken()
	require.NoError(t, k.c.Drop(t.Context(), l, nil))
	s.Advance(t, 10*time.Second)
	turn, _ = k.due()
	assert.False(t, turn)
}

func redisIntents(t *testing.T, s RedisServer) {
	t.Helper()
	k := newTalk(t, s, nil)
	b := cluster.Beginning{Session: k.key, Key: "c:x:m1"}
	for range 2 {
		_, err := k.c.Begin(t.Context(), b)
		require.NoError(t, err)
	}
	published, err := k.c.Begin(t.Context(), b)
	require.NoError(t, err)
	_, heal := k.due()
	assert.False(t, heal)
	s.Advance(t, 1100*time.Millisecond)
	_, heal = k.due()
	assert.True(t, heal, "an append that was not published in time")
	_, heal = k.due()
	assert.False(t, heal)
	s.Advance(t, 2100*time.Millisecond)
	_, heal = k.due()
	assert.True(t, heal)
	res := k.publish(k.note("x"), func(p *cluster.Publication) { p.Intent = published.Intent })
	require.Equal(t, cluster.OutcomeDone, res.Outcome)
	if s.Emulated { // an intent carries the server's time, which only the emulator's can be set
		s.Advance(t, 13*time.Second)
		_, heal = k.due()
		assert.True(t, heal, "looked at once more when it is given up")
		s.Advance(t, time.Minute)
		_, heal = k.due()
		assert.False(t, heal, "given up")
	}
}

// due sweeps, and reports whether the session was among what is due.
func (k *talk) due() (turn, heal bool) {
	k.t.Helper()
	turns, heals, err := k.c.Due(k.t.Context())
	require.NoError(k.t, err)
	return slices.Contains(turns, k.key), slices.Contains(heals, k.key)
}

func redisLatePieces(t *testing.T, s RedisServer) {
	t.Helper()
	k := newTalk(t, s, nil)
	k.say(k.message("q"))
	l := k.taken()
	opening := k.opening(l, 1)
	require.NoError(t, k.c.Start(t.Context(), l, opening))
	p, o := add(opening, "a")
	require.NoError(t, k.c.Append(t.Context(), l, p))
	k.watch(func(h *redisHandler) {
		require.NoError(t, k.c.Start(t.Context(), l, opening))
		assert.Equal(t, &o, k.read(0).Open, "the start")
		snap, _ := add(o, "")
		snap.Snapshot, snap.Content = true, "ab"
		require.NoError(t, k.c.Append(t.Context(), l, snap))
		o.Index, o.Text = snap.Index, "ab"
		p, o = add(o, "c")
		require.NoError(t, k.c.Append(t.Context(), l, p))
		require.NoError(t, k.c.Append(t.Context(), l, snap))
		assert.Equal(t, &o, k.read(0).Open, "the snapshot")
		got := h.take(t, 2)
		assert.Equal(t, "ab", got[0].Piece.Content)
		assert.Equal(t, "c", got[1].Piece.Content)
		require.NoError(t, k.rdb.Del(t.Context(), k.find("o")).Err())
		snap = o.Snapshot()
		require.NoError(t, k.c.Append(t.Context(), l, snap))
		assert.Equal(t, &o, k.read(0).Open, "text that aged out is put back")
	})
}

// The pod that closes an answer knows the fallback that gave it and the cost that
// the provider has reported so far.
func redisOpenAnswerCost(t *testing.T, s RedisServer) {
	t.Helper()
	k := newTalk(t, s, nil)
	k.say(k.message("q"))
	l := k.taken()
	o := k.opening(l, 0)
	require.NoError(t, k.c.Start(t.Context(), l, o))
	for i, spent := range []chatbox.Usage{{Prompt: 9, Estimated: true}, {Prompt: 11}, {Prompt: 11, Completion: 2}} {
		p, next := add(o, "x")
		p.ModelID, p.Spent = "spare", spent
		require.NoError(t, k.c.Append(t.Context(), l, p))
		o = next
		tail, err := k.c.Read(t.Context(), k.key, 0)
		require.NoError(t, err)
		require.NotNil(t, tail.Open)
		assert.Equal(t, "spare", tail.Open.ModelID, i)
		assert.Equal(t, spent, tail.Open.Spent, i)
	}
	_, open, err := k.c.Revoke(t.Context(), k.key)
	require.NoError(t, err)
	require.NotNil(t, open)
	assert.Equal(t, "spare", open.ModelID)
	assert.Equal(t, chatbox.Usage{Prompt: 11, Completion: 2}, open.Spent)
}
