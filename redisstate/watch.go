package redisstate

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"chatbox"
)

// watchTTL is how long an admin without a socket may take to return to a
// session that they watched.
const watchTTL = 3 * time.Minute

// Watch records that the admin watches the session. The record expires after
// three minutes unless Watch is called again.
func (c *Client) Watch(ctx context.Context, s chatbox.SessionKey, adminID string) error {
	return wrap("watch", c.flush(ctx, func(p batch) {
		p.Set(ctx, watchKey(s, adminID), "1", watchTTL)
		c.queue(ctx, p, "watch.lua", []string{watchersKey(s)}, c.watcher(adminID), ms(watchTTL))
	}))
}

// Unwatch removes the record that Watch made on this process.
func (c *Client) Unwatch(ctx context.Context, s chatbox.SessionKey, adminID string) error {
	return wrap("unwatch", c.flush(ctx, func(p batch) {
		p.Del(ctx, watchKey(s, adminID))
		p.ZRem(ctx, watchersKey(s), c.watcher(adminID))
	}))
}

// watcher encodes an admin who watches on this process, so that an Unwatch on
// one pod does not end watching on another.
func (c *Client) watcher(adminID string) string { return b64(adminID) + "@" + c.boot }

// Watched reports whether anybody watches the session.
func (c *Client) Watched(ctx context.Context, s chatbox.SessionKey) (bool, error) {
	n, err := c.run(ctx, "watched.lua", []string{watchersKey(s)}).Int()
	return n > 0, wrap("watched", err)
}

// Watches reports whether the admin watches the session.
func (c *Client) Watches(ctx context.Context, s chatbox.SessionKey, adminID string) (bool, error) {
	n, err := c.rdb.Exists(ctx, watchKey(s, adminID)).Result()
	return n == 1, wrap("watches", err)
}

// Present reports, for each user in order, whether a live process has a socket
// of theirs. Two round trips, for any number of users.
func (c *Client) Present(ctx context.Context, users []chatbox.UserKey) ([]bool, error) {
	if len(users) == 0 {
		return nil, nil
	}
	socks := make([]*redis.StringSliceCmd, len(users))
	err := c.flush(ctx, func(p batch) {
		for i, u := range users {
			socks[i] = p.ZRange(ctx, connKey(u), 0, -1)
		}
	})
	if err != nil {
		return nil, wrap("present", err)
	}
	var all []string
	for _, cmd := range socks {
		all = append(all, cmd.Val()...)
	}
	lives, err := c.living(ctx, all)
	if err != nil {
		return nil, wrap("present", err)
	}
	here := make([]bool, len(users))
	for i, cmd := range socks {
		here[i] = slices.ContainsFunc(cmd.Val(), lives)
	}
	return here, nil
}

// living asks Redis which of the sockets belong to live processes, each
// process once.
func (c *Client) living(ctx context.Context, socks []string) (lives func(socket string) bool, err error) {
	var boots map[string]*redis.IntCmd
	err = c.flush(ctx, func(p batch) {
		boots = map[string]*redis.IntCmd{}
		for _, s := range socks {
			if b := bootOf(s); boots[b] == nil {
				boots[b] = p.Exists(ctx, aliveKey(b))
			}
		}
	})
	return func(s string) bool { return boots[bootOf(s)].Val() == 1 }, err
}

// bootOf returns the process that registered a socket.
func bootOf(socket string) string { return socket[strings.LastIndexByte(socket, '@')+1:] }
