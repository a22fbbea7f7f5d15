package cluster

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"time"

	"github.com/stretchr/testify/require"

	"chatbox/cmd/chatload/client"
)

// admin connects a member of staff, attached to nothing.
func (c *cluster) admin(id, url string, roles ...string) *client.Client {
	c.t.Helper()
	token := c.staffToken(id, roles...)
	return c.device(id, "", url, func(cfg *client.Config) {
		cfg.Token = func(context.Context) (string, error) { return token, nil }
	})
}

func (c *cluster) staffToken(id string, roles ...string) string {
	c.t.Helper()
	if len(roles) == 0 {
		roles = []string{"chat_admin"}
	}
	token, err := c.stack.Token(id, "Name of "+id, roles...)
	require.NoError(c.t, err)
	return token
}

// request makes a request of the admin API through the balancer. A request that
// only reads is repeated if the pod is temporarily unavailable, as on a machine
// that is too busy for the time-out of a Redis call.
func (c *cluster) request(token, method, path string, body any) (status int, out map[string]any) {
	c.t.Helper()
	for range 5 {
		status, out = c.requestOnce(token, method, path, body)
		if status != http.StatusServiceUnavailable || method != http.MethodGet {
			break
		}
	}
	return status, out
}

func (c *cluster) requestOnce(token, method, path string, body any) (int, map[string]any) {
	c.t.Helper()
	var in io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		require.NoError(c.t, err)
		in = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(c.ctx, method, c.stack.URL()+path, in)
	require.NoError(c.t, err)
	req.Header.Set("Authorization", "Bearer "+token)
	res, err := c.http.Do(req)
	require.NoError(c.t, err)
	defer res.Body.Close()
	out := map[string]any{}
	_ = json.NewDecoder(res.Body).Decode(&out) // an empty body is an empty answer
	return res.StatusCode, out
}

// frame sends a staff frame with an id and returns the id.
func (c *cluster) frame(d *client.Client, kind, session string) string {
	c.t.Helper()
	id := client.NewID()
	require.NoError(c.t, d.SendBare(client.Frame{Type: kind, ID: id, SessionID: session}))
	return id
}

// enters has an admin's device watch the session or take it over, and waits until
// the device is attached.
func (c *cluster) enters(d *client.Client, kind, session string) {
	c.t.Helper()
	c.frame(d, kind, session)
	c.sees(d, session, "resumed", ofType(client.TypeResumed))
}

// received is what the device was sent of the session, in order.
func received(d *client.Client, session string) []client.Frame {
	var frames []client.Frame
	for _, e := range d.Transcript() {
		if e.Act == client.ActReceived && e.Frame.SessionID == session {
			frames = append(frames, e.Frame)
		}
	}
	return frames
}

// sees waits until the device was sent a frame of which ok holds.
func (c *cluster) sees(d *client.Client, session, what string, ok func(client.Frame) bool) client.Frame {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.ctx, patience)
	defer cancel()
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	for {
		frames := received(d, session)
		if i := slices.IndexFunc(frames, ok); i >= 0 {
			return frames[i]
		}
		select {
		case <-look.C:
		case <-ctx.Done():
			for _, e := range d.Transcript() {
				c.t.Logf("%+v", e)
			}
			c.t.Fatalf("waiting for %s", what)
		}
	}
}

func ofType(kind string) func(client.Frame) bool {
	return func(f client.Frame) bool { return f.Type == kind }
}

func ackOf(id string) func(client.Frame) bool {
	return func(f client.Frame) bool { return f.Type == client.TypeAck && f.ID == id }
}

func errorOf(id string) func(client.Frame) bool {
	return func(f client.Frame) bool { return f.Type == client.TypeError && f.ID == id }
}

// silent fails if the device received text of the model between an admin_join and
// the next admin_leave.
func (c *cluster) silent(d *client.Client, session string) {
	c.t.Helper()
	held := false
	for _, f := range received(d, session) {
		switch f.Type {
		case "admin_join":
			held = true
		case "admin_leave":
			held = false
		case client.TypeAIResponse, client.TypeLoading:
			if held && f.Metadata["streaming"] == "true" || held && f.Type == client.TypeLoading {
				c.t.Errorf("the model was heard while a person held the session: %+v", f)
			}
		}
	}
}
