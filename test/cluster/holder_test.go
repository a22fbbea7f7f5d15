package cluster

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"chatbox/cmd/chatload/client"
)

// The holder of a session may send messages in it, but may not ask for help or
// choose the model for its user. The refusal does not end the hold.
func TestHolder_DoesNotActForTheUser(t *testing.T) {
	c := start(t, 2)
	a := c.device("ada", "s-1", c.podURL(0))
	c.answered(a, "s-1", c.say(a, "s-1", "hello [[words=2]]"))
	bob := c.admin("bob", c.podURL(1))
	c.enters(bob, "admin_join", "s-1")
	for _, kind := range []string{"help_request", client.TypeModelSelect} {
		require.NoError(t, bob.SendBare(client.Frame{Type: kind, ID: "b-" + kind, SessionID: "s-1", ModelID: "other"}))
		refused := c.sees(bob, "s-1", "the refusal", errorOf("b-"+kind))
		assert.Equal(t, "INSUFFICIENT_PERMISSIONS", refused.Error.Code)
		assert.Contains(t, refused.Error.Message, "type: ")
	}
	assert.Len(t, c.history("ada", "s-1"), 3)
}

// Admins may hold their own session like any other. A message that they send in it
// by a request of staff is a message of staff, and needs the hold.
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

// A socket that cannot attach to one more session is refused before the takeover,
// so the user is not shown an admin who receives nothing.
func TestHolder_WithoutAPlaceTakesNothing(t *testing.T) {
	c := start(t, 2)
	a := c.device("ada", "s-1", c.podURL(0))
	c.answered(a, "s-1", c.say(a, "s-1", "hello [[words=2]]"))
	bob := c.admin("bob", c.podURL(1))
	for i := range 20 {
		own := fmt.Sprint("own-", i)
		c.acked(bob, own, c.say(bob, own, "hello [[words=1]]"))
	}
	require.NoError(t, bob.SendBare(client.Frame{Type: "admin_join", ID: "b-join", SessionID: "s-1"}))
	refused := c.sees(bob, "s-1", "the refusal", errorOf("b-join"))
	assert.Equal(t, "CONNECTION_LIMIT_EXCEEDED", refused.Error.Code)
	assert.Len(t, c.history("ada", "s-1"), 2)
}

// A holder whose session has ended is told so, by frame as by request; for
// leaving it the answer is that it is not held any more.
func TestHolder_OfAnEndedSession(t *testing.T) {
	c := start(t, 2)
	a := c.device("ada", "s-1", c.podURL(0))
	c.answered(a, "s-1", c.say(a, "s-1", "hello [[words=2]]"))
	bob := c.admin("bob", c.podURL(1))
	c.enters(bob, "admin_join", "s-1")
	status, body := c.request(c.token("ada"), http.MethodPost, "/chatbox/sessions/s-1/end", nil)
	require.Equal(t, http.StatusOK, status, body)
	c.sees(bob, "s-1", "the end", ofType(client.TypeSessionEnded))
	for kind, code := range map[string]string{client.TypeUserMessage: "SESSION_ENDED", "admin_leave": "INSUFFICIENT_PERMISSIONS"} {
		require.NoError(t, bob.SendBare(client.Frame{Type: kind, ID: "b-" + kind, SessionID: "s-1", Content: "Are you there?"}))
		assert.Equal(t, code, c.sees(bob, "s-1", "the refusal", errorOf("b-"+kind)).Error.Code)
	}
	status, body = c.request(c.staffToken("bob"), http.MethodPost, "/chatbox/admin/sessions/s-1/messages", map[string]string{"content": "Are you there?"})
	assert.Equal(t, http.StatusConflict, status, body)
}

// An admin whose newer credential has no staff role receives nothing more from the
// sessions that they watched or held, but still from their own.
func TestStaff_NoMoreHearsNothing(t *testing.T) {
	c := start(t, 2)
	talks := map[string]*client.Client{"s-1": c.device("ada", "s-1", c.podURL(0)), "s-2": c.device("ben", "s-2", c.podURL(1))}
	for s, d := range talks {
		c.answered(d, s, c.say(d, s, "hello [[words=2]]"))
	}
	bob := c.admin("bob", c.podURL(1))
	c.acked(bob, "own", c.say(bob, "own", "mine [[words=1]]"))
	for s, kind := range map[string]string{"s-1": "watch", "s-2": "admin_join"} {
		c.enters(bob, kind, s)
	}
	require.NoError(t, bob.SendBare(client.Frame{Type: "auth", ID: "less", Token: c.token("bob")}))
	c.sees(bob, "", "the confirmation", func(f client.Frame) bool { return f.ID == "less" && f.Error == nil })
	heard := map[string]int{"s-1": len(received(bob, "s-1")), "s-2": len(received(bob, "s-2"))}
	for s, d := range talks {
		c.acked(d, s, c.say(d, s, "for no stranger [[words=2]]"))
	}
	c.answered(talks["s-1"], "s-1", c.say(talks["s-1"], "s-1", "nor this [[words=2]]"))
	c.answered(bob, "own", c.say(bob, "own", "still mine [[words=1]]"))
	for s, before := range heard {
		assert.Len(t, received(bob, s), before, s)
	}
}
