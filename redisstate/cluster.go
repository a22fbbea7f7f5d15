package redisstate

import (
	"context"
	"errors"
	"sync"

	"github.com/redis/go-redis/v9"
)

// Ping asks the server for a sign of life: on a Cluster every master that
// serves a partition, as a session may be on any of them.
func (c *Client) Ping(ctx context.Context) error {
	if !c.sharded {
		return wrap("ping", c.rdb.Ping(ctx).Err())
	}
	masters := map[*redis.Client]bool{}
	for p := range partitions {
		m, err := c.cluster.MasterForKey(ctx, part(p))
		if err != nil {
			return wrap("ping", err)
		}
		masters[m] = true
	}
	var wg sync.WaitGroup
	failed := make(chan error, len(masters)) // one of each at the most; never closed
	for m := range masters {
		wg.Go(func() { // ends with its reply or ctx; waited for below
			if err := m.Ping(ctx).Err(); err != nil {
				failed <- err
			}
		})
	}
	wg.Wait()
	select {
	case err := <-failed:
		c.relearn(ctx)
		return wrap("ping", err)
	default:
		return nil
	}
}

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
