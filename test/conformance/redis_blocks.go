package conformance

import (
	"testing"
	"time"

	"chatbox"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// redisBlocks: every pod is told whose block has changed, the one that tells as
// well, and Redis keeps nothing of it.
func redisBlocks(t *testing.T, s RedisServer) {
	t.Helper()
	k, other := newTalk(t, s, nil), newTalk(t, s, nil)
	hers, theirs := newRedisHandler(), newRedisHandler()
	first, _ := runBus(t, k.c, hers)
	second, _ := runBus(t, other.c, theirs)
	for _, b := range []interface{ Healthy() bool }{first, second} {
		require.Eventually(t, b.Healthy, patience, time.Millisecond)
	}
	before := len(keysLike(t, k.rdb, "cb:u:*"))
	users := []chatbox.UserKey{{Tenant: "t", ID: "ann @ é|x"}, {ID: "a.b|c"}, {Tenant: "t.u|", ID: "ann"}}
	for _, u := range users {
		require.NoError(t, k.c.PublishBlock(t.Context(), u))
	}
	for _, h := range []*redisHandler{hers, theirs} {
		h.until(t, "the news", func() bool { return len(h.blocks) >= len(users) })
		assert.Equal(t, users, h.blocks)
	}
	assert.Len(t, keysLike(t, k.rdb, "cb:u:*"), before)
}
