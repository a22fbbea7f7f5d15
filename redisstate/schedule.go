package redisstate

import (
	"context"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"chatbox"
)

const (
	sweepMost  = 64              // sessions per partition and sweep: bounds a sweep's work
	turnsAgain = 2 * time.Second // a due session that nobody dealt with comes again
)

// Due sweeps all partitions in one flush. On a Cluster those of a master that
// does not answer are left to the next sweep: it fails where none could be
// swept.
func (c *Client) Due(ctx context.Context) (turns, heal []chatbox.SessionKey, err error) {
	cmds := make([]*redis.Cmd, partitions)
	err = c.flush(ctx, func(p batch) {
		for i := range partitions {
			cmds[i] = c.queue(ctx, p, "sweep.lua", []string{part(i) + ":due", part(i) + ":int"},
				sweepMost, ms(turnsAgain), ms(intentAgain), ms(intentLife))
		}
	})
	seen, swept := map[chatbox.SessionKey]bool{}, 0
	for _, cmd := range cmds {
		v, failed := cmd.Slice()
		if failed != nil {
			continue
		}
		swept++
		for _, m := range strs(v[0]) {
			if s, ok := parseMember(m); ok {
				turns = append(turns, s)
			}
		}
		for _, intent := range strs(v[1]) {
			fields := strings.Split(intent, "|")
			if len(fields) != 3 {
				continue
			}
			if s, ok := parseMember(fields[1]); ok && !seen[s] {
				seen[s] = true
				heal = append(heal, s)
			}
		}
	}
	if swept == 0 {
		return nil, nil, wrap("sweep", err)
	}
	return turns, heal, nil
}

// Enqueue enters a pending turn that Redis forgot; it is void where the session
// is answerable only from beyond at.
func (c *Client) Enqueue(ctx context.Context, s chatbox.SessionKey, g chatbox.Gen, at int64) error {
	k := keysOf(s)
	n, err := c.run(ctx, "enqueue.lua", []string{k.state, k.queue, k.due}, genString(g), member(s), ms(stateTTL), at).Int()
	if err != nil {
		return wrap("enqueue", err)
	}
	if n == 0 {
		return chatbox.Errorf(chatbox.NotFound, "", nil)
	}
	return nil
}
