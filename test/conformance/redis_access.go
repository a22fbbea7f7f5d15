package conformance

import (
	"crypto/rand"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"chatbox"
	"chatbox/cluster"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func redisAccess(t *testing.T, s RedisServer) {
	t.Helper()
	t.Run("Tickets", func(t *testing.T) { redisTickets(t, s) })
	t.Run("Withdrawals", func(t *testing.T) { redisWithdrawals(t, s) })
	t.Run("Blocks", func(t *testing.T) { redisBlocks(t, s) })
	t.Run("Requests", func(t *testing.T) { redisRequests(t, s) })
	t.Run("Help", func(t *testing.T) { redisHelp(t, s) })
	t.Run("FileQuota", func(t *testing.T) { redisFileQuota(t, s) })
	t.Run("FileQuotaRace", func(t *testing.T) { redisFileQuotaRace(t, s) })
	t.Run("Reads", func(t *testing.T) { redisReads(t, s) })
	t.Run("Shown", func(t *testing.T) { redisShown(t, s) })
}

func redisTickets(t *testing.T, s RedisServer) {
	t.Helper()
	k, other := newTalk(t, s, nil), newTalk(t, s, nil)
	who := chatbox.Actor{
		Tenant: "t", UserID: "ann @ example", Name: "Ann", Roles: []string{"user", "admin"},
		IssuedAt: epoch, ExpiresAt: epoch.Add(time.Hour),
	}
	t.Run("OnceOverAllPods", func(t *testing.T) {
		ticket := rand.Text()
		require.NoError(t, k.c.PutTicket(t.Context(), ticket, who, 30*time.Second))
		var taken atomic.Int64
		var wg sync.WaitGroup
		for i := range 16 {
			c := k.c
			if i%2 == 0 {
				c = other.c
			}
			wg.Go(func() {
				a, err := c.TakeTicket(t.Context(), ticket)
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
		require.NoError(t, k.c.PutTicket(t.Context(), ticket, who, 30*time.Second))
		s.Advance(t, 31*time.Second)
		_, err := k.c.TakeTicket(t.Context(), ticket)
		hasCode(t, err, chatbox.NotFound)
		_, err = k.c.TakeTicket(t.Context(), "")
		hasCode(t, err, chatbox.NotFound)
	})
	t.Run("AMovedBoxIsNobodys", func(t *testing.T) {
		mine, theirs := rand.Text(), rand.Text()
		require.NoError(t, k.c.PutTicket(t.Context(), mine, who, time.Minute))
		keys := keysLike(t, k.rdb, "cb:ticket:*")
		require.Len(t, keys, 1)
		assert.NotContains(t, keys[0], mine)
		admin := who
		admin.UserID = "root"
		require.NoError(t, k.c.PutTicket(t.Context(), theirs, admin, time.Minute))
		all := keysLike(t, k.rdb, "cb:ticket:*")
		require.Len(t, all, 2)
		for _, key := range all {
			if key != keys[0] {
				overwrite(t, k.rdb, key, keys[0])
			}
		}
		_, err := k.c.TakeTicket(t.Context(), mine)
		require.Error(t, err)
		require.NotErrorIs(t, err, chatbox.NotFound)
	})
}

func redisWithdrawals(t *testing.T, s RedisServer) {
	t.Helper()
	k := newTalk(t, s, nil)
	before := time.Now().Truncate(time.Second).UTC()
	w := chatbox.Withdrawal{User: chatbox.UserKey{Tenant: "t|", ID: k.key.ID + " |é"}, Before: before, Until: before.Add(time.Hour)}
	mark := func(u chatbox.UserKey) time.Time {
		t.Helper()
		at, err := k.c.MarkOf(t.Context(), u)
		require.NoError(t, err)
		return at
	}
	assert.Zero(t, mark(w.User))
	one, two := newRedisHandler(), newRedisHandler()
	runBus(t, k.c, one)
	runBus(t, newTalk(t, s, nil).c, two)
	for _, h := range []*redisHandler{one, two} {
		h.until(t, "the connection", func() bool { return h.resyncs > 0 })
	}
	require.NoError(t, k.c.Mark(t.Context(), w))
	for _, h := range []*redisHandler{one, two} {
		h.until(t, "the news", func() bool { return len(h.out) == 1 })
		assert.Equal(t, w, h.out[0], "every pod is told")
	}
	assert.Equal(t, before, mark(w.User))
	earlier := w
	earlier.Before = before.Add(-time.Minute)
	require.NoError(t, k.c.Remark(t.Context(), []chatbox.Withdrawal{earlier}))
	require.NoError(t, k.c.Mark(t.Context(), earlier))
	assert.Equal(t, before, mark(w.User), "the later stands")
	other := w
	other.User.Tenant = "another"
	assert.Zero(t, mark(other.User))
	require.NoError(t, k.c.Remark(t.Context(), []chatbox.Withdrawal{other, {User: w.User, Before: before.Add(time.Hour), Until: before.Add(-time.Hour)}}))
	assert.Equal(t, before, mark(other.User))
	assert.Equal(t, before, mark(w.User), "what no longer matters is not kept")
	one.until(t, "the second news", func() bool { return len(one.out) == 2 })
	s.Advance(t, 2*time.Hour)
	assert.Zero(t, mark(w.User), "it ends with the last token")
}

func redisRequests(t *testing.T, s RedisServer) {
	t.Helper()
	k, pod := newTalk(t, s, nil), newTalk(t, s, nil)
	u := k.user()
	count := func(k *talk, u chatbox.UserKey, limit int) time.Duration {
		t.Helper()
		wait, before, err := k.c.CountRequest(t.Context(), u, limit)
		require.NoError(t, err)
		assert.Zero(t, before)
		return wait
	}
	for i := range 6 {
		assert.Zero(t, count([]*talk{k, pod}[i%2], u, 6))
	}
	for _, k := range []*talk{k, pod} {
		wait := count(k, u, 6)
		assert.Positive(t, wait, "over all pods")
		assert.LessOrEqual(t, wait, time.Minute)
	}
	assert.Zero(t, count(k, u, 7), "a refused one was not counted")
	other := u
	other.Tenant = "another"
	assert.Zero(t, count(k, other, 1))
	trips := &RoundTrips{}
	k.rdb.AddHook(trips)
	assert.EqualValues(t, 1, trips.Of(func() { count(k, other, 10) }))
	s.Advance(t, time.Minute+time.Second)
	assert.Zero(t, count(k, u, 1), "the window slides, whoever died meanwhile")

	before := time.Now().Truncate(time.Second).UTC()
	require.NoError(t, k.c.Mark(t.Context(), chatbox.Withdrawal{User: other, Before: before, Until: before.Add(24 * time.Hour)}))
	_, got, err := k.c.CountRequest(t.Context(), other, 10)
	require.NoError(t, err)
	assert.Equal(t, before, got)
}

func redisHelp(t *testing.T, s RedisServer) {
	t.Helper()
	k := newTalk(t, s, nil)
	ask := func(key string) time.Duration {
		t.Helper()
		wait, err := k.c.CountHelp(t.Context(), k.user(), key)
		require.NoError(t, err)
		return wait
	}
	for i := range 5 {
		assert.Zero(t, ask(fmt.Sprint(i)))
		assert.Zero(t, ask(fmt.Sprint(i)), "a repeat counts once")
	}
	assert.Positive(t, ask("5"))
	assert.Zero(t, ask("4"))
	s.Advance(t, time.Minute+time.Second)
	assert.Zero(t, ask("5"))
}

func redisReads(t *testing.T, s RedisServer) {
	t.Helper()
	k := newTalk(t, s, nil)
	note := func(user string, seq int64) error {
		return k.c.NoteRead(t.Context(), k.key, cluster.Read{Conn: "c", UserID: user, Sender: chatbox.SenderUser, Seq: seq})
	}
	hasCode(t, note(redisOwner, 1), chatbox.NotFound)
	for range 3 {
		k.say(k.note("x"))
	}
	assert.Empty(t, k.read(0).Reads)
	k.watch(func(h *redisHandler) {
		require.NoError(t, note(redisOwner, 2))
		require.NoError(t, note(redisOwner, 1), "never back")
		require.NoError(t, note(redisOwner, 2))
		hasCode(t, note(redisOwner, 4), chatbox.InvalidArgument)
		require.NoError(t, note("bob|é\"", 3))
		got := h.take(t, 2)
		assert.Equal(t, cluster.Update{Session: k.key, Read: &cluster.Read{
			Conn: "c", UserID: redisOwner, Sender: chatbox.SenderUser, Seq: 2,
		}}, got[0])
		assert.EqualValues(t, 3, got[1].Read.Seq)
	})
	assert.Equal(t, []cluster.Read{
		{UserID: "bob|é\"", Sender: chatbox.SenderUser, Seq: 3}, {UserID: redisOwner, Sender: chatbox.SenderUser, Seq: 2},
	}, k.read(3).Reads)
	k.say(k.note("x"))
	assert.Len(t, k.read(4).Reads, 2, "an event leaves them")
	trips := &RoundTrips{}
	k.rdb.AddHook(trips)
	assert.EqualValues(t, 1, trips.Of(func() { require.NoError(t, note(redisOwner, 4)) }))
}
