package redisstate

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"chatbox"
	"chatbox/cluster"
)

// Timing of intents: when a sweeper first looks, how often it looks again, and
// when no insert can arrive any more (the ack wait of 10 s and a margin).
const (
	intentDelay = time.Second
	intentAgain = 2 * time.Second
	intentLife  = 15 * time.Second
	// recordDelay is when a sweeper looks at a published append whose pod has not
	// written the session's record. Pods write within 1.3 s.
	recordDelay = 4 * time.Second
	// expireEvery is how often publications renew the TTLs of a session's state
	// and log.
	expireEvery = time.Minute
	// claimGrace lets the pod that published a turn claim it first.
	claimGrace = 400 * time.Millisecond
)

// Begin performs the append's first step in one flush. The session's script
// and the user's counter are in different slots and are sent together.
func (c *Client) Begin(ctx context.Context, b cluster.Beginning) (cluster.Begun, error) {
	k, n := keysOf(b.Session), cmp.Or(b.Nonce, nonce())
	token := ""
	if b.Lease != nil {
		token = b.Lease.Token
	}
	var begun, rate *redis.Cmd
	err := c.flush(ctx, func(p batch) {
		begun = c.queue(ctx, p, "begin.lua",
			[]string{k.state, k.index, k.log, k.reserve, k.intents, k.lease},
			b.Key, member(b.Session), n, token, ms(intentDelay))
		if b.User != (chatbox.UserKey{}) && c.cfg.RateLimit > 0 {
			rate = c.queue(ctx, p, "rate.lua", []string{rateKey(b.User)}, n, c.cfg.RateLimit, ms(c.cfg.RateWindow))
		}
	})
	if err != nil {
		return cluster.Begun{}, wrap("begin", err)
	}
	out, err := c.decodeBegun(ctx, b.Session, b.Key, begun)
	if err != nil {
		return out, wrap("begin", err)
	}
	if rate != nil {
		wait, err := rate.Int64()
		if err != nil {
			return out, wrap("count frame", err)
		}
		out.RetryAfter = time.Duration(wait) * time.Millisecond
		if out.Repeat != nil && wait == 0 {
			return out, wrap("uncount repeat", c.rdb.ZRem(ctx, rateKey(b.User), n).Err())
		}
	}
	return out, nil
}

func (c *Client) decodeBegun(ctx context.Context, s chatbox.SessionKey, key string, cmd *redis.Cmd) (cluster.Begun, error) {
	v, err := cmd.StringSlice()
	if err != nil {
		return cluster.Begun{}, err
	}
	switch v[0] {
	case "lost":
		return cluster.Begun{}, chatbox.NewError(chatbox.NotOwner, "", nil)
	case "empty":
		return cluster.Begun{}, chatbox.NewError(chatbox.NotFound, "", nil)
	}
	out := cluster.Begun{Owner: v[2], ReservedBy: v[4], Intent: v[6]}
	if v[1] == "-1" {
		return out, nil
	}
	if out.State, err = c.openFold(s, v[3]); err != nil {
		return cluster.Begun{Owner: v[2], ReservedBy: v[4], Intent: v[6]}, c.forget(ctx, s, v[3], err)
	}
	out.Seeded = true
	if v[5] != "" {
		if e, err := c.decodeEntry(s, v[5]); err == nil && e.Key == key {
			out.Repeat = &e
		}
	}
	return out, nil
}

// Abandon undoes Begin, or removes intents alone if b has no user.
func (c *Client) Abandon(ctx context.Context, b cluster.Beginning, intents ...string) error {
	intents = slices.DeleteFunc(slices.Clone(intents), func(s string) bool { return s == "" })
	if len(intents) == 0 {
		return nil
	}
	err := c.flush(ctx, func(p batch) {
		p.ZRem(ctx, keysOf(b.Session).intents, anys(intents)...)
		if b.User != (chatbox.UserKey{}) {
			for _, intent := range intents {
				p.ZRem(ctx, rateKey(b.User), intent[strings.LastIndexByte(intent, '|')+1:])
			}
		}
	})
	return wrap("abandon", err)
}

