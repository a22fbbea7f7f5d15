//go:build integration

// Package integration runs against real servers.
package integration

import (
	"context"
	"net"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"chatbox/test/conformance"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
	"github.com/testcontainers/testcontainers-go"
	tcredis "github.com/testcontainers/testcontainers-go/modules/redis"
)

// redisDB is the database that these tests empty and use.
const redisDB = 9

// redisOptions are of CHATBOX_TEST_REDIS_URL, or of a container.
var redisOptions = sync.OnceValues(func() (*redis.Options, error) {
	url := os.Getenv("CHATBOX_TEST_REDIS_URL")
	if url == "" {
		ctx := context.Background() //nolint:forbidigo // one container for all tests; its reaper ends it
		c, err := tcredis.Run(ctx, "redis:8-alpine")
		if err != nil {
			return nil, err
		}
		if url, err = c.ConnectionString(ctx); err != nil {
			return nil, err
		}
	}
	opts, err := redis.ParseURL(url)
	if err == nil {
		opts.DB, opts.DisableIdentity, opts.ContextTimeoutEnabled, opts.MaxRetries = redisDB, true, true, 1
	}
	return opts, err
})

// realRedis is the server with an empty database.
func realRedis(t *testing.T) conformance.RedisServer {
	t.Helper()
	if os.Getenv("CHATBOX_TEST_REDIS_URL") == "" {
		testcontainers.SkipIfProviderIsNotHealthy(t)
	}
	opts, err := redisOptions()
	require.NoError(t, err)
	dial := func() *redis.Client { o := *opts; return redis.NewClient(&o) }
	admin := dial()
	t.Cleanup(func() { _ = admin.Close() })
	require.NoError(t, admin.FlushDB(t.Context()).Err())
	return conformance.RedisServer{
		Dial:    func(*testing.T) redis.UniversalClient { return dial() },
		Advance: func(t *testing.T, d time.Duration) { t.Helper(); age(t, admin, d) },
	}
}

// age makes everything in the database older by d, which is as good as waiting
// for as long: times to live shrink, and the times that are scores move back.
func age(t *testing.T, rdb *redis.Client, d time.Duration) {
	t.Helper()
	// The keys of a Cluster's master are of many slots.
	const script = `#!lua flags=allow-cross-slot-keys
for _, k in ipairs(redis.call('KEYS', '*')) do
  if redis.call('TYPE', k).ok == 'zset' and not string.find(k, ':q:', 1, true) then
    local all = redis.call('ZRANGE', k, 0, -1)
    for _, m in ipairs(all) do redis.call('ZINCRBY', k, -ARGV[1], m) end
  end
  local ttl = redis.call('PTTL', k)
  if ttl >= 0 then
    if ttl <= tonumber(ARGV[1]) then redis.call('DEL', k) else redis.call('PEXPIRE', k, ttl - ARGV[1]) end
  end
end
return 1`
	require.NoError(t, rdb.Eval(t.Context(), script, nil, d.Milliseconds()).Err())
}

// ownRedis is a server process of the test's own, which it may pause and kill.
type ownRedis struct {
	cmd  *exec.Cmd
	port int
}

func startRedis(t *testing.T) *ownRedis {
	t.Helper()
	path, err := exec.LookPath("redis-server")
	if err != nil {
		t.Skip("NOT RUN: no redis-server is installed, and a shared one cannot be paused")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	r := &ownRedis{port: l.Addr().(*net.TCPAddr).Port}
	require.NoError(t, l.Close())
	r.start(t, path)
	t.Cleanup(func() { r.kill() })
	return r
}

func (r *ownRedis) start(t *testing.T, path string) {
	t.Helper()
	r.cmd = exec.Command(path, "--port", strconv.Itoa(r.port), "--bind", "127.0.0.1",
		"--save", "", "--appendonly", "no", "--dir", t.TempDir(), "--daemonize", "no")
	require.NoError(t, r.cmd.Start())
	rdb := r.dial()
	defer func() { _ = rdb.Close() }()
	require.Eventually(t, func() bool { return rdb.Ping(t.Context()).Err() == nil }, 30*time.Second, 20*time.Millisecond)
}

func (r *ownRedis) dial() *redis.Client {
	return redis.NewClient(&redis.Options{
		Addr: net.JoinHostPort("127.0.0.1", strconv.Itoa(r.port)), DisableIdentity: true, ContextTimeoutEnabled: true,
		DialTimeout: time.Second, ReadTimeout: time.Second, WriteTimeout: time.Second, MaxRetries: 1, DialerRetries: 1,
	})
}

func (r *ownRedis) signal(t *testing.T, s syscall.Signal) {
	t.Helper()
	require.NoError(t, r.cmd.Process.Signal(s))
}

func (r *ownRedis) kill() {
	_ = r.cmd.Process.Signal(syscall.SIGCONT)
	_ = r.cmd.Process.Kill()
	_ = r.cmd.Wait()
}
