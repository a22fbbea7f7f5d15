//go:build !race

package redisstate_test

import (
	"testing"

	"github.com/redis/go-redis/v9"

	"chatbox/test/childredis"
	"chatbox/test/conformance"
)

func TestAllocations(t *testing.T) {
	o := &redis.Options{Addr: childredis.Start(t), DisableIdentity: true, ContextTimeoutEnabled: true}
	conformance.RedisAllocations(t, conformance.RedisServer{
		Dial:     func(*testing.T) redis.UniversalClient { return redis.NewClient(o) },
		Emulated: true,
	})
}
