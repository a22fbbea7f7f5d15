package cluster

import (
	"context"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"chatbox/cmd/chatload/client"
)

// Some issuers put no names into their tokens. Users then see "Support", and
// colleagues see the id.
func TestStaff_WithoutAName(t *testing.T) {
	c := start(t, 2)
	a := c.device("ada", "s-1", c.podURL(0))
	c.answered(a, "s-1", c.say(a, "s-1", "hello [[words=2]]"))
	token, err := c.stack.Token("bob", "", "chat_admin")
	require.NoError(t, err)
	bob := c.device("bob", "", c.podURL(1), func(cfg *client.Config) {
		cfg.Token = func(context.Context) (string, error) { return token, nil }
	})
	c.frame(bob, "admin_join", "s-1")
	named := map[string]string{"admin_id": "bob", "admin_name": "Support"}
	assert.Equal(t, named, c.sees(a, "s-1", "admin_join", ofType("admin_join")).Metadata)
	c.sees(bob, "s-1", "resumed", ofType(client.TypeResumed))
	c.say(bob, "s-1", "good day")
	said := c.sees(a, "s-1", "the admin's word", func(f client.Frame) bool { return f.Content == "good day" })
	assert.Equal(t, named, said.Metadata)

	eve := c.admin("eve", c.podURL(0))
	assert.Equal(t, named, c.sees(eve, "s-1", "the refusal", errorOf(c.frame(eve, "admin_join", "s-1"))).Metadata)
	_, body := c.request(c.staffToken("eve"), http.MethodGet, "/chatbox/admin/sessions", nil)
	listed := body["sessions"].([]any)[0].(map[string]any)
	assert.Equal(t, "bob", listed["assisting_admin_id"])
	assert.NotContains(t, listed, "assisting_admin_name")
	c.frame(bob, "admin_leave", "s-1")
	assert.Equal(t, named, c.sees(a, "s-1", "admin_leave", ofType("admin_leave")).Metadata)
}
