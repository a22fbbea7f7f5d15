package conformance

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"

	"chatbox"
	"chatbox/cluster"
	"chatbox/redisstate"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// memberOf is how a session's keys end.
func memberOf(s chatbox.SessionKey) string {
	return base64.RawURLEncoding.EncodeToString([]byte(s.Tenant)) + "." + base64.RawURLEncoding.EncodeToString([]byte(s.ID))
}

func redisLog(t *testing.T, s RedisServer) {
	t.Helper()
	t.Run("PublishInOrderAndOnce", func(t *testing.T) {
		k := newTalk(t, s, nil)
		second := k.message("b")
		second.Seq = 2
		assert.Equal(t, cluster.OutcomeUnseeded, k.publish(second).Outcome)
		assert.Equal(t, cluster.OutcomeUnseeded, k.publish(k.message("a"), func(p *cluster.Publication) { p.Fresh = false }).Outcome)
		first := k.say(k.message("a"))
		assert.Equal(t, cluster.Published{Outcome: cluster.OutcomeAlready, Head: 1, Attempt: -1}, k.publish(first))
		third := k.message("c")
		third.Seq = 3
		assert.Equal(t, cluster.Published{Outcome: cluster.OutcomeGap, Head: 1, Attempt: -1}, k.publish(third))
		assert.EqualValues(t, 1, k.read(0).State.Head, "a gap changes nothing")
		k.say(k.message("b"))
		tail := k.read(0)
		require.Len(t, tail.Events, 2)
		assert.Equal(t, first, tail.Events[0], "every field survives")
		assert.Equal(t, k.state, tail.State)
		assert.Equal(t, redisOwner, tail.Owner)
		assert.True(t, tail.Seeded)
	})
	t.Run("ReadBeyondInsideBefore", func(t *testing.T) {
		k := newTalk(t, s, func(c *redisstate.Config) { c.LogEntries = 5 })
		for range 12 {
			k.say(k.note("x"))
		}
		for after, want := range map[int64][]int64{
			0: {8, 9, 10, 11, 12}, 6: {8, 9, 10, 11, 12}, 7: {8, 9, 10, 11, 12}, 8: {9, 10, 11, 12},
			11: {12}, 12: nil, 13: nil, 1 << 60: nil,
		} {
			var got []int64
			for _, e := range k.read(after).Events {
				got = append(got, e.Seq)
			}
			assert.Equalf(t, want, got, "after %d", after)
		}
		assert.EqualValues(t, 12, k.read(0).State.Head)
	})
	t.Run("AbsentSession", func(t *testing.T) {
		k := newTalk(t, s, nil)
		assert.Equal(t, cluster.Tail{}, k.read(0))
		heads, err := k.c.Heads(t.Context(), []chatbox.SessionKey{k.key})
		require.NoError(t, err)
		assert.Equal(t, []int64{-1}, heads)
		states, err := k.c.States(t.Context(), []chatbox.SessionKey{k.key})
		require.NoError(t, err)
		assert.Equal(t, []chatbox.State{{}}, states)
	})
	t.Run("States", func(t *testing.T) {
		k, empty := newTalk(t, s, nil), newTalk(t, s, nil)
		k.say(k.message("a"))
		k.say(k.note("b"))
		states, err := k.c.States(t.Context(), []chatbox.SessionKey{empty.key, k.key})
		require.NoError(t, err)
		assert.Equal(t, []chatbox.State{{}, k.state}, states)
	})
	t.Run("HotLogBounds", func(t *testing.T) { redisHotLog(t, s) })
	t.Run("Diverged", func(t *testing.T) { redisDiverged(t, s) })
	t.Run("Seed", func(t *testing.T) { redisSeed(t, s) })
	t.Run("SeedBringsTurns", func(t *testing.T) { redisSeedTurns(t, s) })
	t.Run("Revive", func(t *testing.T) { redisRevive(t, s) })
	t.Run("SealedForItsSession", func(t *testing.T) {
		k := newTalk(t, s, nil)
		k.say(k.note("mine"))
		o := k.again()
		o.say(o.note("other"))
		overwrite(t, o.rdb, k.find("l"), o.find("l"))
		assert.Empty(t, o.read(0).Events, "an entry moved from elsewhere is not shown")
	})
}

func redisHotLog(t *testing.T, s RedisServer) {
	t.Helper()
	k := newTalk(t, s, func(c *redisstate.Config) { c.LogEntries, c.LogBytes = 10, 8000 })
	check := func() {
		t.Helper()
		entries, err := k.rdb.LRange(t.Context(), k.find("l"), 0, -1).Result()
		require.NoError(t, err)
		index, err := k.rdb.HGetAll(t.Context(), k.find("k")).Result()
		require.NoError(t, err)
		bytes := 0
		want := map[string]string{}
		for i, e := range entries {
			bytes += len(e)
			key, _, _ := strings.Cut(e, "\n")
			want[key] = fmt.Sprint(k.state.Head - int64(len(entries)-1-i))
		}
		assert.LessOrEqual(t, len(entries), 10)
		assert.LessOrEqual(t, bytes, 8000)
		assert.Equal(t, want, index, "the index names what the log has, at its place")
		lb, err := k.rdb.HGet(t.Context(), k.find("s"), "lb").Int()
		require.NoError(t, err)
		assert.Equal(t, bytes, lb, "the bytes are counted right")
	}
	for i := range 40 {
		k.say(k.note(strings.Repeat("x", i*37%1500)))
		check()
	}
	k.say(k.note(strings.Repeat("x", 9000))) // alone more than the bound
	check()
	assert.Empty(t, k.read(0).Events)
	begun, err := k.c.Begin(t.Context(), cluster.Beginning{Session: k.key, Key: chatbox.ClientKey(redisOwner, "m41")})
	require.NoError(t, err)
	assert.Nil(t, begun.Repeat, "what is not hot is looked up in the history")
	k.say(k.note("next"))
	check()
	assert.Len(t, k.read(0).Events, 1)

	s.Advance(t, 16*time.Minute) // the log ages out, the state stays
	assert.Empty(t, k.read(0).Events)
	assert.EqualValues(t, 42, k.read(0).State.Head)
	k.say(k.note("later"))
	check()
	require.Len(t, k.read(0).Events, 1)
	assert.EqualValues(t, 43, k.read(0).Events[0].Seq)
	s.Advance(t, 25*time.Hour)
	assert.False(t, k.read(0).Seeded)
}

