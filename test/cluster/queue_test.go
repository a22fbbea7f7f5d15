package cluster

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"chatbox/app/devstack"
	"chatbox/cmd/chatload/client"
)

// places returns the places of the session that the device received, in order.
func (e *ear) places(session string) []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	var out []string
	for _, f := range e.frames {
		if f.Type == "notification" && f.Metadata["event"] == "queue_position" && f.SessionID == session {
			out = append(out, f.Metadata["position"]+" of "+f.Metadata["waiting"])
		}
	}
	return out
}

// stands waits until the device was told the place, the last of all.
func (e *ear) stands(t *testing.T, session, place string) {
	t.Helper()
	require.Eventually(t, func() bool {
		told := e.places(session)
		return len(told) > 0 && told[len(told)-1] == place
	}, patience, 5*time.Millisecond, "%s stands at %s", session, place)
}

// confirmed is the metadata of the latest confirmation of a request for help.
func (e *ear) confirmed(session string) client.Frame {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, f := range slices.Backward(e.frames) {
		if f.Type == client.TypeConnectionStatus && f.Metadata["event"] == "help_requested" && f.SessionID == session {
			return f
		}
	}
	return client.Frame{}
}

func TestQueue_PlacesFallAsOthersAreComeTo(t *testing.T) {
	c := start(t, 3)
	var users []*ear
	for n := range 3 {
		session := fmt.Sprint("s-", n)
		u := c.listen("", fmt.Sprint("user-", n), session, c.podURL(n))
		c.help(u, session)
		users = append(users, u)
		got := u.confirmed(session).Metadata
		assert.Equal(t, fmt.Sprint(n+1), got["position"], "the confirmation counts the request itself")
		assert.Equal(t, fmt.Sprint(n+1), got["waiting"])
		assert.Equal(t, "nobody", got["reason"])
	}
	for n, u := range users[:2] {
		u.stands(t, fmt.Sprint("s-", n), fmt.Sprint(n+1, " of 3"))
	}
	second := c.listen("", "user-2", "s-2", c.podURL(0))
	second.stands(t, "s-2", "3 of 3") // a new socket receives its place, on any pod
	assert.Empty(t, users[2].places("s-2"), "the confirmation said so, and nothing has changed")

	bob := c.staffToken("bob")
	status, _ := c.request(bob, "POST", "/chatbox/admin/takeover/s-0", nil)
	require.Equal(t, 200, status)
	users[1].stands(t, "s-1", "1 of 2")
	users[2].stands(t, "s-2", "2 of 2")
	second.stands(t, "s-2", "2 of 2")
	assert.Equal(t, "1 of 3", last(users[0].places("s-0")), "who is come to is told nothing more")

	status, help := c.request(c.token("user-2"), "GET", "/chatbox/sessions/s-2/help", nil)
	require.Equal(t, 200, status)
	assert.Equal(t, []any{true, true, 2.0, 1.0}, []any{help["requested"], help["waiting"], help["position"], help["ahead"]})
	status, help = c.request(c.token("user-0"), "GET", "/chatbox/sessions/s-0/help", nil)
	require.Equal(t, 200, status)
	assert.Equal(t, []any{true, false, nil}, []any{help["requested"], help["waiting"], help["position"]})
	status, _ = c.request(c.token("user-0"), "GET", "/chatbox/sessions/s-2/help", nil)
	assert.Equal(t, 404, status)
	status, _ = c.request(c.token("user-1"), "POST", "/chatbox/sessions/s-1/end", nil)
	require.Equal(t, 200, status)
	users[2].stands(t, "s-2", "1 of 1")
}

func last(all []string) string {
	if len(all) == 0 {
		return ""
	}
	return all[len(all)-1]
}

func TestSupport_IsThereWhereSomebodyIs(t *testing.T) {
	c := start(t, 3, func(cfg *devstack.Config) { cfg.Desk.Support.AwayMessage = "We are back in the morning." })
	reason := func() any {
		t.Helper()
		status, now := c.request(c.token("ann"), "GET", "/chatbox/support", nil)
		require.Equal(t, 200, status)
		require.Equal(t, now["available"], now["reason"] == "open")
		return now["reason"]
	}
	becomes := func(want string) {
		t.Helper()
		require.Eventually(t, func() bool { return reason() == want }, patience, 20*time.Millisecond, want)
	}
	online := func(token string) (out []string) {
		t.Helper()
		status, list := c.request(token, "GET", "/chatbox/admin/staff", nil)
		require.Equal(t, 200, status)
		staff, _ := list["staff"].([]any)
		for _, s := range staff {
			m, _ := s.(map[string]any)
			out = append(out, fmt.Sprint(m["admin_id"], " ", m["admin_name"], " ", m["status"], " ", m["holding"]))
		}
		return out
	}
	bob, viewer := c.staffToken("bob"), c.staffToken("vic", "chat_viewer")
	assert.Equal(t, "nobody", reason())
	c.admin("vic", c.podURL(0), "chat_viewer")
	c.listen("other", "eve", "", c.podURL(1), "admin")
	assert.Equal(t, "nobody", reason(), "viewers cannot help, and other tenants do not")
	assert.Empty(t, online(viewer))

	c.admin("bob", c.podURL(2))
	assert.Equal(t, "open", reason(), "at once, on every pod")
	assert.Equal(t, []string{"bob Name of bob available 0"}, online(viewer))
	ann := c.listen("", "ann", "s-1", c.podURL(0))
	c.help(ann, "s-1")
	f := ann.confirmed("s-1")
	assert.Equal(t, "Help request sent. Somebody will be with you as soon as possible.", f.Content)
	assert.Equal(t, "true", f.Metadata["available"])

	status, said := c.request(bob, "PUT", "/chatbox/admin/availability", map[string]string{"status": "away"})
	require.Equal(t, 200, status)
	assert.Equal(t, map[string]any{"admin_id": "bob", "status": "away"}, said)
	assert.Equal(t, "nobody", reason(), "at once, on every pod")
	c.help(ann, "s-1")
	f = ann.confirmed("s-1")
	assert.Equal(t, "Help request sent. We are back in the morning.", f.Content)
	assert.Equal(t, []string{"false", "nobody", "1"}, []string{f.Metadata["available"], f.Metadata["reason"], f.Metadata["position"]})

	status, _ = c.request(bob, "POST", "/chatbox/admin/takeover/s-1", nil)
	require.Equal(t, 200, status)
	require.Eventually(t, func() bool { return slices.Equal(online(viewer), []string{"bob Name of bob away 1"}) }, patience, 20*time.Millisecond)
	status, _ = c.request(bob, "PUT", "/chatbox/admin/support", map[string]any{"hours": "Mon 09:00-10:00", "closed_days": mondays()})
	require.Equal(t, 200, status)
	for range 3 { // every pod
		becomes("closed")
	}
	status, _ = c.request(bob, "DELETE", "/chatbox/admin/support", nil)
	require.Equal(t, 200, status)
	status, _ = c.request(bob, "PUT", "/chatbox/admin/availability", map[string]string{"status": "available"})
	require.Equal(t, 200, status)
	becomes("open")
	require.NoError(t, c.stack.KillPod(c.stack.Pods()[2].ID)) // bob's pod; the socket cannot reconnect to the same address
	becomes("nobody")
}

// mondays are those of the coming year.
func mondays() (days []string) {
	at := time.Now().UTC()
	for range 380 {
		if at.Weekday() == time.Monday {
			days = append(days, at.Format(time.DateOnly))
		}
		at = at.AddDate(0, 0, 1)
	}
	return days
}
