package redisstate

import (
	"context"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	flightsMost  = 2                     // flushes of a group under way
	flightLate   = 50 * time.Millisecond // a flush that takes longer is not counted: a hanging one must not hold back others
	flightBytes  = 1 << 20               // payload of one flush; a larger call goes alone
	flightsLimit = 10 * time.Second      // ends a flush whose callers have all gone
)

// together sends the calls of concurrent callers in common flushes. A call without
// others is sent at once and alone. While flushes are under way, calls wait and
// share the next one, so that the number of round trips does not grow with the
// number of callers. It is safe for concurrent use.
type together struct {
	c *Client

	mu      sync.Mutex // guards following
	waiting []*sharedCall
	flights int // that are not late
}

// sharedCall is one call of a script. Its result is set before done is closed.
type sharedCall struct {
	name  string
	keys  []string
	args  []any
	bytes int
	done  chan struct{}
	text  string
	err   error
}

// call runs a script that returns a text, as Client.run does. If ctx ends before
// the result is known, the call may still take effect.
func (g *together) call(ctx context.Context, bytes int, name string, keys []string, args ...any) (string, error) {
	if err := ctx.Err(); err != nil {
		return "", err
	}
	call := &sharedCall{name: name, keys: keys, args: args, bytes: bytes, done: make(chan struct{})}
	g.mu.Lock()
	g.waiting = append(g.waiting, call)
	g.launchLocked(ctx)
	g.mu.Unlock()
	select {
	case <-call.done:
		return call.text, call.err
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
}

// launchLocked starts a flight for waiting calls if there may be one more. The
// flight always ends: each of its commands has a time-out.
func (g *together) launchLocked(ctx context.Context) {
	if len(g.waiting) == 0 || g.flights >= flightsMost {
		return
	}
	g.flights++
	go g.fly(context.WithoutCancel(ctx), g.takeLocked())
}

// takeLocked takes the calls of the next flush, oldest first.
func (g *together) takeLocked() []*sharedCall {
	n, bytes := 0, 0
	for n < len(g.waiting) && (n == 0 || bytes+g.waiting[n].bytes <= flightBytes) {
		bytes += g.waiting[n].bytes
		n++
	}
	calls := g.waiting[:n:n]
	if g.waiting = g.waiting[n:]; len(g.waiting) == 0 {
		g.waiting = nil
	}
	return calls
}

// fly flushes calls until none is waiting.
func (g *together) fly(ctx context.Context, calls []*sharedCall) {
	for len(calls) > 0 {
		late := time.AfterFunc(flightLate, func() { g.land(ctx) })
		g.flush(ctx, calls)
		if !late.Stop() {
			return // another flight has its place
		}
		g.mu.Lock()
		if calls = g.takeLocked(); len(calls) == 0 {
			g.flights--
		}
		g.mu.Unlock()
	}
}

// land gives a late flight's place away.
func (g *together) land(ctx context.Context) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.flights--
	g.launchLocked(ctx)
}

// flush sends the calls and sets their results.
func (g *together) flush(ctx context.Context, calls []*sharedCall) {
	ctx, cancel := context.WithTimeout(ctx, flightsLimit)
	defer cancel()
	cmds := make([]*redis.Cmd, len(calls))
	if len(calls) == 1 {
		cmds[0] = g.c.run(ctx, calls[0].name, calls[0].keys, calls[0].args...)
	} else {
		_ = g.c.flush(ctx, func(p batch) { // each command has its own error
			for i, call := range calls {
				cmds[i] = g.c.queue(ctx, p, call.name, call.keys, call.args...)
			}
		})
	}
	for i, call := range calls {
		call.text, call.err = cmds[i].Text()
		close(call.done)
	}
}
