package redisstate_test

import (
	"sync"
	"testing"
	"time"

	"chatbox/test/childredis"
	"chatbox/test/conformance"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	childredis.ServeInChild()
	goleak.VerifyTestMain(m)
}

// emulator is a Redis in this process whose clock is the test's.
type emulator struct {
	*miniredis.Miniredis
	mu  sync.Mutex // guards now
	now time.Time
}

func newEmulator(tb testing.TB) *emulator {
	tb.Helper()
	e := &emulator{Miniredis: miniredis.NewMiniRedis(), now: time.Now()}
	e.SetTime(e.now)
	if err := e.Start(); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(e.Close)
	return e
}

func (e *emulator) advance(_ *testing.T, d time.Duration) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.now = e.now.Add(d)
	e.SetTime(e.now)
	e.FastForward(d)
}

func (e *emulator) options() *redis.Options {
	return &redis.Options{
		Addr: e.Addr(), DisableIdentity: true, ContextTimeoutEnabled: true, MaxRetries: 1, DialerRetries: 1,
	}
}

func (e *emulator) server() conformance.RedisServer {
	return conformance.RedisServer{
		Dial:     func(*testing.T) redis.UniversalClient { return redis.NewClient(e.options()) },
		Advance:  e.advance,
		Emulated: true,
	}
}

func TestConformance_Emulator(t *testing.T) { conformance.Redis(t, newEmulator(t).server()) }
