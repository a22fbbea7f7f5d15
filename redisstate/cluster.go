package redisstate

import (
	"context"
	"errors"

	"github.com/redis/go-redis/v9"
)

// publish says something on a channel outside of any script.
func (c *Client) publish(ctx context.Context, channel, payload string) error {
	if c.sharded {
		return c.rdb.SPublish(ctx, channel, payload).Err()
	}
	return c.rdb.Publish(ctx, channel, payload).Err()
}

// relearn has the client ask, at most five times a second, which node of a
// Cluster serves what.
func (c *Client) relearn(ctx context.Context) {
	if c.sharded {
		c.cluster.ReloadState(ctx)
	}
}

// relearner is a hook of go-redis that relearns where a node does not answer.
// The library does so only when a node that answers sends it elsewhere, and of
// a master that has died no other node is ever asked.
type relearner struct{ c *Client }

// DialHook passes on.
func (r relearner) DialHook(next redis.DialHook) redis.DialHook { return next }

// ProcessHook looks at a command's error.
func (r relearner) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		err := next(ctx, cmd)
		r.judge(ctx, err)
		return err
	}
}

// ProcessPipelineHook looks at a pipeline's first error.
func (r relearner) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		err := next(ctx, cmds)
		r.judge(ctx, err)
		return err
	}
}

func (r relearner) judge(ctx context.Context, err error) {
	if err == nil || errors.Is(err, context.Canceled) {
		return
	}
	if _, answered := errors.AsType[redis.Error](err); !answered || redis.IsClusterDownError(err) {
		r.c.relearn(ctx)
	}
}
