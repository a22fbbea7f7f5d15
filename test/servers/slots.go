package servers

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
)

// node is one member of a Cluster, as another member reports it.
type node struct {
	rdb  *redis.Client
	id   string
	host string
	port string
}

// MoveSlot moves a key's slot with all its keys to another master, as `redis-cli
// --cluster reshard` does. It calls half after the source is migrating and the
// destination importing, before any key has been moved. It returns the old and
// the new member of the slot.
func (s *Set) MoveSlot(ctx context.Context, tb testing.TB, key string, half func()) (from, to string) {
	tb.Helper()
	must := func(what string, err error) {
		tb.Helper()
		if err != nil {
			tb.Fatalf("move the slot of %s: %s: %v", key, what, err)
		}
	}
	slot, masters, at := s.masters(ctx, tb, key)
	defer func() {
		for _, m := range masters {
			_ = m.rdb.Close()
		}
	}()
	src, dst := masters[at], masters[(at+1)%len(masters)]
	must("importing", dst.rdb.Do(ctx, "CLUSTER", "SETSLOT", slot, "IMPORTING", src.id).Err())
	must("migrating", src.rdb.Do(ctx, "CLUSTER", "SETSLOT", slot, "MIGRATING", dst.id).Err())
	if half != nil {
		half()
	}
	for {
		keys, err := src.rdb.ClusterGetKeysInSlot(ctx, int(slot), 10).Result()
		must("keys", err)
		if len(keys) == 0 {
			break
		}
		args := []any{"MIGRATE", dst.host, dst.port, "", 0, 5000, "KEYS"}
		for _, k := range keys {
			args = append(args, k)
		}
		must("migrate", src.rdb.Do(ctx, args...).Err())
	}
	for _, m := range append([]node{dst, src}, masters...) {
		must("node", m.rdb.Do(ctx, "CLUSTER", "SETSLOT", slot, "NODE", dst.id).Err())
	}
	return s.Member(tb, src.host+":"+src.port), s.Member(tb, dst.host+":"+dst.port)
}

// MasterOf returns the member that serves the key's slot, according to the first
// member that answers.
func (s *Set) MasterOf(ctx context.Context, tb testing.TB, key string) string {
	tb.Helper()
	_, masters, at := s.masters(ctx, tb, key)
	for _, m := range masters {
		_ = m.rdb.Close()
	}
	return s.Member(tb, masters[at].host+":"+masters[at].port)
}

// masters asks the members in turn for the list of masters, until one answers. at
// is the index of the master with the key's slot.
func (s *Set) masters(ctx context.Context, tb testing.TB, key string) (slot int64, masters []node, at int) {
	tb.Helper()
	var said []redis.ClusterSlot
	err := fmt.Errorf("no member answers")
	for n := 1; n <= 6 && err != nil; n++ {
		rdb := redis.NewClient(&redis.Options{Addr: s.Addr(tb, fmt.Sprint("cluster-", n)), MaxRetries: -1, DialerRetries: 1})
		if slot, err = rdb.ClusterKeySlot(ctx, key).Result(); err == nil {
			said, err = rdb.ClusterSlots(ctx).Result() //nolint:staticcheck // the library's own client reads these too
		}
		_ = rdb.Close()
	}
	if err != nil {
		tb.Fatal(err)
	}
	for _, part := range said {
		addr := part.Nodes[0].Addr
		i := slices.IndexFunc(masters, func(m node) bool { return m.host+":"+m.port == addr })
		if i < 0 {
			i = len(masters)
			host, port, _ := strings.Cut(addr, ":")
			masters = append(masters, node{rdb: redis.NewClient(&redis.Options{Addr: addr}), id: part.Nodes[0].ID, host: host, port: port})
		}
		if int(slot) >= part.Start && int(slot) <= part.End {
			at = i
		}
	}
	return slot, masters, at
}
