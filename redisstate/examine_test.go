package redisstate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"chatbox"
	"chatbox/internal/outage"
	"chatbox/test/rawserver"
)

// said is an error as the server says it.
type said string

func (s said) Error() string { return string(s) }
func (said) RedisError()     {}

func TestKind(t *testing.T) {
	for text, want := range map[string]outage.Kind{
		"OOM command not allowed when used memory > 'maxmemory'.":                                 outage.Memory,
		"READONLY You can't write against a read only replica.":                                   outage.ReadOnly,
		"MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist": outage.Disk,
		"NOREPLICAS Not enough good replicas to write.":                                           outage.Replicas,
		"LOADING Redis is loading the dataset in memory":                                          outage.Loading,
		"MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.":        outage.NoPrimary,
		"CLUSTERDOWN The cluster is down":                                                         outage.ClusterDown,
		"WRONGPASS invalid username-password pair or user is disabled.":                           outage.Authentication,
		"NOAUTH Authentication required.":                                                         outage.Authentication,
		"ERR AUTH <password> called without any password configured for the default user.":        outage.Authentication,
		"NOPERM this user has no permissions to run the 'set' command":                            outage.Permission,
		"DENIED Redis is running in protected mode":                                               outage.Permission,
		"ERR max number of clients reached":                                                       outage.Full,
		"ERR something new":                                                                       outage.Failed,
		"redis: all sentinels specified in configuration are unreachable: redis: nil":             outage.NoPrimary,
	} {
		assert.Equal(t, want, Kind(wrap("probe", fmt.Errorf("set: %w", said(text)))), text)
	}
	assert.Empty(t, Kind(nil))
	assert.Equal(t, outage.Timeout, Kind(redis.ErrPoolTimeout))
	assert.Equal(t, outage.Eviction, Kind(outage.As(outage.Eviction, errors.New("x"))))
}

func TestServer_WhatIsWrongWithIt(t *testing.T) {
	for _, c := range []struct {
		s                   Server
		forgetful, outdated bool
		advice              int
	}{
		{s: Server{Version: "7.0.15", Policy: "noeviction", AOF: true}},
		{s: Server{Version: "8.2.1", Policy: "noeviction", Save: "3600 1"}},
		{s: Server{Version: "7.0.15", Policy: "noeviction"}, advice: 1},
		{s: Server{Version: "7.0.15", Policy: "noeviction", Silent: true}, advice: 1},
		{s: Server{Version: "7.0.15", Policy: "allkeys-lru", AOF: true}, forgetful: true},
		{s: Server{Version: "7.0.15", Policy: "volatile-ttl", AOF: true}, forgetful: true},
		{s: Server{AOF: true}, advice: 1},
		{s: Server{Version: "6.2.0", Policy: "noeviction", AOF: true}},
		{s: Server{Version: "6.2.0", Policy: "noeviction", AOF: true, Cluster: true}, outdated: true},
		{s: Server{Version: "6.0.16", Policy: "noeviction", AOF: true}, outdated: true},
		{s: Server{Version: "5.0.1", Policy: "noeviction", AOF: true}, outdated: true},
		{s: Server{Version: "unstable", Policy: "noeviction", AOF: true}},
	} {
		assert.Equal(t, c.forgetful, c.s.Forgetful() != "", "%+v", c.s)
		assert.Equal(t, c.outdated, c.s.Outdated() != "", "%+v", c.s)
		assert.Len(t, c.s.Advice(), c.advice, "%+v", c.s)
	}
	assert.Contains(t, Server{Addr: "h:1", Policy: "allkeys-lru"}.Forgetful(), "CONFIG SET maxmemory-policy noeviction")
	assert.Equal(t, map[string]string{"redis_version": "7.0.15", "maxmemory_policy": "noeviction", "aof_enabled": "0"},
		parseInfo("# Server\r\nredis_version:7.0.15\r\n\r\n# Memory\r\nmaxmemory_policy:noeviction\r\naof_enabled:0\r\n"))
}

// A server that hangs up on the first connection may want TLS; time that ran out
// while connections were refused was not a slow server's.
func TestProbe_SaysWhyRedisCannotBeReached(t *testing.T) {
	addr, stop := rawserver.Start(t, func(conn net.Conn) {
		_, _ = io.ReadAtLeast(conn, make([]byte, 1), 1)
		_ = conn.Close()
	})
	probe := func() error {
		cfg := DefaultConfig()
		cfg.Addrs = []string{addr}
		c, err := Open(cfg, nil)
		require.NoError(t, err)
		defer func() { _ = c.Close() }()
		ctx, cancel := context.WithTimeout(t.Context(), checkPatience)
		defer cancel()
		return c.Probe(ctx)
	}
	err := probe()
	require.ErrorIs(t, err, chatbox.Unavailable)
	assert.Equal(t, outage.NeedsTLS, Kind(err), "%v", err)
	stop()
	err = probe()
	require.ErrorIs(t, err, chatbox.Unavailable)
	assert.Equal(t, outage.Refused, Kind(err), "%v", err)
}

// checkPatience is as short as readiness': the library is still repeating then.
const checkPatience = 300e6
