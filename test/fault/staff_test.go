//go:build fault

package fault

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"chatbox/cmd/chatload/client"
)

// staffToken is the credential of an admin.
func (c *cluster) staffToken(admin string) string {
	c.t.Helper()
	claims := jwt.MapClaims{"user_id": admin, "name": admin, "roles": []string{"admin"}, "exp": time.Now().Add(time.Hour).Unix()}
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(c.secret))
	if err != nil {
		c.t.Fatal(err)
	}
	c.words.add("a token", token[strings.LastIndex(token, ".")+1:])
	return token
}

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
	until(c.ctx, c.t, method+" "+path, patience, func(ctx context.Context) bool {
		return slices.Contains(outcomes, c.asStaff(ctx, token, method, c.balancer.url()+"/chatbox/admin/"+path, body, nil))
	})
}

// admin runs a device of an admin until it leaves or the test ends.
func (c *cluster) admin(admin string, urls ...string) *client.Client {
	c.t.Helper()
	token := c.staffToken(admin)
	return c.run(admin, client.Config{URLs: urls, KeepPieces: true, Token: func(context.Context) (string, error) { return token, nil }})
}

// hears waits until the device has the event, as its ack or as itself.
func (c *cluster) hears(d *client.Client, session, what, id string) {
	c.t.Helper()
	c.wait(d, what, func(t *client.Tracker) bool {
		s := t.Session(session)
		return s != nil && slices.ContainsFunc(s.Events, func(e client.Event) bool { return e.ID == id })
	})
}

// oneAtATime checks who held the session when: nobody joins, leaves or is
// answered out of turn.
func oneAtATime(t *testing.T, what string, history []client.Message) {
	t.Helper()
	holder := ""
	for _, m := range history {
		who := m.Metadata["admin_id"]
		switch {
		case m.Type == client.TypeAdminJoin && holder == "":
			holder = who
		case m.Type == client.TypeAdminLeave && holder == who:
			holder = ""
		case m.Type == client.TypeAdminJoin, m.Type == client.TypeAdminLeave, m.Type == client.TypeAIResponse && holder != "":
			t.Errorf("%s: %s of %q at %d, while %q holds the session", what, m.Type, who, m.Seq, holder)
		}
	}
}
