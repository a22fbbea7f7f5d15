//go:build integration

package integration

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"strings"
	"syscall"
	"testing"
	"time"

	"chatbox"
	"chatbox/cluster"
	"chatbox/redisstate"
	"chatbox/test/conformance"
	"chatbox/test/servers"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// dialTopology makes clients as a pod with the URL does.
func dialTopology(t *testing.T, url string) func(t *testing.T) redis.UniversalClient {
	t.Helper()
	cfg := redisstate.DefaultConfig()
	scheme, rest, _ := strings.Cut(url, "://")
	hosts, master, _ := strings.Cut(rest, "/")
	cfg.Addrs, cfg.Master, cfg.Cluster = strings.Split(hosts, ","), master, strings.HasSuffix(scheme, "+cluster")
	return func(t *testing.T) redis.UniversalClient {
		t.Helper()
		rdb, err := redisstate.Dial(cfg)
		require.NoError(t, err)
		return rdb
	}
}

func TestRedis_ConformanceBehindSentinels(t *testing.T) {
	set := servers.Start(t, servers.Sentinel)
	dial := dialTopology(t, set.URL)
	admin := dial(t).(*redis.Client)
	t.Cleanup(func() { _ = admin.Close() })
	conformance.Redis(t, conformance.RedisServer{
		Dial:    dial,
		Advance: func(t *testing.T, d time.Duration) { t.Helper(); age(t, admin, d) },
	})
}

func TestRedis_ConformanceOnACluster(t *testing.T) {
	set := servers.Start(t, servers.Cluster)
	dial := dialTopology(t, set.URL)
	admin := dial(t).(*redis.ClusterClient)
	t.Cleanup(func() { _ = admin.Close() })
	conformance.Redis(t, conformance.RedisServer{
		Dial: dial,
		Advance: func(t *testing.T, d time.Duration) {
			t.Helper()
			require.NoError(t, admin.ForEachMaster(t.Context(), func(_ context.Context, m *redis.Client) error {
				age(t, m, d) //nolint:contextcheck // it has the test's
				return nil
			}))
		},
	})
}

func TestRedis_BusFollowsAMovedSlot(t *testing.T) {
	set := servers.Start(t, servers.Cluster)
	rdb := dialTopology(t, set.URL)(t)
	h := &counter{}
	c, b := startBus(t, rdb, h)
	s, st := chatbox.SessionKey{ID: rand.Text()}, chatbox.State{}
	require.NoError(t, b.Subscribe(t.Context(), s))
	eventually(t, "health", b.Healthy)
	say(t, c, h, s, &st)
	before := h.resyncs.Load()
	key := keyOf(t, rdb, s)
	for range 2 {
		from, to := set.MoveSlot(t.Context(), t, key, func() {
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			defer cancel()
			_, err := c.Begin(ctx, cluster.Beginning{Session: s, Key: "c:u:1"})
			require.ErrorIs(t, err, chatbox.Unavailable, "while the slot is on its way it is asked again later")
		})
		require.NotEqual(t, from, to)
		d := eventually(t, "the resync", func() bool { return h.resyncs.Load() > before })
		t.Logf("moved from %s to %s: subscribed again after %v", from, to, d)
		before = h.resyncs.Load()
		heads, err := c.Heads(t.Context(), []chatbox.SessionKey{s})
		require.NoError(t, err)
		require.Equal(t, []int64{st.Head}, heads)
		say(t, c, h, s, &st)
		eventually(t, "health", b.Healthy)
	}
}

// keyOf names the session's key that holds its state.
func keyOf(t *testing.T, rdb redis.UniversalClient, s chatbox.SessionKey) string {
	t.Helper()
	var found string
	require.NoError(t, rdb.(*redis.ClusterClient).ForEachMaster(t.Context(), func(ctx context.Context, m *redis.Client) error {
		keys, err := m.Keys(ctx, "cb:{*}:s:*"+base64.RawURLEncoding.EncodeToString([]byte(s.ID))).Result()
		if len(keys) == 1 {
			found = keys[0]
		}
		return err
	}))
	require.NotEmpty(t, found)
	return found
}

func TestRedis_BusFollowsAClustersFailover(t *testing.T) {
	set := servers.Start(t, servers.Cluster)
	rdb := dialTopology(t, set.URL)(t)
	h := &counter{}
	c, b := startBus(t, rdb, h)
	// So many that every partition has one, and every master a third of them.
	sessions := make([]chatbox.SessionKey, 200)
	states := make([]chatbox.State, len(sessions))
	for i := range sessions {
		sessions[i].ID = rand.Text()
		require.NoError(t, b.Subscribe(t.Context(), sessions[i]))
		say(t, c, h, sessions[i], &states[i])
	}
	eventually(t, "health", b.Healthy)
	victim := set.MasterOf(t.Context(), t, keyOf(t, rdb, sessions[0]))
	before := h.resyncs.Load()
	set.Signal(t, victim, syscall.SIGKILL)
	d := eventually(t, "the canary's silence", func() bool { return !b.Healthy() })
	t.Logf("%s killed: not ready after %v", victim, d)
	assert.Less(t, d, 2*time.Second)
	d = eventually(t, "health", b.Healthy)
	t.Logf("ready again after %v more", d)
	assert.Greater(t, h.resyncs.Load(), before)
	for i := range sessions {
		heads, err := c.Heads(t.Context(), sessions[i:i+1])
		require.NoError(t, err)
		if heads[0] != states[i].Head { // the end of its log was not replicated yet
			require.NoError(t, c.Seed(t.Context(), cluster.Seed{Session: sessions[i], Owner: "u", State: states[i]}))
		}
		say(t, c, h, sessions[i], &states[i])
	}
}

func TestRedis_BusFollowsSentinelsFailover(t *testing.T) {
	set := servers.Start(t, servers.Sentinel)
	rdb := dialTopology(t, set.URL)(t)
	h := &counter{}
	c, b := startBus(t, rdb, h)
	s, st := chatbox.SessionKey{ID: rand.Text()}, chatbox.State{}
	require.NoError(t, b.Subscribe(t.Context(), s))
	eventually(t, "health", b.Healthy)
	say(t, c, h, s, &st)
	require.EqualValues(t, 2, rdb.Do(t.Context(), "WAIT", 2, 5000).Val(), "both replicas have it")
	set.Signal(t, "redis-1", syscall.SIGKILL)
	d := eventually(t, "the canary's silence", func() bool { return !b.Healthy() })
	t.Logf("the master killed: not ready after %v", d)
	assert.Less(t, d, 2*time.Second)
	d = eventually(t, "health", b.Healthy)
	t.Logf("ready again after %v more", d)
	eventually(t, "the resync", func() bool { return h.resyncs.Load() > 1 })
	heads, err := c.Heads(t.Context(), []chatbox.SessionKey{s})
	require.NoError(t, err)
	require.Equal(t, []int64{1}, heads)
	say(t, c, h, s, &st)
	_, _, err = c.Due(t.Context()) // the promoted replica learns the scripts
	require.NoError(t, err)
}
