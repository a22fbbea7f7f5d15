package redisstate

import (
	"context"
	"errors"

	"github.com/redis/go-redis/v9"
)

// batch is a flush under construction.
type batch struct {
	redis.Pipeliner

	whole bool // scripts are sent as text, not by their hash
}

// queue adds a script's call to a flush.
func (c *Client) queue(ctx context.Context, p batch, name string, keys []string, args ...any) *redis.Cmd {
	if p.whole {
		return c.scripts[name].Eval(ctx, p, keys, args...)
	}
	return c.scripts[name].EvalSha(ctx, p, keys, args...)
}

// flush sends all commands that fill queues, to the nodes of a Cluster in
// parallel. If a server lacks a script, for example after a failover, the
// whole flush is sent again with the scripts' text. Every script is safe to
// repeat, and the server keeps the script from then on.
func (c *Client) flush(ctx context.Context, fill func(p batch)) error {
	for _, whole := range []bool{false, true} {
		p := batch{c.rdb.Pipeline(), whole}
		fill(p)
		if p.Len() == 0 {
			return nil
		}
		cmds, err := p.Exec(ctx)
		if err == nil {
			return nil
		}
		if whole || !missesScript(cmds) {
			return firstFailure(cmds)
		}
	}
	return nil
}

// firstFailure returns the first error other than an absent value. A flush
// that stopped after an absent value has failed too.
func firstFailure(cmds []redis.Cmder) error {
	for _, cmd := range cmds {
		if err := cmd.Err(); err != nil && !errors.Is(err, redis.Nil) {
			return err
		}
	}
	return nil
}

func missesScript(cmds []redis.Cmder) bool {
	for _, cmd := range cmds {
		if redis.HasErrorPrefix(cmd.Err(), "NOSCRIPT") {
			return true
		}
	}
	return false
}