func redisDiverged(t *testing.T, s RedisServer) {
	t.Helper()
	t.Run("OtherTextIsVisible", func(t *testing.T) {
		k := newTalk(t, s, nil)
		k.say(k.message("q"))
		o := k.stream(k.taken(), 1, "shown", " text")
		shorter := o
		shorter.Index, shorter.Text = 0, "shown"
		e := k.final(shorter, chatbox.FinishStop)
		assert.Equal(t, cluster.Published{Outcome: cluster.OutcomeDiverged, Head: 1, Attempt: 1}, k.publish(e))
		assert.NotNil(t, k.read(0).Open, "nothing changed")
		below := k.publish(e, func(p *cluster.Publication) { p.Supersede = 1 })
		assert.Equal(t, cluster.Published{Outcome: cluster.OutcomeDiverged, Head: 1, Attempt: 1}, below,
			"a snapshot that clients would take for a repeat is not shown")
		k.watch(func(h *redisHandler) {
			assert.Equal(t, cluster.OutcomeDone, k.publish(e, func(p *cluster.Publication) { p.Supersede = 2 }).Outcome)
			got := h.take(t, 2)
			require.NotNil(t, got[0].Piece)
			assert.Equal(t, "shown", got[0].Piece.Content)
			assert.True(t, got[0].Piece.Snapshot)
			require.NotNil(t, got[1].Event)
			assert.Equal(t, 2, got[1].Event.Answer.Attempt, "the final stands where the snapshot does")
			assert.Equal(t, -1, got[1].Event.Answer.Index)
			assert.Equal(t, got[0].Piece.Index, got[1].Event.Answer.Index)
		})
		assert.Nil(t, k.read(0).Open)
		assert.Equal(t, cluster.ClaimNone, k.claim().Status)
	})
	t.Run("NothingIsVisible", func(t *testing.T) {
		k := newTalk(t, s, nil)
		k.say(k.message("q"))
		l := k.taken()
		o := k.opening(l, 0)
		o.Index, o.Text = 3, "from a Redis that is lost"
		e := k.final(o, chatbox.FinishStop)
		assert.Equal(t, cluster.Published{Outcome: cluster.OutcomeDiverged, Head: 1, Attempt: -1}, k.publish(e))
		assert.Equal(t, cluster.OutcomeDone, k.publish(e, func(p *cluster.Publication) { p.Supersede = 1 }).Outcome)
		assert.Equal(t, cluster.OutcomeAlready, k.publish(e, func(p *cluster.Publication) { p.Supersede = 1 }).Outcome)
	})
}

func redisSeed(t *testing.T, s RedisServer) {
	t.Helper()
	k := newTalk(t, s, nil)
	for range 5 {
		k.say(k.note("x"))
	}
	behind := k.state
	behind.Head = 3
	require.NoError(t, k.c.Seed(t.Context(), cluster.Seed{Session: k.key, Owner: redisOwner, State: behind}))
	assert.EqualValues(t, 5, k.read(0).State.Head, "a seed does not go back")
	assert.Len(t, k.read(0).Events, 5)
	k.say(k.message("q"))
	l := k.taken()
	k.stream(l, 0, "a")

	ahead := k.state
	ahead.Head, ahead.HolderID, ahead.AnswerableFrom = 300, "admin", 300
	k.watch(func(h *redisHandler) {
		require.NoError(t, k.c.Seed(t.Context(), cluster.Seed{Session: k.key, Owner: redisOwner, State: ahead}))
		got := h.take(t, 1)
		assert.Equal(t, cluster.Update{Session: k.key, Head: 300, Notice: true}, got[0])
	})
	tail := k.read(0)
	assert.Equal(t, ahead, tail.State)
	assert.Empty(t, tail.Events)
	assert.Nil(t, tail.Open)
	p, _ := add(k.opening(l, 0), "b")
	hasCode(t, k.c.Append(t.Context(), l, p), chatbox.NotOwner)
	p.Snapshot = true
	hasCode(t, k.c.Append(t.Context(), l, p), chatbox.NotOwner)
	assert.Equal(t, cluster.ClaimNone, k.claim().Status, "a seed does not hand a held session to the model")

	empty := k.again()
	require.NoError(t, empty.c.Seed(t.Context(), cluster.Seed{Session: empty.key, Owner: redisOwner, State: chatbox.State{}}))
	assert.True(t, empty.read(0).Seeded)
	empty.say(empty.note("first"))
}
