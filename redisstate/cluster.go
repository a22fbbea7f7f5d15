package redisstate

import (
	"context"
	"errors"

	"github.com/redis/go-redis/v9"
)

// publish sends a message to a channel outside of any script.
func (c *Client) publish(ctx context.Context, channel, payload string) error {
	return c.publishOver(ctx, c.rdb, channel, payload).Err()
}

// publishOver is publish over a connection or as part of a flush.
func (c *Client) publishOver(ctx context.Context, over redis.Cmdable, channel, payload string) *redis.IntCmd {
	if c.sharded {
		return over.SPublish(ctx, channel, payload)
	}
	return over.Publish(ctx, channel, payload)
}

// relearn makes the Cluster client ask again which node serves which slots, at
// most five times a second.
func (c *Client) relearn(ctx context.Context) {
	if c.sharded {
		c.cluster.ReloadState(ctx)
	}
}

// relearner is a go-redis hook that calls relearn when a node does not answer.
// The library does so only after a redirection, and it never asks another node
// about the slots of a dead master.
type relearner struct{ c *Client }

// DialHook returns next.
func (r relearner) DialHook(next redis.DialHook) redis.DialHook { return next }

// ProcessHook checks a command's error.
func (r relearner) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		err := next(ctx, cmd)
		r.judge(ctx, err)
		return err
	}
}

// ProcessPipelineHook checks a pipeline's first error.
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