// Publish makes an event visible; see scripts/publish.lua.
func (c *Client) Publish(ctx context.Context, p cluster.Publication) (cluster.Published, error) {
	e, k := p.Event, keysOf(p.Event.Session)
	args, err := c.publishArgs(p, k.channel)
	if err != nil {
		return cluster.Published{}, err
	}
	v, err := c.run(ctx, "publish.lua", []string{
		k.state, k.log, k.index, k.pieces, k.queue, k.lease, k.due, k.intents, k.forbid,
	}, args...).Slice()
	if err != nil {
		return cluster.Published{}, wrap("publish", err)
	}
	out := cluster.Published{Head: e.Seq, Attempt: -1}
	if len(v) > 1 {
		out.Head, _ = v[1].(int64)
	}
	switch v[0] {
	case "done":
		out.Outcome = cluster.OutcomeDone
	case "already":
		out.Outcome = cluster.OutcomeAlready
	case "gap":
		out.Outcome = cluster.OutcomeGap
	case "unseeded":
		out.Outcome = cluster.OutcomeUnseeded
	case "diverged":
		out.Outcome = cluster.OutcomeDiverged
		if a, ok := v[2].(int64); ok {
			out.Attempt = int(a)
		}
	default:
		return out, wrap("publish", errors.New("script answered something unknown"))
	}
	return out, nil
}

func (c *Client) publishArgs(p cluster.Publication, channel string) ([]any, error) {
	e := p.Event
	closes, attempt, index, snapshot := "", 0, 0, ""
	if a := e.Answer; a != nil {
		closes, attempt, index = genString(a.Gen), a.Attempt, a.Index
		if p.Supersede > 0 {
			shown := *a
			shown.Attempt, shown.Index = p.Supersede, -1
			e.Answer, attempt, index = &shown, p.Supersede, -1
			box, err := c.sealUpdate(cluster.Update{Session: e.Session, Owner: e.Owner, Piece: &cluster.Piece{
				AnswerID: e.ID, Gen: a.Gen, ReplyTo: a.ReplyTo, ModelID: e.ModelID,
				Attempt: p.Supersede, Index: -1, Content: e.Content, Snapshot: true,
			}})
			if err != nil {
				return nil, err
			}
			snapshot = box
		}
	}
	event, err := c.sealUpdate(cluster.Update{Session: e.Session, Owner: e.Owner, Event: &e})
	if err != nil {
		return nil, err
	}
	fold, err := c.sealFold(e.Session, p.State)
	if err != nil {
		return nil, err
	}
	turn, token, keep, at := "", "", "", e.Seq
	if p.Keep {
		keep = strconv.FormatInt(recordDelay.Milliseconds(), 10)
	}
	if e.Turn != nil && e.Turn.State == chatbox.TurnPending {
		turn, at = genString(chatbox.Gen{Seq: e.Seq, Run: e.Turn.Run}), e.Turn.At(e.Seq)
	}
	if p.Lease != nil {
		token = p.Lease.Token
	}
	return []any{
		channel, e.Seq, e.Key, event, e.Owner, fold,
		flag(p.State.HolderID != ""), flag(p.State.Ended), p.State.AnswerableFrom, flag(p.Fresh),
		turn, closes, attempt, index, snapshot, token, p.Intent, member(e.Session),
		ms(logTTL), ms(stateTTL), c.cfg.LogEntries, c.cfg.LogBytes, ms(claimGrace), at, keep, ms(expireEvery),
	}, nil
}

// Read returns the session's state, its open answer and the hot events after
// the given seq.
func (c *Client) Read(ctx context.Context, s chatbox.SessionKey, after int64) (cluster.Tail, error) {
	k := keysOf(s)
	v, err := c.run(ctx, "tail.lua", []string{k.state, k.log, k.pieces, k.reserve}, after).Slice()
	if err != nil {
		return cluster.Tail{}, wrap("read tail", err)
	}
	str := func(i int) string { x, _ := v[i].(string); return x }
	out := cluster.Tail{Owner: str(1), ReservedBy: str(3)}
	head, err := strconv.ParseInt(str(0), 10, 64)
	if err != nil || head < 0 {
		return out, wrap("read tail", err)
	}
	if out.State, err = c.openFold(s, str(2)); err != nil {
		return cluster.Tail{ReservedBy: str(3)}, c.forget(ctx, s, str(2), err)
	}
	out.Seeded = true
	out.Events = c.decodeEntries(s, head, strs(v[8]))
	out.Reads = decodeReads(str(10))
	// Pieces that cannot be decrypted are treated as expired: it is unknown
	// what clients were shown.
	out.Open, _ = c.decodeOpen(s, str(4), str(5), str(6), str(7), strs(v[9]))
	return out, nil
}

