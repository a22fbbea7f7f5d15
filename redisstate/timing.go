package redisstate

import (
	"context"
	"errors"
	"net"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// timing reports how long calls of Redis take, by script or command. A call of a
// flush takes as long as the flush. Waiting for messages of the bus is no call.
type timing struct {
	names map[string]string // script by its hash and by its text
	done  func(op string, took time.Duration, err error)
}

func newTiming(scripts map[string]*redis.Script, texts map[string]string, done func(string, time.Duration, error)) *timing {
	t := &timing{names: make(map[string]string, 2*len(scripts)), done: done}
	for file, script := range scripts {
		name := strings.TrimSuffix(file, ".lua")
		t.names[script.Hash()], t.names[texts[file]] = name, name
	}
	return t
}

// DialHook returns next.
func (t *timing) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) { return next(ctx, network, addr) }
}

// ProcessHook reports a single call.
func (t *timing) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		began := time.Now()
		err := next(ctx, cmd)
		t.report(cmd, time.Since(began))
		return err
	}
}

// ProcessPipelineHook reports each call of a flush.
func (t *timing) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		began := time.Now()
		err := next(ctx, cmds)
		took := time.Since(began)
		for _, cmd := range cmds {
			t.report(cmd, took)
		}
		return err
	}
}

func (t *timing) report(cmd redis.Cmder, took time.Duration) {
	err := cmd.Err()
	if errors.Is(err, redis.Nil) || redis.HasErrorPrefix(err, "NOSCRIPT") { // the latter is sent again with its text
		err = nil
	}
	t.done(t.opOf(cmd), took, err)
}

// opOf returns the script's name, or the command in lower case.
func (t *timing) opOf(cmd redis.Cmder) string {
	op := cmd.Name()
	if op != "evalsha" && op != "eval" {
		return op
	}
	if args := cmd.Args(); len(args) > 1 {
		if text, ok := args[1].(string); ok {
			if name := t.names[text]; name != "" {
				return name
			}
		}
	}
	return op
}
