package redisstate

import (
	"context"
	"encoding/json"
	"fmt"

	"chatbox/helpdesk"
)

const boxNotice = "notice"

// NotifyStaff sends the notice to all pods, at most once. Admins who are not
// connected see the session in the list of waiting sessions.
func (c *Client) NotifyStaff(ctx context.Context, n helpdesk.Notice) error {
	plain, err := json.Marshal(n)
	if err != nil {
		return fmt.Errorf("encode notice: %w", err)
	}
	box, err := c.seal.Seal(plain, boxNotice)
	if err != nil {
		return fmt.Errorf("seal notice: %w", err)
	}
	return wrap("publish notice", c.publish(ctx, staffChannel, string(box)))
}

func (c *Client) openNotice(box string) (helpdesk.Notice, error) {
	var n helpdesk.Notice
	plain, err := c.seal.Open([]byte(box), boxNotice)
	if err != nil {
		return n, fmt.Errorf("open notice: %w", err)
	}
	if err := json.Unmarshal(plain, &n); err != nil {
		return n, fmt.Errorf("decode notice: %w", err)
	}
	return n, nil
}
