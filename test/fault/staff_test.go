//go:build fault

package fault

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"slices"

	"chatbox/cmd/chatload/client"
)

// asStaff makes one request of an admin and returns its status, 0 where there
// was no answer.
func (c *cluster) asStaff(ctx context.Context, token, method, url string, body, answer any) int {
	in, err := json.Marshal(body)
	if err != nil {
		return 0
	}
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(in))
	if err != nil {
		return 0
	}
	if body == nil {
		req.Body, req.ContentLength = http.NoBody, 0
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/json")
	res, err := c.http.Do(req)
	if err != nil {
		return 0
	}
	defer res.Body.Close()
	if answer != nil && json.NewDecoder(res.Body).Decode(answer) != nil {
		return 0
	}
	return res.StatusCode
}

// insists repeats a request of an admin, to any pod, until it has one of the
// outcomes.
func (c *cluster) insists(token, method, path string, body any, outcomes ...int) {
	c.t.Helper()
	until(c.ctx, c.t, method+" "+path, longestWait, func(ctx context.Context) bool {
		return slices.Contains(outcomes, c.asStaff(ctx, token, method, c.balancer.url()+"/chatbox/admin/"+path, body, nil))
	})
}

// admin runs a device of an admin until it leaves or the test ends.
func (c *cluster) admin(admin string, urls ...string) *client.Client {
	c.t.Helper()
	token := c.token(admin, "admin")
	return c.run(admin, client.Config{URLs: urls, KeepPieces: true, Token: func(context.Context) (string, error) { return token, nil }})
}

// This waits until the device has the event, as an ack or as the event.
func (c *cluster) hears(d *client.Client, session, what, id string) {
	c.t.Helper()
	c.wait(d, what, func(t *client.Tracker) bool {
		s := t.Session(session)
		return s != nil && slices.ContainsFunc(s.Events, func(e client.Event) bool { return e.ID == id })
	})
}
