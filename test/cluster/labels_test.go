package cluster

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// waits is the list of those that wait, the longest first.
func (c *cluster) waits(token string) (ids []any) {
	c.t.Helper()
	status, list := c.request(token, http.MethodGet, "/chatbox/admin/sessions?sort_by=waiting_since&sort_order=asc", nil)
	require.Equal(c.t, http.StatusOK, status, list)
	sessions, _ := list["sessions"].([]any)
	for _, s := range sessions {
		ids = append(ids, s.(map[string]any)["session_id"])
	}
	return ids
}

// Two users ask for a person on two pods; staff on the third sees who waits
// longest, assigns, tags and comes, and what is on a session ends with it.
func TestLabels_OnEveryPod(t *testing.T) {
	c := start(t, 3)
	ann, ben := c.listen("", "ann", "s-a", c.podURL(0)), c.listen("", "ben", "s-b", c.podURL(1))
	bob := c.listen("", "bob", "", c.podURL(2), "chat_admin")
	rob := c.listen("", "rob", "", c.podURL(0), "admin")
	c.help(ann, "s-a")
	c.help(ben, "s-b")
	eve := c.staffToken("eve", "admin")
	require.Eventually(t, func() bool { return assert.ObjectsAreEqual([]any{"s-a", "s-b"}, c.waits(eve)) }, 10*time.Second, 20*time.Millisecond,
		"who asked first is first")

	status, got := c.request(eve, http.MethodPut, "/chatbox/admin/sessions/s-b/assignee", map[string]string{"admin_id": "bob", "admin_name": "Bob"})
	require.Equal(t, http.StatusOK, status, got)
	require.Eventually(t, func() bool { return bob.told("notification", "assigned", "s-b") == 1 }, 10*time.Second, 10*time.Millisecond)
	status, _ = c.request(eve, http.MethodPut, "/chatbox/admin/sessions/s-b/tags", map[string][]string{"tags": {"VIP", "Zinnober"}})
	require.Equal(t, http.StatusOK, status)
	_, list := c.request(eve, http.MethodGet, "/chatbox/admin/sessions?tag=vip&assigned_to=bob&waiting=true", nil)
	assert.InDelta(t, 1, list["total"], 0)
	_, n := c.request(c.staffToken("bob", "chat_admin"), http.MethodGet, "/chatbox/admin/counters", nil)
	assert.InDelta(t, 2, n["waiting"], 0)
	assert.Equal(t, "s-a", n["oldest_waiting_session"])
	assert.InDelta(t, 1, n["assigned_waiting"], 0)

	status, _ = c.request(c.staffToken("bob", "chat_admin"), http.MethodPost, "/chatbox/admin/takeover/s-b", nil)
	require.Equal(t, http.StatusOK, status)
	require.Eventually(t, func() bool {
		_, n = c.request(c.staffToken("bob", "chat_admin"), http.MethodGet, "/chatbox/admin/counters", nil)
		return n["waiting"] == 1.0 && n["mine"] == 1.0 && n["assigned"] == 1.0 && n["assigned_waiting"] == 0.0
	}, 10*time.Second, 20*time.Millisecond, "who was come to waits no more, and stays assigned")
	assert.Zero(t, rob.told("notification", "assigned", "s-b"), "a colleague's is a colleague's")
	assert.Zero(t, ben.told("notification", "assigned", "s-b"))

	owner := c.as("", "ben")
	assert.NotContains(t, owner.want(http.StatusOK, http.MethodGet, "/sessions", "").Body, "Zinnober")
	owner.want(http.StatusForbidden, http.MethodGet, "/admin/counters", "")
	owner.want(http.StatusOK, http.MethodDelete, "/sessions/s-b", "")
	_, tags := c.request(eve, http.MethodGet, "/chatbox/admin/tags", nil)
	assert.Empty(t, tags["tags"])
	status, _ = c.request(eve, http.MethodPut, "/chatbox/admin/sessions/s-b/tags", map[string][]string{"tags": {"late"}})
	assert.Equal(t, http.StatusNotFound, status)
	_, log := c.request(eve, http.MethodGet, "/chatbox/admin/audit?session_id=s-b&action=session.assign", nil)
	assert.Len(t, log["entries"], 1)
}

// When a colleague is said to be erased, no session names them as the one who
// looks after it.
func TestLabels_AnErasedColleagueLooksAfterNothing(t *testing.T) {
	c := start(t, 2)
	owner, eve := c.as("", "ann"), c.staffToken("eve", "admin")
	owner.want(http.StatusAccepted, http.MethodPost, "/sessions/s-a/messages", `{"content":"hello [[words=1]]"}`)
	status, got := c.request(eve, http.MethodPut, "/chatbox/admin/sessions/s-a/assignee", map[string]string{"admin_id": "bob", "admin_name": "Bob"})
	require.Equal(t, http.StatusOK, status, got)
	status, got = c.request(eve, http.MethodDelete, "/chatbox/admin/users/bob", nil)
	require.Equal(t, http.StatusOK, status, got)
	_, list := c.request(eve, http.MethodGet, "/chatbox/admin/sessions", nil)
	sessions, _ := list["sessions"].([]any)
	require.Len(t, sessions, 1)
	assert.NotContains(t, sessions[0], "assigned_admin_id")
	assert.NotContains(t, sessions[0], "assigned_admin_name")
}
