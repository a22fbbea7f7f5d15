package redisstate

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"chatbox"
)

const (
	silentAfter = 500 * time.Millisecond // twice the time between two beats
	lookGap     = 700 * time.Millisecond // a longer pause between two looks may be an outage of Redis
	deadLooks   = 2                      // looks in a row that must find a process dead
	beatsTTL    = time.Minute            // longer than any lease of a silent process
)

// Lives notices that another process has died, so that its answers need not wait
// until its leases expire. It belongs to one goroutine.
//
// A process is dead if it has been silent and is not connected to Redis any more.
// A process that is stopped, short of processor time or cut off keeps its
// connection, and so its leases until they expire. After an outage of Redis every
// process has to beat once before it can be found dead.
type Lives struct {
	c    *Client
	seen map[string]int // looks in a row that found the process dead
	last time.Time      // of the latest look
	from int64          // the time of Redis at the first of the looks without a pause
}

// NewLives returns the watch over other processes. The client's process counts as
// connected while a Bus of the client runs.
func NewLives(c *Client) *Lives { return &Lives{c: c, seen: map[string]int{}} }

// Orphans notes a sign of life of this process. It returns the sessions whose turns
// a dead process was answering; they can be claimed. It is to be called several
// times a second.
func (l *Lives) Orphans(ctx context.Context) ([]chatbox.SessionKey, error) {
	silent, err := l.look(ctx)
	if err != nil || len(silent) == 0 {
		return nil, err
	}
	gone, err := l.c.disconnected(ctx, silent)
	if err != nil {
		return nil, err
	}
	var dead []string
	seen := map[string]int{}
	for _, boot := range gone {
		if seen[boot] = l.seen[boot] + 1; seen[boot] >= deadLooks {
			dead = append(dead, boot)
		}
	}
	if l.seen = seen; len(dead) == 0 {
		return nil, nil
	}
	orphans, err := l.c.inherit(ctx, dead)
	if err != nil {
		return nil, err
	}
	return orphans, wrap("forget dead", l.c.rdb.ZRem(ctx, beatsKey, anys(dead)...).Err())
}

// look beats and returns the processes that have fallen silent since the looks
// began.
func (l *Lives) look(ctx context.Context) ([]string, error) {
	v, err := l.c.run(ctx, "beat.lua", []string{beatsKey}, l.c.boot, ms(silentAfter), ms(beatsTTL)).Slice()
	if err != nil {
		l.last = time.Time{}
		return nil, wrap("beat", err)
	}
	now, _ := v[0].(int64)
	if time.Since(l.last) > lookGap {
		l.from = now
		clear(l.seen)
	}
	l.last = time.Now()
	var silent []string
	fields := strs(v[1:])
	for i := 0; i+1 < len(fields); i += 2 {
		if at, err := strconv.ParseFloat(fields[i+1], 64); err == nil && int64(at) >= l.from {
			silent = append(silent, fields[i])
		}
	}
	if len(silent) == 0 {
		clear(l.seen)
	}
	return silent, nil
}

// disconnected returns the processes that are not subscribed to their life channel.
func (c *Client) disconnected(ctx context.Context, boots []string) ([]string, error) {
	channels := make([]string, len(boots))
	for i, boot := range boots {
		channels[i] = lifeChannel(boot)
	}
	var listeners map[string]int64
	var err error
	if c.sharded {
		var master *redis.Client
		if master, err = c.cluster.MasterForKey(ctx, channels[0]); err == nil { // all are in one slot
			listeners, err = master.PubSubShardNumSub(ctx, channels...).Result()
		}
	} else {
		listeners, err = c.rdb.PubSubNumSub(ctx, channels...).Result()
	}
	if err != nil {
		return nil, wrap("look for listeners", err)
	}
	var gone []string
	for i, boot := range boots {
		if n, told := listeners[channels[i]]; told && n == 0 {
			gone = append(gone, boot)
		}
	}
	return gone, nil
}

// inherit gives back the leases of dead processes and wakes all pods. It returns
// the sessions.
func (c *Client) inherit(ctx context.Context, dead []string) ([]chatbox.SessionKey, error) {
	due := make([]*redis.StringSliceCmd, partitions)
	if err := c.flush(ctx, func(p batch) {
		for i := range due {
			due[i] = p.ZRange(ctx, part(i)+":due", 0, -1)
		}
	}); err != nil {
		return nil, wrap("list turns", err)
	}
	var sessions []chatbox.SessionKey
	for _, cmd := range due {
		for _, m := range cmd.Val() {
			if s, ok := parseMember(m); ok {
				sessions = append(sessions, s)
			}
		}
	}
	tokens := make([]*redis.StringCmd, len(sessions))
	if err := c.flush(ctx, func(p batch) {
		for i, s := range sessions {
			tokens[i] = p.Get(ctx, keysOf(s).lease)
		}
	}); err != nil {
		return nil, wrap("read leases", err)
	}
	var orphans []chatbox.SessionKey
	var freed []*redis.Cmd
	if err := c.flush(ctx, func(p batch) {
		orphans, freed = orphans[:0], freed[:0]
		for i, s := range sessions {
			if token := tokens[i].Val(); ownedBy(token, dead) {
				k := keysOf(s)
				orphans = append(orphans, s)
				freed = append(freed, c.queue(ctx, p, "release.lua", []string{k.lease, k.due, k.state}, token, member(s), ""))
			}
		}
	}); err != nil {
		return nil, wrap("release leases", err)
	}
	return c.wakeFreed(ctx, orphans, freed)
}

// wakeFreed wakes all pods for the sessions that this process has freed, and
// returns them. Another process has freed the others.
func (c *Client) wakeFreed(ctx context.Context, orphans []chatbox.SessionKey, freed []*redis.Cmd) ([]chatbox.SessionKey, error) {
	var mine []chatbox.SessionKey
	for i, s := range orphans {
		if n, err := freed[i].Int(); err == nil && n == 1 {
			mine = append(mine, s)
		}
	}
	err := c.flush(ctx, func(p batch) {
		for _, s := range mine {
			c.publishOver(ctx, p, wakeChannel, member(s))
		}
	})
	return mine, wrap("wake", err)
}

// leaseNonce is the random part of a lease's token. It begins with the process, so
// that the leases of a dead one can be found.
func (c *Client) leaseNonce() string { return c.boot + "." + nonce() }

// ownedBy reports whether the token is of one of the processes.
func ownedBy(token string, boots []string) bool {
	_, random, _ := strings.Cut(token, ":")
	boot, _, ok := strings.Cut(random, ".")
	for _, b := range boots {
		if ok && b == boot {
			return true
		}
	}
	return false
}

func anys(list []string) []any {
	out := make([]any, len(list))
	for i, s := range list {
		out[i] = s
	}
	return out
}
