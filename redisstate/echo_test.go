package redisstate_test

import (
	"context"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/alicebob/miniredis/v2/server"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"chatbox/internal/outage"
	"chatbox/redisstate"
)

// TestEcho_NeedsChannels: a server that refuses SUBSCRIBE or swallows PUBLISH does
// not deliver, although it takes writes.
func TestEcho_NeedsChannels(t *testing.T) {
	m := miniredis.RunT(t)
	cfg := redisstate.DefaultConfig()
	cfg.Addrs = []string{m.Addr()}
	c, err := redisstate.Open(cfg, nil)
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	require.NoError(t, c.Echo(t.Context()))

	hook := func(command string, does func(p *server.Peer)) {
		m.Server().SetPreHook(func(p *server.Peer, cmd string, _ ...string) bool {
			if cmd == command {
				does(p)
			}
			return cmd == command
		})
	}
	hook("SUBSCRIBE", func(p *server.Peer) { p.WriteError("NOPERM No permissions to access a channel") })
	err = c.Echo(t.Context())
	assert.Equal(t, outage.Permission, redisstate.Kind(err), "%v", err)

	hook("PUBLISH", func(p *server.Peer) { p.WriteInt(0) })
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	err = c.Echo(ctx)
	assert.Equal(t, outage.Timeout, redisstate.Kind(err), "%v", err)
}
