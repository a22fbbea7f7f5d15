package redisstate

import (
	"context"
	"time"

	"chatbox"
)

// CountHelp counts a request for help, by the key of its event: the same one
// again counts once. It returns how long it comes too early, and then it was
// not counted.
func (c *Client) CountHelp(ctx context.Context, u chatbox.UserKey, key string) (time.Duration, error) {
	wait, err := c.run(ctx, "rate.lua", []string{helpKey(u)}, key, c.cfg.HelpLimit, ms(c.cfg.RateWindow)).Int64()
	return time.Duration(wait) * time.Millisecond, wrap("count help", err)
}
