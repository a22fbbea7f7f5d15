package conformance

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"chatbox"
	"chatbox/cluster"
	"chatbox/redisstate"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func redisRegistry(t *testing.T, s RedisServer) {
	t.Helper()
	t.Run("Sockets", func(t *testing.T) {
		k := newTalk(t, s, func(c *redisstate.Config) { c.MaxSocketsPerUsr = 3 })
		ctx, u := t.Context(), k.user()
		for i := range 3 {
			require.NoError(t, k.c.Connect(ctx, u, chatbox.ConnID(fmt.Sprint(i))))
		}
		hasCode(t, k.c.Connect(ctx, u, "3"), chatbox.LimitExceeded)
		require.NoError(t, k.c.Connect(ctx, u, "2"), "one that is there is no further one")
		require.NoError(t, k.c.Disconnect(ctx, u, "0"))
		require.NoError(t, k.c.Connect(ctx, u, "3"), "a refused one left nothing behind")
		s.Advance(t, 40*time.Second)
		require.NoError(t, k.c.BeatSockets(ctx, []redisstate.Socket{{User: u, ID: "1"}, {User: u, ID: "2"}}))
		s.Advance(t, 30*time.Second)
		require.NoError(t, k.c.Connect(ctx, u, "4"), "what is not renewed ages out")
		hasCode(t, k.c.Connect(ctx, u, "5"), chatbox.LimitExceeded)
		other := u
		other.Tenant = "t2"
		require.NoError(t, k.c.Connect(ctx, other, "5"))
	})
	t.Run("SocketsOfADeadProcess", func(t *testing.T) {
		two := func(c *redisstate.Config) { c.MaxSocketsPerUsr = 2 }
		dead, k := newTalk(t, s, two), newTalk(t, s, two)
		ctx, u := t.Context(), k.user()
		require.NoError(t, dead.c.Connect(ctx, u, "1"))
		require.NoError(t, dead.c.Connect(ctx, u, "2"))
		hasCode(t, k.c.Connect(ctx, u, "3"), chatbox.LimitExceeded)
		s.Advance(t, 10*time.Second) // long enough for its sign of life, not for its sockets
		require.NoError(t, k.c.Connect(ctx, u, "3"), "a crash locks nobody out")
	})
	t.Run("ManySocketsBeatInBatches", func(t *testing.T) {
		k := newTalk(t, s, nil)
		socks := make([]redisstate.Socket, 1201)
		for i := range socks {
			socks[i] = redisstate.Socket{User: k.user(), ID: chatbox.ConnID(fmt.Sprint(i))}
		}
		require.NoError(t, k.c.BeatSockets(t.Context(), socks))
		hasCode(t, k.c.Connect(t.Context(), k.user(), "new"), chatbox.LimitExceeded)
	})
	t.Run("Reserve", func(t *testing.T) {
		k := newTalk(t, s, nil)
		reserve := func(user string) string {
			t.Helper()
			holder, err := k.c.Reserve(t.Context(), k.key, user)
			require.NoError(t, err)
			return holder
		}
		assert.Equal(t, "a", reserve("a"))
		assert.Equal(t, "a", reserve("b"))
		s.Advance(t, 40*time.Second)
		assert.Equal(t, "a", reserve("a"), "renewed")
		s.Advance(t, 40*time.Second)
		assert.Equal(t, "a", reserve("b"))
		s.Advance(t, 61*time.Second)
		assert.Equal(t, "b", reserve("b"))
	})
	t.Run("PodNames", func(t *testing.T) { redisPodNames(t, s) })
	t.Run("Identity", func(t *testing.T) { redisIdentity(t, s) })
	t.Run("PodClocks", func(t *testing.T) { redisPodClocks(t, s) })
	t.Run("Pods", func(t *testing.T) { redisPods(t, s) })
	t.Run("Heads", func(t *testing.T) { redisHeads(t, s) })
}

