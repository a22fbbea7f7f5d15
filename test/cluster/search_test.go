package cluster

import (
	"fmt"
	"net/url"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"chatbox/app/devstack"
)

// searched returns what a search found, as session:seq, and the body.
func (c *cluster) searched(token, query string) (hits []string, body map[string]any) {
	c.t.Helper()
	status, body := c.request(token, "GET", "/chatbox/admin/search?"+query, nil)
	require.Equal(c.t, 200, status, "%v", body)
	hits = []string{}
	for _, r := range body["results"].([]any) {
		found, _ := r.(map[string]any)
		session, _ := found["session"].(map[string]any)
		hit := fmt.Sprint(session["session_id"])
		if m, ok := found["message"].(map[string]any); ok {
			hit += fmt.Sprint(":", m["seq"])
		}
		hits = append(hits, hit)
	}
	return hits, body
}

// A message is found on every pod as soon as it is acked, and so are messages of a
// model and of an admin. Erased messages are not found. The audit log records that
// a member of staff searched, but not the words.
func TestSearch_FindsWhatWasSaidAnywhere(t *testing.T) {
	c := start(t, 3)
	for i := range 3 {
		session := fmt.Sprint("s-", i)
		d := c.device(fmt.Sprint("user", i), session, c.podURL(i))
		c.answered(d, session, c.say(d, session, fmt.Sprintf("My invoice %d, please? [[words=3]]", i)))
	}
	admin, viewer := c.staffToken("eve", "admin"), c.staffToken("vic", "chat_viewer")
	for range 3 { // the balancer's next pod each time
		hits, body := c.searched(viewer, "q=INVOICE")
		assert.Equal(t, []string{"s-2:1", "s-1:1", "s-0:1"}, hits)
		assert.Equal(t, "on", body["words"])
		first, _ := body["results"].([]any)[0].(map[string]any)
		assert.Contains(t, first["message"].(map[string]any)["excerpt"], "My invoice 2, please?")
	}
	hits, _ := c.searched(admin, "q="+url.QueryEscape(`"invoice 1"`))
	assert.Equal(t, []string{"s-1:1"}, hits)
	_, history := c.request(admin, "GET", "/chatbox/admin/sessions/s-1", nil)
	answer, _ := history["messages"].([]any)[1].(map[string]any)
	hits, _ = c.searched(admin, "user_id=user1&q="+url.QueryEscape(`"`+fmt.Sprint(answer["content"])+`"`))
	assert.Contains(t, hits, "s-1:2", "the model's words")

	status, _ := c.request(admin, "POST", "/chatbox/admin/takeover/s-0", nil)
	require.Equal(t, 200, status)
	status, _ = c.request(admin, "POST", "/chatbox/admin/sessions/s-0/messages", map[string]any{"content": "a refund, granted"})
	require.Equal(t, 202, status)
	hits, body := c.searched(viewer, "q=refund")
	require.Len(t, hits, 1, "a person's words, as soon as they are accepted")
	found, _ := body["results"].([]any)[0].(map[string]any)
	assert.Equal(t, "admin", found["message"].(map[string]any)["sender"])

	user := c.as("", "user1")
	user.want(200, "PATCH", "/sessions/s-1", `{"name":"Überfällige Rechnung"}`)
	hits, _ = c.searched(viewer, "name="+url.QueryEscape("rechnung"))
	assert.Equal(t, []string{"s-1"}, hits)
	hits, _ = c.searched(viewer, "q=invoice&name="+url.QueryEscape("rechnung ÜBERFÄLLIGE"))
	assert.Equal(t, []string{"s-1:1"}, hits)
	_, list := c.request(viewer, "GET", "/chatbox/admin/sessions?name=rechnung", nil)
	assert.InDelta(t, 1, list["total"], 0)

	hits, body = c.searched(viewer, "q=invoice&limit=2")
	assert.Len(t, hits, 2)
	hits, _ = c.searched(viewer, "q=invoice&limit=2&cursor="+fmt.Sprint(body["next_cursor"]))
	assert.Equal(t, []string{"s-0:1"}, hits, "the next page, on another pod")

	user.want(200, "DELETE", "/sessions/s-1", "")
	hits, _ = c.searched(viewer, "q=invoice")
	assert.Equal(t, []string{"s-2:1", "s-0:1"}, hits)
	hits, _ = c.searched(viewer, "name=rechnung")
	assert.Empty(t, hits)

	_, log := c.request(admin, "GET", "/chatbox/admin/audit?action=session.search&limit=500", nil)
	assert.Greater(t, len(log["entries"].([]any)), 8)
	assert.NotContains(t, fmt.Sprint(log), "invoice")
	assert.Contains(t, fmt.Sprint(log), "user_id:user1")
}

// A tenant's staff finds nothing of another's.
func TestSearch_TenantsAreWalls(t *testing.T) {
	c := start(t, 3)
	for i, tenant := range []string{"north", "south"} {
		p := c.as(tenant, "ann")
		p.want(202, "POST", "/sessions/"+tenant+"/messages", fmt.Sprintf(`{"content":"a needle and %s%d [[words=2]]"}`, tenant, i))
	}
	claims := jwt.MapClaims{"user_id": "bob", "tenant": "north", "roles": []string{"chat_admin"}, "exp": time.Now().Add(time.Hour).Unix()}
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString(c.stack.Secret())
	require.NoError(t, err)
	bob := person{c, token}
	assert.Contains(t, bob.want(200, "GET", "/admin/search?q=needle", "").Body, `"count":1`)
	for _, query := range []string{"q=south1", "q=needle&user_id=zoe", "name=south1"} {
		assert.Contains(t, bob.want(200, "GET", "/admin/search?"+query, "").Body, `"results":[]`, query)
	}
}

// Switched off, nothing can be looked for, and sessions are still listed.
func TestSearch_Off(t *testing.T) {
	c := start(t, 1, func(cfg *devstack.Config) { cfg.NoWords = true })
	d := c.device("ann", "s-1", c.podURL(0))
	c.answered(d, "s-1", c.say(d, "s-1", "a needle [[words=1]]"))
	admin := c.staffToken("eve", "admin")
	for _, query := range []string{"q=needle", "name=needle"} {
		status, body := c.request(admin, "GET", "/chatbox/admin/search?"+query, nil)
		assert.Equal(t, 400, status)
		assert.Regexp(t, `^(q|name): .*SEARCH_INDEX`, body["message"])
	}
	require.Eventually(t, func() bool {
		hits, body := c.searched(admin, "user_id=ann")
		return body["words"] == "off" && len(hits) == 1
	}, 10*time.Second, 50*time.Millisecond)
}
