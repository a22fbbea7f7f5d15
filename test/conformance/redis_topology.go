package conformance

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
)

// These functions act on a Redis beside the client under test, on one server and
// on a Cluster.

// sharded reports whether pub/sub is of the sharded kind.
func sharded(rdb redis.UniversalClient) bool {
	_, is := rdb.(*redis.ClusterClient)
	return is
}

// keysLike lists the keys of all masters.
func keysLike(t *testing.T, rdb redis.UniversalClient, pattern string) []string {
	t.Helper()
	c, is := rdb.(*redis.ClusterClient)
	if !is {
		keys, err := rdb.Keys(t.Context(), pattern).Result()
		require.NoError(t, err)
		return keys
	}
	var mu sync.Mutex
	var all []string
	require.NoError(t, c.ForEachMaster(t.Context(), func(ctx context.Context, m *redis.Client) error {
		keys, err := m.Keys(ctx, pattern).Result()
		mu.Lock()
		defer mu.Unlock()
		all = append(all, keys...)
		return err
	}))
	return all
}

// overwrite puts the value of one key in the place of another, which may be in
// another slot.
func overwrite(t *testing.T, rdb redis.UniversalClient, from, to string) {
	t.Helper()
	ctx := t.Context()
	require.NoError(t, rdb.Del(ctx, to).Err())
	typ, err := rdb.Type(ctx, from).Result()
	require.NoError(t, err)
	if typ == "string" {
		require.NoError(t, rdb.Set(ctx, to, rdb.Get(ctx, from).Val(), time.Minute).Err())
		return
	}
	require.Equal(t, "list", typ)
	for _, entry := range rdb.LRange(ctx, from, 0, -1).Val() {
		require.NoError(t, rdb.RPush(ctx, to, entry).Err())
	}
}

// tell publishes beside the client.
func tell(ctx context.Context, rdb redis.UniversalClient, channel, payload string) error {
	if sharded(rdb) {
		return rdb.SPublish(ctx, channel, payload).Err()
	}
	return rdb.Publish(ctx, channel, payload).Err()
}

// listen subscribes beside the client; the test closes it.
func listen(t *testing.T, rdb redis.UniversalClient, channel string) *redis.PubSub {
	t.Helper()
	if sharded(rdb) {
		return rdb.SSubscribe(t.Context(), channel)
	}
	return rdb.Subscribe(t.Context(), channel)
}

// listeners counts a channel's subscribers.
func listeners(ctx context.Context, rdb redis.UniversalClient, channel string) (int64, error) {
	c, is := rdb.(*redis.ClusterClient)
	if !is {
		n, err := rdb.PubSubNumSub(ctx, channel).Result()
		return n[channel], err
	}
	m, err := c.MasterForKey(ctx, channel)
	if err != nil {
		return 0, err
	}
	n, err := m.PubSubShardNumSub(ctx, channel).Result()
	return n[channel], err
}
