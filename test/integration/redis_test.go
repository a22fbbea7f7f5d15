//go:build integration

package integration

import (
	"context"
	"crypto/rand"
	"log/slog"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"chatbox"
	"chatbox/cluster"
	"chatbox/helpdesk"
	"chatbox/redisstate"
	"chatbox/test/conformance"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestRedis_Conformance(t *testing.T) { conformance.Redis(t, realRedis(t)) }

// counter is a handler that counts.
type counter struct{ updates, resyncs, wakes atomic.Int64 }

func (c *counter) Update(cluster.Update)         { c.updates.Add(1) }
func (c *counter) Resubscribed()                 { c.resyncs.Add(1) }
func (c *counter) Wake(chatbox.SessionKey)       { c.wakes.Add(1) }
func (*counter) Disconnected(chatbox.Withdrawal) {}

func (*counter) BlockChanged(chatbox.UserKey) {}

func (*counter) Notice(helpdesk.Notice) {}

func startBus(t *testing.T, rdb redis.UniversalClient, h redisstate.Handler) (*redisstate.Client, *redisstate.Bus) {
	t.Helper()
	c, err := redisstate.New(redisstate.DefaultConfig(), rdb, conformance.RedisSealer(t))
	require.NoError(t, err)
	b := redisstate.NewBus(c, chatbox.PodID("pod-"+rand.Text()), slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { b.Run(ctx, h) })
	t.Cleanup(func() { cancel(); wg.Wait(); _ = c.Close() })
	return c, b
}

const patience = 30 * time.Second

func eventually(t *testing.T, what string, ok func() bool) time.Duration {
	t.Helper()
	began := time.Now()
	require.Eventually(t, ok, patience, 5*time.Millisecond, what)
	return time.Since(began)
}

// say publishes one more event and waits until the bus has brought it.
func say(t *testing.T, c *redisstate.Client, h *counter, s chatbox.SessionKey, st *chatbox.State) {
	t.Helper()
	e := chatbox.Event{
		Session: s, Seq: st.Head + 1, Key: rand.Text(), ID: "m", Type: chatbox.TypeUserMessage,
		Sender: chatbox.SenderUser, Owner: "u", Content: "x", Time: time.Now(),
	}
	next := st.Apply(e)
	before := h.updates.Load()
	res, err := c.Publish(t.Context(), cluster.Publication{Event: e, State: next, Fresh: e.Seq == 1})
	require.NoError(t, err)
	require.Equal(t, cluster.OutcomeDone, res.Outcome)
	*st = next
	eventually(t, "the update", func() bool { return h.updates.Load() > before })
}

func TestRedis_BusOutlivesItsConnection(t *testing.T) {
	r := startRedis(t)
	h := &counter{}
	c, b := startBus(t, r.dial(), h)
	s, st := chatbox.SessionKey{ID: rand.Text()}, chatbox.State{}
	require.NoError(t, b.Subscribe(t.Context(), s))
	say(t, c, h, s, &st)
	require.EqualValues(t, 1, h.resyncs.Load())
	admin := r.dial()
	defer func() { _ = admin.Close() }()
	for i := range 3 {
		require.NoError(t, admin.Do(t.Context(), "CLIENT", "KILL", "TYPE", "pubsub").Err())
		d := eventually(t, "the resync", func() bool { return h.resyncs.Load() == int64(i+2) })
		t.Logf("connection killed: subscribed again after %v", d)
		say(t, c, h, s, &st)
	}
	path, err := exec.LookPath("redis-server")
	require.NoError(t, err)
	r.kill()
	r.start(t, path) // and everything is lost
	eventually(t, "the resync after a restart", func() bool { return h.resyncs.Load() == 5 })
	heads, err := c.Heads(t.Context(), []chatbox.SessionKey{s})
	require.NoError(t, err)
	require.Equal(t, []int64{-1}, heads)
	require.NoError(t, c.Seed(t.Context(), cluster.Seed{Session: s, Owner: "u", State: st}))
	say(t, c, h, s, &st) // the scripts are loaded again automatically
	_, err = c.Begin(t.Context(), cluster.Beginning{Session: s, Key: "c:u:1", User: chatbox.UserKey{ID: "u"}})
	require.NoError(t, err)
	_, _, err = c.Due(t.Context())
	require.NoError(t, err)
}

func TestRedis_FlushLoadsMissingScripts(t *testing.T) {
	srv := realRedis(t)
	c, rdb := srv.RedisClient(t, func(c *redisstate.Config) { c.RateLimit = 1 })
	require.NoError(t, rdb.ScriptFlush(t.Context()).Err())
	b := cluster.Beginning{Session: chatbox.SessionKey{ID: rand.Text()}, Key: "c:u:1", User: chatbox.UserKey{ID: rand.Text()}}
	begun, err := c.Begin(t.Context(), b)
	require.NoError(t, err)
	assert.Zero(t, begun.RetryAfter)
	begun, err = c.Begin(t.Context(), b)
	require.NoError(t, err)
	assert.Positive(t, begun.RetryAfter)
}

func TestRedis_CanaryTellsOfAPausedServer(t *testing.T) {
	r := startRedis(t)
	h := &counter{}
	c, b := startBus(t, r.dial(), h)
	s, st := chatbox.SessionKey{ID: rand.Text()}, chatbox.State{}
	require.NoError(t, b.Subscribe(t.Context(), s))
	eventually(t, "health", b.Healthy)
	say(t, c, h, s, &st)
	for _, pause := range []time.Duration{0, 4 * time.Second} { // within one connection, and beyond its time-out
		r.signal(t, syscall.SIGSTOP)
		d := eventually(t, "the canary's silence", func() bool { return !b.Healthy() })
		t.Logf("paused: not ready after %v", d)
		assert.Less(t, d, 2*time.Second)
		began := time.Now()
		eventually(t, "the pause", func() bool { return time.Since(began) >= pause })
		assert.False(t, b.Healthy())
		r.signal(t, syscall.SIGCONT)
		d = eventually(t, "the canary's return", b.Healthy)
		t.Logf("resumed: ready after %v", d)
		assert.Less(t, d, 5*time.Second)
		say(t, c, h, s, &st)
	}
}

// BenchmarkRedis_Publish is one event made visible: one round trip.
func BenchmarkRedis_Publish(b *testing.B) {
	c, err := redisstate.New(redisstate.DefaultConfig(), redis.NewClient(redisOptions(b)), conformance.RedisSealer(b))
	require.NoError(b, err)
	defer func() { _ = c.Close() }()
	s, st := chatbox.SessionKey{ID: rand.Text()}, chatbox.State{}
	b.ReportAllocs()
	for b.Loop() {
		e := chatbox.Event{
			Session: s, Seq: st.Head + 1, Key: rand.Text(), ID: "m", Type: chatbox.TypeUserMessage,
			Sender: chatbox.SenderUser, Owner: "u", Content: "some hundred bytes of text, as people write them, more or less", Time: time.Now(),
		}
		st = st.Apply(e)
		res, err := c.Publish(b.Context(), cluster.Publication{Event: e, State: st, Fresh: e.Seq == 1})
		if err != nil || res.Outcome != cluster.OutcomeDone {
			b.Fatal(res, err)
		}
	}
}

// executed counts what the server executes for n calls of f, the calls of scripts
// included, per call.
func executed(t *testing.T, admin redis.UniversalClient, n int, f func()) float64 {
	t.Helper()
	require.NoError(t, admin.ConfigResetStat(t.Context()).Err())
	for range n {
		f()
	}
	stats, err := admin.Info(t.Context(), "commandstats").Result()
	require.NoError(t, err)
	sum := 0
	for line := range strings.Lines(stats) {
		name, rest, _ := strings.Cut(line, ":calls=")
		calls, _, _ := strings.Cut(rest, ",")
		c, err := strconv.Atoi(calls)
		if strings.HasPrefix(name, "cmdstat_config") || err != nil {
			continue
		}
		sum += c
	}
	return float64(sum) / float64(n)
}

// The number of commands decides what a message costs Redis.
func TestRedis_CommandsOfAMessage(t *testing.T) {
	r := startRedis(t)
	c, _ := startBus(t, r.dial(), &counter{})
	admin := r.dial()
	defer func() { _ = admin.Close() }()
	s, st, user := chatbox.SessionKey{ID: rand.Text()}, chatbox.State{}, chatbox.UserKey{ID: rand.Text()}
	message := func(turn *chatbox.Turn) {
		begun, err := c.Begin(t.Context(), cluster.Beginning{Session: s, Key: rand.Text(), User: user})
		require.NoError(t, err)
		e := chatbox.Event{
			Session: s, Seq: st.Head + 1, Key: rand.Text(), ID: "m", Type: chatbox.TypeUserMessage, Sender: chatbox.SenderUser,
			Owner: "u", Content: "x", Time: time.Now(), Turn: turn,
		}
		st = st.Apply(e)
		res, err := c.Publish(t.Context(), cluster.Publication{Event: e, State: st, Fresh: e.Seq == 1, Intent: begun.Intent})
		require.NoError(t, err)
		require.Equal(t, cluster.OutcomeDone, res.Outcome)
	}
	message(nil)
	assert.LessOrEqual(t, executed(t, admin, 40, func() { message(nil) }), 19.0, "without a turn")
	assert.LessOrEqual(t, executed(t, admin, 40, func() { message(&chatbox.Turn{State: chatbox.TurnPending, Run: 1}) }), 23.0, "with a turn")
	assert.LessOrEqual(t, executed(t, admin, 40, func() {
		_, _, err := c.Due(t.Context())
		require.NoError(t, err)
	}), 133.0, "a sweep beside a due session")
	require.NoError(t, admin.FlushAll(t.Context()).Err())
	assert.LessOrEqual(t, executed(t, admin, 40, func() {
		_, _, err := c.Due(t.Context())
		require.NoError(t, err)
	}), 2.0, "a sweep of an idle cluster")
}
