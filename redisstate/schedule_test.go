package redisstate

import (
	"context"
	"testing"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"chatbox"
)

// crossSlot is a server's error.
type crossSlot struct{}

func (crossSlot) Error() string { return "CROSSSLOT Keys in request don't hash to the same slot" }
func (crossSlot) RedisError()   {}

// slots refuses calls with keys of several partitions, as a member of a Cluster
// does.
type slots struct{ calls int }

func (*slots) DialHook(next redis.DialHook) redis.DialHook          { return next }
func (*slots) ProcessHook(next redis.ProcessHook) redis.ProcessHook { return next }

func (s *slots) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		for _, cmd := range cmds {
			if keys, _ := cmd.Args()[2].(int); keys > 2 {
				s.calls++
				cmd.SetErr(crossSlot{})
				return crossSlot{}
			}
		}
		return next(ctx, cmds)
	}
}

func TestDue_OfOneMemberOfACluster(t *testing.T) {
	rdb := redis.NewClient(&redis.Options{Addr: miniredis.RunT(t).Addr()})
	refusing := &slots{}
	rdb.AddHook(refusing)
	c, err := New(DefaultConfig(), rdb, nil)
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	s := chatbox.SessionKey{ID: "s"}
	require.NoError(t, rdb.ZAdd(t.Context(), keysOf(s).due, redis.Z{Score: 1, Member: member(s)}).Err())
	turns, _, err := c.Due(t.Context())
	require.NoError(t, err)
	assert.Equal(t, []chatbox.SessionKey{s}, turns)
	_, _, err = c.Due(t.Context())
	require.NoError(t, err)
	assert.Equal(t, 1, refusing.calls, "asked once")
}
