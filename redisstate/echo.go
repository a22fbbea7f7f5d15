package redisstate

import (
	"context"
	"errors"
	"time"

	"github.com/redis/go-redis/v9"

	"chatbox"
)

// Echo proves that pub/sub works: it subscribes to a channel of this process,
// publishes a message there and waits for it. Servers may permit a user keys and
// no channels.
func (c *Client) Echo(ctx context.Context) error {
	ch := trunkCanary(chatbox.PodID("doctor." + c.boot))
	ps := c.rdb.Subscribe(ctx)
	defer func() { _ = ps.Close() }()
	subscribe := ps.Subscribe
	if c.sharded {
		subscribe = ps.SSubscribe
	}
	if err := subscribe(ctx, ch); err != nil {
		return wrap("subscribe", c.explain(err))
	}
	for {
		within := silentFor
		if by, ok := ctx.Deadline(); ok {
			within = max(time.Until(by), time.Millisecond)
		}
		switch got, err := ps.ReceiveTimeout(ctx, within); got.(type) {
		case *redis.Subscription:
			if err := c.publish(ctx, ch, "echo"); err != nil {
				return wrap("publish", c.explain(err))
			}
		case *redis.Message:
			return nil
		default:
			if err == nil {
				err = errors.New("an unexpected reply to SUBSCRIBE")
			}
			return wrap("subscribe", c.explain(err))
		}
	}
}
