package redisstate

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"chatbox"
)

// Mark invalidates a user's earlier credentials and notifies all pods. The
// mark is written first, so that a socket accepted after the notification sees
// it.
func (c *Client) Mark(ctx context.Context, w chatbox.Withdrawal) error {
	if err := c.Remark(ctx, []chatbox.Withdrawal{w}); err != nil {
		return err
	}
	return wrap("publish withdrawal", c.publish(ctx, outChannel, withdrawalString(w)))
}

// Remark stores withdrawals again without notifying the pods.
func (c *Client) Remark(ctx context.Context, ws []chatbox.Withdrawal) error {
	for chunk := range slices.Chunk(ws, beatBatch) {
		err := c.flush(ctx, func(p batch) {
			for _, w := range chunk {
				if life := time.Until(w.Until); life > 0 {
					c.queue(ctx, p, "mark.lua", []string{markKey(w.User)}, w.Before.UnixMilli(), ms(life))
				}
			}
		})
		if err != nil {
			return wrap("store withdrawals", err)
		}
	}
	return nil
}

// Time returns the server's time.
func (c *Client) Time(ctx context.Context) (time.Time, error) {
	now, err := c.rdb.Time(ctx).Result()
	return now, wrap("time", err)
}

// MarkOf returns the time before which the user's credentials are invalid;
// zero: none.
func (c *Client) MarkOf(ctx context.Context, u chatbox.UserKey) (time.Time, error) {
	before, err := markTime(c.rdb.Get(ctx, markKey(u)))
	return before, wrap("read mark", err)
}

// markTime parses a mark; a missing mark is the zero time.
func markTime(cmd *redis.StringCmd) (time.Time, error) {
	at, err := cmd.Int64()
	if errors.Is(err, redis.Nil) {
		return time.Time{}, nil
	}
	if err != nil {
		return time.Time{}, err
	}
	return time.UnixMilli(at).UTC(), nil
}

// CountRequest counts a REST request and reads the user's mark, in one round
// trip.
func (c *Client) CountRequest(ctx context.Context, u chatbox.UserKey, limit int) (time.Duration, time.Time, error) {
	var mark *redis.StringCmd
	var rate *redis.Cmd
	err := c.flush(ctx, func(p batch) {
		mark = p.Get(ctx, markKey(u))
		rate = c.queue(ctx, p, "rate.lua", []string{restKey(u)}, nonce()[:16], limit, ms(c.cfg.RateWindow))
	})
	if err != nil {
		return 0, time.Time{}, wrap("count request", err)
	}
	before, err := markTime(mark)
	if err != nil {
		return 0, time.Time{}, wrap("count request", err)
	}
	wait, err := rate.Int64()
	return time.Duration(wait) * time.Millisecond, before, wrap("count request", err)
}

// PublishBlock notifies all pods, at most once, that the user's block has
// changed. The block itself is in the history.
func (c *Client) PublishBlock(ctx context.Context, u chatbox.UserKey) error {
	return wrap("publish block", c.publish(ctx, blockChannel, member(chatbox.SessionKey(u))))
}

// withdrawalString encodes a withdrawal for the channel: "user|before|until".
func withdrawalString(w chatbox.Withdrawal) string {
	return member(chatbox.SessionKey(w.User)) + "|" +
		strconv.FormatInt(w.Before.UnixMilli(), 10) + "|" + strconv.FormatInt(w.Until.UnixMilli(), 10)
}

func parseWithdrawal(s string) (chatbox.Withdrawal, bool) {
	who, times, ok1 := strings.Cut(s, "|")
	before, until, ok2 := strings.Cut(times, "|")
	u, ok3 := parseMember(who)
	b, err1 := strconv.ParseInt(before, 10, 64)
	e, err2 := strconv.ParseInt(until, 10, 64)
	if !ok1 || !ok2 || !ok3 || err1 != nil || err2 != nil {
		return chatbox.Withdrawal{}, false
	}
	return chatbox.Withdrawal{User: chatbox.UserKey(u), Before: time.UnixMilli(b).UTC(), Until: time.UnixMilli(e).UTC()}, true
}
