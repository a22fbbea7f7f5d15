package cluster

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"chatbox/cmd/chatload/client"
)

// Who holds a session speaks in it, and neither asks for help nor chooses the
// model in its user's place; the refusal does not deny that he holds it.
func TestHolder_DoesNotActForTheUser(t *testing.T) {
	c := start(t, 2)
	a := c.device("ada", "s-1", c.podURL(0))
	c.answered(a, "s-1", c.say(a, "s-1", "hello [[words=2]]"))
	bob := c.admin("bob", c.podURL(1))
	c.frame(bob, "admin_join", "s-1")
	c.sees(bob, "s-1", "resumed", ofType(client.TypeResumed))
	for _, kind := range []string{"help_request", client.TypeModelSelect} {
		require.NoError(t, bob.SendBare(client.Frame{Type: kind, ID: "b-" + kind, SessionID: "s-1", ModelID: "other"}))
		refused := c.sees(bob, "s-1", "the refusal", errorOf("b-"+kind))
		assert.Equal(t, "INSUFFICIENT_PERMISSIONS", refused.Error.Code)
		assert.Contains(t, refused.Error.Message, "type: ")
	}
	assert.Len(t, c.history("ada", "s-1"), 3)
}

// An admin's own session is one he may hold as any other; what he says in it
// by staff's request he says as staff, and only while he holds it.
func TestHolder_OfHisOwnSession(t *testing.T) {
	c := start(t, 2)
	a := c.device("bob", "s-1", c.podURL(0))
	c.answered(a, "s-1", c.say(a, "s-1", "hello [[words=2]]"))
	bob, said := c.staffToken("bob"), map[string]string{"content": "Hello, self."}
	status, body := c.request(bob, http.MethodPost, "/chatbox/admin/sessions/s-1/messages", said)
	assert.Equal(t, http.StatusForbidden, status, body)
	status, body = c.request(bob, http.MethodPost, "/chatbox/admin/takeover/s-1", nil)
	require.Equal(t, http.StatusOK, status, body)
	status, body = c.request(bob, http.MethodPost, "/chatbox/admin/sessions/s-1/messages", said)
	require.Equal(t, http.StatusAccepted, status, body)
	history := c.history("bob", "s-1")
	last := history[len(history)-1]
	assert.Equal(t, "admin", last.Sender)
	assert.Equal(t, "bob", last.Metadata["admin_id"])
}
