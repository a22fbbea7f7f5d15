//go:build integration

// Package integration runs against real servers.
package integration

import (
	"net"
	"os/exec"
	"strconv"
	"syscall"
	"testing"
	"time"

	"chatbox/test/conformance"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
)

// redisDB is the database that these tests empty and use.
const redisDB = 9

// redisOptions are how the tests dial the server.
func redisOptions(tb testing.TB) *redis.Options {
	tb.Helper()
	opts, err := redis.ParseURL(redisServer.address(tb))
	require.NoError(tb, err)
	opts.DB, opts.DisableIdentity, opts.ContextTimeoutEnabled, opts.MaxRetries = redisDB, true, true, 1
	return opts
}

// realRedis is the server with an empty database.
func realRedis(t *testing.T) conformance.RedisServer {
	t.Helper()
	opts := redisOptions(t)
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
