package redisstate

import (
	"context"
	"time"

	"chatbox"
)

// CountHelp counts a help request by the key of its event; a repeat counts
// once. It returns how long to wait if the limit is reached; the request is
// not counted then.
func (c *Client) CountHelp(ctx context.Context, u chatbox.UserKey, key string) (time.Duration, error) {
	wait, err := c.run(ctx, "rate.lua", []string{helpKey(u)}, key, c.cfg.HelpLimit, ms(c.cfg.RateWindow)).Int64()
	return time.Duration(wait) * time.Millisecond, wrap("count help", err)
}
