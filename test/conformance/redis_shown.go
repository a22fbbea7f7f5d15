package conformance

import (
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"chatbox"
	"chatbox/cluster"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func reader(k *talk) string { return k.key.ID + " ann" }

// earlier has all notes of the session made so much earlier.
func earlier(t *testing.T, k *talk, by time.Duration) {
	t.Helper()
	keys := keysLike(t, k.rdb, "cb:*:g:*."+base64.RawURLEncoding.EncodeToString([]byte(k.key.ID)))
	require.Len(t, keys, 1)
	key := keys[0]
	for field, value := range k.rdb.HGetAll(t.Context(), key).Val() {
		at, rest, ok := strings.Cut(value, "|")
		require.True(t, ok)
		n, err := strconv.ParseInt(at, 10, 64)
		require.NoError(t, err)
		require.NoError(t, k.rdb.HSet(t.Context(), key, field, fmt.Sprintf("%d|%s", n-by.Milliseconds(), rest)).Err())
	}
}

// redisShown: what connections of clients without resume have received.
func redisShown(t *testing.T, s RedisServer) {
	t.Helper()
	note := func(k *talk, conn string, run, bytes int, stage cluster.ShownStage) {
		require.NoError(t, k.c.NoteShown(t.Context(), []cluster.Shown{{
			Session: k.key, UserID: reader(k), Conn: chatbox.ConnID(conn), Gen: chatbox.Gen{Seq: 1, Run: run}, Bytes: bytes, Sum: uint64(bytes), Stage: stage,
		}}))
	}
	take := func(k *talk) int {
		has, err := k.c.TakeShown(t.Context(), k.key, reader(k))
		require.NoError(t, err)
		if has == nil {
			return -1
		}
		assert.Equal(t, cluster.Shown{
			Session: k.key, UserID: reader(k), Gen: has.Gen, Bytes: has.Bytes, Sum: uint64(has.Bytes), Stage: cluster.ShownReceived,
		}, *has)
		return has.Bytes
	}
	t.Run("TakenOnce", func(t *testing.T) {
		k := newTalk(t, s, nil)
		assert.Equal(t, -1, take(k))
		note(k, "c1", 1, 10, cluster.ShownReceived)
		note(k, "c1", 1, 20, cluster.ShownReceived)
		stranger, err := k.c.TakeShown(t.Context(), k.key, strings.TrimSuffix(reader(k), "n"))
		require.NoError(t, err)
		assert.Nil(t, stranger, "a user whose name is the beginning of the other's")
		assert.Equal(t, 20, take(k))
		assert.Equal(t, -1, take(k))
	})
	t.Run("LeastOfSeveral", func(t *testing.T) {
		k := newTalk(t, s, nil)
		note(k, "lives", 1, 30, cluster.ShownReceived)
		note(k, "broke", 1, 20, cluster.ShownClosed)
		assert.Equal(t, 20, take(k))
		assert.Equal(t, 30, take(k))
	})
	t.Run("NothingOwed", func(t *testing.T) {
		k := newTalk(t, s, nil)
		note(k, "c1", 1, 10, cluster.ShownReceived)
		note(k, "c1", 1, 10, cluster.ShownOver)
		assert.Equal(t, -1, take(k))
	})
	t.Run("SentByADeadPod", func(t *testing.T) {
		k := newTalk(t, s, nil)
		note(k, "c1", 1, 10, cluster.ShownReceived)
		note(k, "c1", 1, 20, cluster.ShownSent)
		assert.Equal(t, 20, take(k), "nobody could note the pong")
		note(k, "c1", 1, 10, cluster.ShownReceived)
		note(k, "c1", 1, 20, cluster.ShownSent)
		note(k, "c1", 1, 10, cluster.ShownClosed)
		note(k, "c1", 1, 30, cluster.ShownSent)
		assert.Equal(t, 10, take(k), "the pod says that it was not received")
		note(k, "c1", 1, 10, cluster.ShownReceived)
		note(k, "c1", 2, 20, cluster.ShownSent)
		assert.Equal(t, 10, take(k), "of another answer")
	})
	t.Run("SentIntoADeadNetwork", func(t *testing.T) {
		k := newTalk(t, s, nil)
		note(k, "c1", 1, 10, cluster.ShownReceived)
		earlier(t, k, time.Second)
		note(k, "c1", 1, 20, cluster.ShownSent)
		assert.Equal(t, 10, take(k))
	})
	t.Run("PageLoadedAnew", func(t *testing.T) {
		k := newTalk(t, s, nil)
		note(k, "c1", 1, 10, cluster.ShownReceived)
		_, _, err := k.c.CountRequest(t.Context(), chatbox.UserKey{Tenant: k.key.Tenant, ID: reader(k)}, 10)
		require.NoError(t, err)
		assert.Equal(t, -1, take(k))
		assert.Eventually(t, func() bool { // the server's clock has moved on
			s.Advance(t, 2*time.Millisecond)
			note(k, "c2", 1, 5, cluster.ShownReceived)
			return take(k) == 5
		}, 5*time.Second, time.Millisecond, "what came after the request counts")
	})
	t.Run("EndsByItself", func(t *testing.T) {
		k := newTalk(t, s, nil)
		note(k, "c1", 1, 10, cluster.ShownReceived)
		s.Advance(t, 3*time.Minute)
		assert.Equal(t, -1, take(k))
	})
}
