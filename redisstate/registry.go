package redisstate

import (
	"context"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"

	"chatbox"
)

// Connect registers a socket under its user's cap for the whole cluster. At
// the cap it first removes the sockets of dead processes: otherwise a crash
// would lock users out until their registrations expire.
func (c *Client) Connect(ctx context.Context, u chatbox.UserKey, id chatbox.ConnID) error {
	in, err := c.register(ctx, u, id)
	if err == nil && !in {
		if err = c.forgetDead(ctx, u); err == nil {
			in, err = c.register(ctx, u, id)
		}
	}
	if err != nil {
		return wrap("connect", err)
	}
	if !in {
		return &chatbox.Error{Code: chatbox.LimitExceeded, Message: "too many connections of this user", RetryAfter: 5 * time.Second, Refusal: chatbox.RefusedUserCap}
	}
	return nil
}

// register takes a slot under the cap. It also renews the process's liveness.
func (c *Client) register(ctx context.Context, u chatbox.UserKey, id chatbox.ConnID) (bool, error) {
	var cmd *redis.Cmd
	err := c.flush(ctx, func(p batch) {
		cmd = c.queue(ctx, p, "connect.lua", []string{connKey(u)}, c.socket(id), c.cfg.MaxSocketsPerUsr, ms(connTTL))
		p.Set(ctx, aliveKey(c.boot), "1", aliveTTL)
	})
	if err != nil {
		return false, err
	}
	n, err := cmd.Int()
	return n == 1, err
}

// socket encodes a socket of this process for its user's set.
func (c *Client) socket(id chatbox.ConnID) string { return string(id) + "@" + c.boot }

// forgetDead removes the sockets of dead processes from the user's set.
func (c *Client) forgetDead(ctx context.Context, u chatbox.UserKey) error {
	socks, err := c.rdb.ZRange(ctx, connKey(u), 0, -1).Result()
	if err != nil {
		return err
	}
	lives, err := c.living(ctx, socks)
	if err != nil {
		return err
	}
	return c.flush(ctx, func(p batch) {
		for _, s := range socks {
			if !lives(s) {
				p.ZRem(ctx, connKey(u), s)
			}
		}
	})
}

// Disconnect removes a socket's registration.
func (c *Client) Disconnect(ctx context.Context, u chatbox.UserKey, id chatbox.ConnID) error {
	return wrap("disconnect", c.rdb.ZRem(ctx, connKey(u), c.socket(id)).Err())
}

// Reserve reserves a free session id for the user and returns the user who has
// the reservation.
func (c *Client) Reserve(ctx context.Context, s chatbox.SessionKey, userID string) (string, error) {
	holder, err := c.run(ctx, "reserve.lua", []string{keysOf(s).reserve}, userID, ms(reserveTTL)).Text()
	return holder, wrap("reserve", err)
}

// Socket is one registered socket, for Beat.
type Socket struct {
	User chatbox.UserKey
	ID   chatbox.ConnID
}

const (
	beatBatch = 500     // sockets in one flush
	noCap     = 1 << 30 // an existing socket stays, even if Redis lost its registration
)

// BeatSockets renews the registrations of a pod's sockets. Call it at least
// every 20 seconds; a registration that is not renewed expires after a minute.
func (c *Client) BeatSockets(ctx context.Context, socks []Socket) error {
	for chunk := range slices.Chunk(socks, beatBatch) {
		err := c.flush(ctx, func(p batch) {
			for _, s := range chunk {
				c.queue(ctx, p, "connect.lua", []string{connKey(s.User)}, c.socket(s.ID), noCap, ms(connTTL))
			}
		})
		if err != nil {
			return wrap("beat sockets", err)
		}
	}
	return nil
}