// forget drops a session's copy whose fold is damaged, or encrypted with a key
// that this pod does not have. Otherwise the session's users would be locked
// out until the copy expires. The history has all of its data. If the pod's
// keys are not known to be the cluster's, forget only returns the error
// (chatbox.StoreFailed).
func (c *Client) forget(ctx context.Context, s chatbox.SessionKey, fold string, why error) error {
	if errors.Is(why, chatbox.StoreFailed) {
		return why
	}
	k := keysOf(s)
	err := c.run(ctx, "forget.lua", []string{k.state, k.log, k.index, k.pieces, k.queue, k.lease, k.due},
		fold, member(s), ms(claimGrace)).Err()
	return wrap("forget", err)
}

func strs(v any) []string {
	items, _ := v.([]any)
	out := make([]string, 0, len(items))
	for _, it := range items {
		s, _ := it.(string)
		out = append(out, s)
	}
	return out
}

// Seed refills a session that Redis lost or that fell behind.
func (c *Client) Seed(ctx context.Context, s cluster.Seed) error {
	st := s.State
	fold, err := c.sealFold(s.Session, st)
	if err != nil {
		return err
	}
	k, claimed := keysOf(s.Session), ""
	if len(s.Turns) > 0 && s.Turns[0].Claims > 0 {
		claimed = genString(s.Turns[0].Gen)
	}
	args := []any{
		k.channel, st.Head, s.Owner, fold, flag(st.HolderID != ""), flag(st.Ended), st.AnswerableFrom, ms(stateTTL),
		member(s.Session), ms(c.cfg.LeaseTTL), claimed,
	}
	for _, t := range s.Turns {
		args = append(args, t.At, genString(t.Gen))
	}
	return wrap("seed", c.run(ctx, "seed.lua", []string{k.state, k.log, k.index, k.pieces, k.queue, k.lease, k.due}, args...).Err())
}

// Erase removes all data of the session but the fact that it was erased.
func (c *Client) Erase(ctx context.Context, s chatbox.SessionKey, owner string, st chatbox.State) error {
	fold, err := c.sealJSON(s, boxFold, st)
	if err != nil {
		return err
	}
	k := keysOf(s)
	c.folds.forget(s)
	return wrap("erase", c.run(ctx, "erase.lua",
		[]string{k.state, k.log, k.index, k.pieces, k.queue, k.lease, k.forbid, k.reserve, k.due},
		k.channel, st.Head, owner, fold, member(s), ms(erasedTTL)).Err())
}

// PublishEphemeral sends an update that is not stored to every pod with
// sockets of the session.
func (c *Client) PublishEphemeral(ctx context.Context, u cluster.Update) error {
	box, err := c.sealUpdate(u)
	if err != nil {
		return err
	}
	return wrap("publish update", c.publish(ctx, channelOf(u.Session), "0|"+box))
}

// Heads returns the heads of many sessions in order, in one flush; -1 if Redis
// has no copy.
func (c *Client) Heads(ctx context.Context, keys []chatbox.SessionKey) ([]int64, error) {
	cmds, err := c.fields(ctx, keys, "h")
	if err != nil {
		return nil, wrap("read heads", err)
	}
	out := make([]int64, len(keys))
	for i, cmd := range cmds {
		h, err := cmd.Int64()
		switch {
		case errors.Is(err, redis.Nil):
			h = -1
		case err != nil:
			return nil, wrap("read heads", err)
		}
		out[i] = h
	}
	return out, nil
}

// States returns the states of many sessions in order, in one flush; the zero
// state if Redis has no copy that this pod can read. It fails only if no state
// could be asked for.
func (c *Client) States(ctx context.Context, keys []chatbox.SessionKey) ([]chatbox.State, error) {
	cmds, err := c.fields(ctx, keys, "f")
	out, answered := make([]chatbox.State, len(keys)), 0
	for i, cmd := range cmds {
		fold, failed := cmd.Result()
		if failed == nil || errors.Is(failed, redis.Nil) {
			answered++
		}
		if failed != nil {
			continue
		}
		if st, err := c.openFold(keys[i], fold); err == nil {
			out[i] = st
		}
	}
	if answered == 0 {
		return nil, wrap("read states", err)
	}
	return out, nil
}

// fields reads a field of the states of many sessions in one flush. After an error
// some of the commands may have succeeded.
func (c *Client) fields(ctx context.Context, keys []chatbox.SessionKey, name string) ([]*redis.StringCmd, error) {
	cmds := make([]*redis.StringCmd, len(keys))
	err := c.flush(ctx, func(p batch) {
		for i, s := range keys {
			cmds[i] = p.HGet(ctx, keysOf(s).state, name)
		}
	})
	return cmds, err
}
