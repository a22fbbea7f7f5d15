package redisstate

import (
	"context"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"chatbox"
	"chatbox/cluster"
)

const (
	sweepMost  = 64              // due sessions, and intents, per partition and sweep
	turnsAgain = 2 * time.Second // a due session that nobody handled is due again after this time
)

// Due sweeps all partitions in one flush. It fails only if no partition could
// be swept. Partitions of an unavailable Cluster master are left to the next
// sweep.
func (c *Client) Due(ctx context.Context) (turns, heal []chatbox.SessionKey, err error) {
	var cmds []*redis.Cmd
	err = c.flush(ctx, func(p batch) {
		cmds = cmds[:0]
		for _, keys := range c.sweepKeys() {
			cmds = append(cmds, c.queue(ctx, p, "sweep.lua", keys, sweepMost, ms(turnsAgain), ms(intentAgain), ms(intentLife)))
		}
	})
	if len(cmds) == 1 && redis.HasErrorPrefix(cmds[0].Err(), "CROSSSLOT") && !c.apart.Swap(true) {
		return c.Due(ctx)
	}
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

// sweepKeys returns the keys of each call of a sweep: one for all partitions, or
// on a Cluster, where their slots differ, one for each. A member of a Cluster may
// also be used as a single server.
func (c *Client) sweepKeys() [][]string {
	calls := make([][]string, 1, partitions)
	for i := range partitions {
		if (c.sharded || c.apart.Load()) && i > 0 {
			calls = append(calls, nil)
		}
		last := len(calls) - 1
		calls[last] = append(calls[last], part(i)+":due", part(i)+":int")
	}
	return calls
}

// Enqueue enters a pending turn that counts from the seq at. chatbox.NotFound:
// Redis does not know the session up to the turn's message.
func (c *Client) Enqueue(ctx context.Context, s chatbox.SessionKey, g chatbox.Gen, at int64) error {
	fates, err := c.Revive(ctx, []chatbox.PendingTurn{{Session: s, Gen: g, At: at}})
	if err == nil && (fates[0] == cluster.TurnForgotten || fates[0] == cluster.TurnAhead) {
		err = chatbox.NewError(chatbox.NotFound, "", nil)
	}
	return err
}

// Revive enters pending turns that Redis may have lost, and returns the result
// for each in order. It takes one flush with one command per session.
func (c *Client) Revive(ctx context.Context, turns []chatbox.PendingTurn) ([]cluster.TurnFate, error) {
	places := map[chatbox.SessionKey][]int{}
	var sessions []chatbox.SessionKey
	for i, t := range turns {
		if places[t.Session] == nil {
			sessions = append(sessions, t.Session)
		}
		places[t.Session] = append(places[t.Session], i)
	}
	cmds := make([]*redis.Cmd, len(sessions))
	err := c.flush(ctx, func(p batch) {
		for i, s := range sessions {
			k, args := keysOf(s), []any{member(s), ms(stateTTL)}
			for _, at := range places[s] {
				args = append(args, genString(turns[at].Gen), turns[at].Gen.Seq, turns[at].At)
			}
			cmds[i] = c.queue(ctx, p, "enqueue.lua", []string{k.state, k.queue, k.due}, args...)
		}
	})
	if err != nil {
		return nil, wrap("enqueue", err)
	}
	fates := make([]cluster.TurnFate, len(turns))
	for i, s := range sessions {
		said, err := cmds[i].Text()
		if err != nil {
			return nil, wrap("enqueue", err)
		}
		for n, at := range places[s] {
			fates[at] = fateOf(said, n)
		}
	}
	return fates, nil
}

// fateOf decodes the result of enqueue.lua for its n-th turn.
func fateOf(said string, n int) cluster.TurnFate {
	if said == "unseeded" || n >= len(said) {
		return cluster.TurnForgotten
	}
	switch said[n] {
	case 'e':
		return cluster.TurnEntered
	case 'h':
		return cluster.TurnHeld
	case 'v':
		return cluster.TurnVoid
	case 'g':
		return cluster.TurnAhead
	default:
		return cluster.TurnThere
	}
}