func redisRoundTrips(t *testing.T, s RedisServer) {
	t.Helper()
	k := newTalk(t, s, nil)
	warm := func(k *talk) {
		k.say(k.message("q"))
		l := k.taken()
		require.NoError(t, k.c.Renew(t.Context(), l))
		k.say(k.final(k.stream(l, 0, "a"), chatbox.FinishStop))
		_, err := k.c.Begin(t.Context(), cluster.Beginning{Session: k.key, Key: "c:x:9", User: k.user()})
		require.NoError(t, err)
		k.read(0)
	}
	warm(k) // loads the scripts
	if sharded(k.rdb) {
		for range 30 { // so often that every master has them
			warm(k.again())
		}
	}
	trips := &RoundTrips{}
	k.rdb.AddHook(trips)
	k = k.again()
	e := k.message("q")
	var begun cluster.Begun
	assert.EqualValues(t, 1, trips.Of(func() {
		var err error
		begun, err = k.c.Begin(t.Context(), cluster.Beginning{Session: k.key, Key: e.Key, User: k.user()})
		require.NoError(t, err)
	}), "begin")
	assert.EqualValues(t, 1, trips.Of(func() {
		res := k.publish(e, func(p *cluster.Publication) { p.Intent = begun.Intent })
		require.Equal(t, cluster.OutcomeDone, res.Outcome)
	}), "publish")
	var l cluster.Lease
	assert.EqualValues(t, 1, trips.Of(func() { l = k.taken() }), "claim")
	var o cluster.OpenAnswer
	assert.EqualValues(t, 4, trips.Of(func() { o = k.stream(l, 0, "a", "b", "c") }), "start and three pieces")
	assert.EqualValues(t, 1, trips.Of(func() { k.read(0) }), "read")
	assert.EqualValues(t, 1, trips.Of(func() { require.NoError(t, k.c.Renew(t.Context(), l)) }), "renew")
	final := k.final(o, chatbox.FinishStop)
	assert.EqualValues(t, 1, trips.Of(func() {
		res := k.publish(final, func(p *cluster.Publication) { p.Lease = &l })
		require.Equal(t, cluster.OutcomeDone, res.Outcome)
	}), "the final, its lease and its turn")
	assert.EqualValues(t, 1, trips.Of(func() {
		_, _, err := k.c.Due(t.Context())
		require.NoError(t, err)
	}), "a sweep of all partitions")
	keys := make([]chatbox.SessionKey, 300)
	assert.EqualValues(t, 1, trips.Of(func() {
		_, err := k.c.Heads(t.Context(), keys)
		require.NoError(t, err)
	}), "300 heads")
	assert.EqualValues(t, 1, trips.Of(func() {
		_, err := k.c.States(t.Context(), keys)
		require.NoError(t, err)
	}), "300 states")
}

// losingHook loses the reply of one script's call: it has its effect, and is
// sent again as the library does.
type losingHook struct {
	armed atomic.Bool
	calls atomic.Int64
}

func (h *losingHook) DialHook(next redis.DialHook) redis.DialHook {
	return next
}

func (h *losingHook) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		err := next(ctx, cmd)
		if args := cmd.Args(); err == nil && len(args) > 2 && strings.HasPrefix(fmt.Sprint(args[0]), "eval") && h.armed.CompareAndSwap(true, false) {
			h.calls.Add(2)
			return next(ctx, cmd)
		}
		return err
	}
}

func (h *losingHook) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		err := next(ctx, cmds)
		if err == nil && h.armed.CompareAndSwap(true, false) {
			h.calls.Add(2)
			return next(ctx, cmds)
		}
		return err
	}
}

func redisPods(t *testing.T, s RedisServer) {
	t.Helper()
	k := newTalk(t, s, nil)
	list := func() (ids []chatbox.PodID) {
		t.Helper()
		pods, err := k.c.Pods(t.Context())
		require.NoError(t, err)
		for _, p := range pods {
			if strings.HasPrefix(string(p.ID), k.key.ID) {
				ids = append(ids, p.ID[len(k.key.ID):])
			}
		}
		return ids
	}
	now := time.Now().UTC().Truncate(time.Millisecond)
	card := func(id string) cluster.PodInfo {
		return cluster.PodInfo{ID: chatbox.PodID(k.key.ID + id), Version: "v", State: "serving", Connections: 7, LastHeartbeat: now}
	}
	beat := func(pod cluster.PodInfo) {
		t.Helper()
		b, err := k.c.BeatPod(t.Context(), pod, "")
		require.NoError(t, err)
		require.Empty(t, b.Other)
		require.Positive(t, b.Now.UnixMilli())
	}
	for _, id := range []string{"b", "a", "c"} {
		beat(card(id))
	}
	assert.Equal(t, []chatbox.PodID{"a", "b", "c"}, list())
	require.NoError(t, k.c.RemovePod(t.Context(), card("b").ID))
	assert.Equal(t, []chatbox.PodID{"a", "c"}, list())
	s.Advance(t, 10*time.Second)
	beat(card("c"))
	s.Advance(t, 10*time.Second)
	assert.Equal(t, []chatbox.PodID{"c"}, list())
	pods, err := k.c.Pods(t.Context())
	require.NoError(t, err)
	assert.Contains(t, pods, card("c"))
}

