package cluster

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The audit log records the acts of staff in a session with the session's owner. A
// session that does not exist has no owner.
func TestAudit_SaysWhomItWasAbout(t *testing.T) {
	c := start(t, 2)
	d := c.device("ada", "s-1", c.podURL(0))
	c.answered(d, "s-1", c.say(d, "s-1", "hello [[words=2]]"))
	bob, root := c.admin("bob", c.podURL(1)), c.staffToken("root", "admin")
	c.admin("eve", c.podURL(0))
	c.enters(bob, "watch", "s-1")
	c.frame(bob, "unwatch", "s-1")
	rest := c.staffToken("bob")
	for _, act := range []struct {
		method, path string
		body         any
		status       int
	}{
		{http.MethodPost, "takeover/nobodys", nil, 404},
		{http.MethodPost, "takeover/s-1", nil, 200},
		{http.MethodPost, "sessions/s-1/messages", map[string]any{"content": "x"}, 202},
		{http.MethodPost, "takeover/s-1/transfer", map[string]any{"admin_id": "eve"}, 200},
		{http.MethodDelete, "takeover/s-1", nil, 403},
		{http.MethodPost, "sessions/s-1/end", nil, 200},
	} {
		status, body := c.request(rest, act.method, "/chatbox/admin/"+act.path, act.body)
		require.Equal(t, act.status, status, "%s: %v", act.path, body)
	}
	want := map[string]int{
		"session.watch of ada": 1, "session.unwatch of ada": 1, "session.takeover of <nil>": 1, "session.takeover of ada": 1,
		"session.message of ada": 1, "session.transfer of ada": 1, "session.leave of ada": 1, "session.end of ada": 1,
	}
	require.Eventually(t, func() bool {
		_, log := c.request(root, http.MethodGet, "/chatbox/admin/audit?actor=bob", nil)
		got := map[string]int{}
		entries, _ := log["entries"].([]any)
		for _, e := range entries {
			m, _ := e.(map[string]any)
			got[fmt.Sprint(m["action"], " of ", m["user_id"])]++
		}
		return assert.ObjectsAreEqual(want, got)
	}, patience, 20*time.Millisecond)
}

// The audit log records messages of staff, by frame and by request. It does not
// record messages that the same person sends as a user.
func TestAudit_OfWhatAHolderSays(t *testing.T) {
	c := start(t, 2)
	d := c.device("ada", "s-1", c.podURL(0))
	c.answered(d, "s-1", c.say(d, "s-1", "hello [[words=2]]"))
	bob := c.admin("bob", c.podURL(1))
	c.acked(bob, "own", c.say(bob, "own", "what I ask myself [[words=1]]"))
	c.enters(bob, "admin_join", "s-1")
	c.acked(bob, "s-1", c.say(bob, "s-1", "I am Bob."))
	_, log := c.request(c.staffToken("root", "admin"), http.MethodGet, "/chatbox/admin/audit?actor=bob&action=session.message", nil)
	entries, _ := log["entries"].([]any)
	require.Len(t, entries, 1)
	m, _ := entries[0].(map[string]any)
	assert.Equal(t, "s-1 of ada", fmt.Sprint(m["session_id"], " of ", m["user_id"]))
}
