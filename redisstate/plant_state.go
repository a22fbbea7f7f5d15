//go:build defect_state

package redisstate

import (
	"context"
	"strings"

	"github.com/redis/go-redis/v9"
)

const withHead = `, 'f', ARGV[6], 'hold', ARGV[7], 'end', ARGV[8], 'af', ARGV[9])`

// plant has the session's state written beside the head instead of with it: by
// a command of its own, after publish.
func plant(rdb redis.UniversalClient, name, src string) string {
	if name != "publish.lua" {
		return src
	}
	if !strings.Contains(src, withHead) {
		panic("defect_state: publish.lua does not write the state where it did")
	}
	src = strings.Replace(src, withHead, ")", 1)
	rdb.AddHook(beside{rdb, redis.NewScript(src).Hash(), src})
	return src
}

type beside struct {
	rdb       redis.UniversalClient
	hash, src string
}

func (beside) DialHook(next redis.DialHook) redis.DialHook { return next }

func (beside) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

func (b beside) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if err := next(ctx, cmd); err != nil {
			return err
		}
		args := cmd.Args()
		if len(args) < 4 || args[1] != b.hash && args[1] != b.src {
			return nil
		}
		done, _ := cmd.(*redis.Cmd).Slice()
		if len(done) == 0 || done[0] != "done" {
			return nil
		}
		argv := args[3+args[2].(int):]
		return b.rdb.HSet(ctx, args[3].(string), "f", argv[5], "hold", argv[6], "end", argv[7], "af", argv[8]).Err()
	}
}