// All clients of a Redis get one identity of it, and an emptied one has another.
func redisIdentity(t *testing.T, s RedisServer) {
	t.Helper()
	k := newTalk(t, s, nil)
	require.NoError(t, k.rdb.Del(t.Context(), "cb:identity").Err())
	got := make([]string, 8)
	var wg sync.WaitGroup
	for i := range got {
		c := newTalk(t, s, nil).c
		wg.Go(func() {
			var err error
			got[i], err = c.Identity(t.Context())
			assert.NoError(t, err)
		})
	}
	wg.Wait()
	require.NotEmpty(t, got[0])
	for _, id := range got {
		assert.Equal(t, got[0], id)
	}
	assert.Negative(t, k.rdb.PTTL(t.Context(), "cb:identity").Val(), "it does not expire")
	require.NoError(t, k.rdb.Del(t.Context(), "cb:identity").Err())
	other, err := k.c.Identity(t.Context())
	require.NoError(t, err)
	assert.NotEqual(t, got[0], other)
}

// A pod whose clock is wrong stays on the list, and takes nobody off it.
func redisPodClocks(t *testing.T, s RedisServer) {
	t.Helper()
	k := newTalk(t, s, nil)
	id := func(name string) chatbox.PodID { return chatbox.PodID(k.key.ID + name) }
	ahead := map[string]time.Duration{"right": 0, "ahead": time.Hour, "behind": -time.Hour}
	for range 2 {
		for name, skew := range ahead {
			now := time.Now()
			if b, err := k.c.BeatPod(t.Context(), cluster.PodInfo{ID: id(name), LastHeartbeat: now}, ""); err == nil {
				now = b.Now // the server's clock may be another than this test's
			}
			_, err := k.c.BeatPod(t.Context(), cluster.PodInfo{ID: id(name), LastHeartbeat: now.Add(skew)}, "")
			require.NoError(t, err)
		}
	}
	skews, err := k.c.Skews(t.Context())
	require.NoError(t, err)
	for name, want := range ahead {
		got, there := skews[id(name)]
		assert.True(t, there, "%s is not on the list", name)
		assert.InDelta(t, want, got, float64(time.Minute), name)
	}
}

// Of processes that race for a name, one gets it, and no other changes its card.
func redisPodNames(t *testing.T, s RedisServer) {
	t.Helper()
	k := newTalk(t, s, nil)
	first, second := k.c, newTalk(t, s, nil).c
	at := time.Now().UTC().Truncate(time.Millisecond)
	beat := func(c *redisstate.Client, instead string) string {
		t.Helper()
		at = at.Add(time.Second)
		b, err := c.BeatPod(t.Context(), cluster.PodInfo{ID: chatbox.PodID(k.key.ID), LastHeartbeat: at}, instead)
		require.NoError(t, err)
		return b.Other
	}
	require.Empty(t, beat(first, ""))
	seen := beat(second, "")
	require.Contains(t, seen, k.key.ID, "the first one's card")
	require.Equal(t, seen, beat(second, ""), "which stays as it was")
	require.Empty(t, beat(first, ""))
	renewed := beat(second, seen)
	require.NotEqual(t, seen, renewed, "one that was renewed is not replaced")
	require.NoError(t, second.RemovePod(t.Context(), chatbox.PodID(k.key.ID)))
	require.Equal(t, renewed, beat(second, ""), "nor removed by another")

	require.Empty(t, beat(second, renewed), "one that was not, is")
	require.NotEmpty(t, beat(first, ""))
	require.NoError(t, second.RemovePod(t.Context(), chatbox.PodID(k.key.ID)))
	require.Empty(t, beat(first, ""), "a pod that ended has left its name")
	s.Advance(t, 16*time.Second)
	require.Empty(t, beat(second, ""), "and so has one that is dead")

	old := chatbox.PodID(k.key.ID + "old")
	require.NoError(t, k.rdb.Set(t.Context(), "cb:pod:"+string(old), `{"id":"old"}`, time.Minute).Err())
	b, err := first.BeatPod(t.Context(), cluster.PodInfo{ID: old}, "")
	require.NoError(t, err)
	require.JSONEq(t, `{"id":"old"}`, b.Other, "a card of an older version is another's")
}

func redisHeads(t *testing.T, s RedisServer) {
	t.Helper()
	k := newTalk(t, s, nil)
	o := k.again()
	k.say(k.note("a"))
	k.say(k.note("b"))
	o.say(o.note("a"))
	heads, err := k.c.Heads(t.Context(), []chatbox.SessionKey{o.key, k.again().key, k.key})
	require.NoError(t, err)
	assert.Equal(t, []int64{1, -1, 2}, heads)
	heads, err = k.c.Heads(t.Context(), nil)
	require.NoError(t, err)
	assert.Empty(t, heads)
	require.NoError(t, k.rdb.Set(t.Context(), o.find("s"), "of another kind", 0).Err())
	_, err = k.c.Heads(t.Context(), []chatbox.SessionKey{k.again().key, o.key})
	hasCode(t, err, chatbox.Unavailable)
	require.NoError(t, k.rdb.Del(t.Context(), o.find("s")).Err())
}
