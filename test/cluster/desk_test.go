package cluster

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"chatbox"
	"chatbox/app/devstack"
	"chatbox/cmd/chatload/client"
)

// Every pod shows staff the same sessions of two users on two pods, and the audit
// log has the acts of staff.
func TestDesk_ShowsWhatHappened(t *testing.T) {
	c := start(t, 3)
	for i := range 2 {
		user, session := fmt.Sprint("user", i), fmt.Sprint("s-", i)
		d := c.device(user, session, c.podURL(i))
		c.answered(d, session, c.say(d, session, "hello [[words=3]]"))
	}
	admin, viewer := c.staffToken("eve", "admin"), c.staffToken("vic", "chat_viewer")
	require.Eventually(t, func() bool {
		status, list := c.request(viewer, "GET", "/chatbox/admin/sessions?sort_by=user_id&sort_order=asc", nil)
		require.Equal(t, 200, status)
		sessions, _ := list["sessions"].([]any)
		if len(sessions) != 2 {
			return false
		}
		s, _ := sessions[0].(map[string]any)
		return list["total"] == 2.0 && s["user_id"] == "user0" && s["message_count"] == 2.0 && s["total_tokens"].(float64) > 0
	}, 10*time.Second, 50*time.Millisecond, "the list has the folds")
	require.Eventually(t, func() bool {
		status, m := c.request(viewer, "GET", "/chatbox/admin/metrics", nil)
		require.Equal(t, 200, status)
		return m["total_sessions"] == 2.0 && m["active_sessions"] == 2.0 && m["total_tokens"].(float64) > 0 &&
			m["max_concurrent"] == 2.0 && m["avg_concurrent"].(float64) > 0
	}, 20*time.Second, 100*time.Millisecond, "the pods' counts come together")

	status, h := c.request(viewer, "GET", "/chatbox/admin/sessions/s-1", nil)
	require.Equal(t, 200, status)
	assert.Len(t, h["messages"], 2)
	status, _ = c.request(viewer, "GET", "/chatbox/admin/sessions/unknown", nil)
	assert.Equal(t, 404, status)
	status, _ = c.request(admin, "GET", "/chatbox/admin/users/user1/sessions", nil)
	assert.Equal(t, 200, status)
	status, _ = c.request(admin, "POST", "/chatbox/admin/users/user1/disconnect", nil)
	assert.Equal(t, 200, status)
	status, log := c.request(admin, "GET", "/chatbox/admin/audit", nil)
	require.Equal(t, 200, status)
	var got []string
	for _, e := range log["entries"].([]any) {
		m, _ := e.(map[string]any)
		got = append(got, fmt.Sprint(m["action"], " by ", m["actor_id"], " of ", m["user_id"]))
	}
	assert.Equal(t, []string{
		"audit.read by eve of <nil>", "user.disconnect by eve of user1", "user.sessions by eve of user1", "session.read by vic of user1",
	}, got)
}

// The last words are read of those that are asked for and are the tenant's, and
// each such look is one entry on record; the list itself shows none.
func TestPreviews_ShowLastWordsOnRecord(t *testing.T) {
	c := start(t, 2)
	devices := map[string]*client.Client{}
	for i, session := range []string{"s-0", "s-1"} {
		d := c.device(fmt.Sprint("user", i), session, c.podURL(i))
		c.answered(d, session, c.say(d, session, "hello [[words=3]]"))
		devices[session] = d
	}
	admin, viewer := c.staffToken("eve", "admin"), c.staffToken("vic", "chat_viewer")
	status, _ := c.request(admin, "POST", "/chatbox/admin/takeover/s-0", nil)
	require.Equal(t, 200, status)
	c.say(devices["s-0"], "s-0", "first\n  question") // to a person: nothing follows it
	require.Eventually(t, func() bool {
		status, list := c.request(viewer, "GET", "/chatbox/admin/previews?sessions=s-1,unknown,s-0,s-1", nil)
		require.Equal(t, 200, status)
		var got []string
		for _, one := range list["previews"].([]any) {
			p, _ := one.(map[string]any)
			got = append(got, fmt.Sprint(p["session_id"], " ", p["sender"]))
		}
		return slices.Equal(got, []string{"s-1 ai", "s-0 user"}) && strings.Contains(fmt.Sprint(list), "first question")
	}, 10*time.Second, 50*time.Millisecond, "in the order asked for, once each, as the folds are stored")
	status, _ = c.request(viewer, "GET", "/chatbox/admin/previews?sessions=a%20b", nil)
	assert.Equal(t, 400, status)
	status, list := c.request(admin, "GET", "/chatbox/admin/audit?action=session.preview", nil)
	require.Equal(t, 200, status)
	assert.NotEmpty(t, list["entries"])
}

// An erased person's sessions are gone for everybody, the tokens held so far
// are void, and the audit log is whole and does not say who it was.
func TestErasePerson_NothingIsLeftToRead(t *testing.T) {
	c := start(t, 2)
	for i := range 3 {
		session := fmt.Sprint("s-", i)
		d := c.device("gone", session, c.podURL(i%2))
		c.answered(d, session, c.say(d, session, "hello [[words=2]]"))
	}
	other := c.device("stays", "kept", c.podURL(0))
	c.answered(other, "kept", c.say(other, "kept", "hello [[words=2]]"))
	old := c.as("", "gone")
	admin := c.staffToken("eve", "admin")
	status, _ := c.request(admin, "GET", "/chatbox/admin/sessions/s-1", nil)
	require.Equal(t, 200, status)

	require.Eventually(t, func() bool {
		status, _ := c.request(admin, "DELETE", "/chatbox/admin/users/gone", nil)
		require.Contains(t, []int{200, 202}, status)
		return status == 200
	}, time.Minute, time.Second, "idempotent, and comes to its end")
	old.want(401, "GET", "/sessions", "")
	for i := range 3 {
		status, _ := c.request(admin, "GET", fmt.Sprint("/chatbox/admin/sessions/s-", i), nil)
		assert.Equal(t, 404, status)
	}
	_, list := c.request(admin, "GET", "/chatbox/admin/sessions", nil)
	assert.InDelta(t, 1, list["total"], 0, "another's stays")
	_, log := c.request(admin, "GET", "/chatbox/admin/audit?action=session.read", nil)
	entries, _ := log["entries"].([]any)
	require.Len(t, entries, 1)
	e, _ := entries[0].(map[string]any)
	assert.NotEmpty(t, e["user"])
	assert.Nil(t, e["user_id"], "nobody can tell any more")
	assert.Equal(t, "eve", e["actor_id"])
	_, verdict := c.request(admin, "GET", "/chatbox/admin/audit/verify", nil)
	assert.Equal(t, true, verdict["whole"])
}

// If a pod dies between the mark and the work, any other pod does the work. In
// this test there is only the mark.
func TestErasePerson_GoesOnFromTheMarkAlone(t *testing.T) {
	seen := &behind{}
	c := start(t, 2, seen.watch, quickSweeps, func(cfg *devstack.Config) { cfg.Privacy.EraseFor = time.Second })
	d := c.device("gone", "s-1", c.podURL(0))
	c.answered(d, "s-1", c.say(d, "s-1", "hello [[words=2]]"))
	gone := chatbox.UserKey{ID: "gone"}
	require.NoError(t, seen.Erasures.BeginErasure(t.Context(), gone, time.Now().Add(time.Second)))
	admin := c.staffToken("eve", "admin")
	require.Eventually(t, func() bool {
		status, _ := c.request(admin, "GET", "/chatbox/admin/sessions/s-1", nil)
		return status == 404
	}, 40*time.Second, 200*time.Millisecond)
	require.Eventually(t, func() bool {
		marked, err := seen.Erasures.Erasing(t.Context(), 9)
		require.NoError(t, err)
		return len(marked) == 0
	}, 40*time.Second, 50*time.Millisecond, "the mark goes when the last tombstone is nobody's")
	burnt, err := seen.Sessions.Load(t.Context(), chatbox.SessionKey{ID: "s-1"})
	require.NoError(t, err)
	assert.True(t, burnt.Erased)
	assert.Empty(t, burnt.Owner)
}

// A session that a pod with a fast clock began with a withdrawn credential is
// erased. A session that began with a new credential stays.
func TestErasePerson_TheCredentialDecides(t *testing.T) {
	seen := &behind{}
	start(t, 2, seen.watch, quickSweeps, func(cfg *devstack.Config) { cfg.Privacy.EraseFor = time.Minute })
	at := time.Now()
	gone := chatbox.UserKey{ID: "gone"}
	for id, issued := range map[string]time.Time{"s-old": at.Add(-time.Hour), "s-new": at.Add(time.Second)} {
		_, _, err := seen.Sessions.Create(t.Context(), chatbox.Session{
			Key: chatbox.SessionKey{ID: id}, Owner: gone.ID, CreatedAt: at.Add(time.Minute), IssuedAt: issued,
		})
		require.NoError(t, err)
	}
	require.NoError(t, seen.Erasures.BeginErasure(t.Context(), gone, at))
	require.Eventually(t, func() bool {
		old, err := seen.Sessions.Load(t.Context(), chatbox.SessionKey{ID: "s-old"})
		return err == nil && old.Erased
	}, 40*time.Second, 50*time.Millisecond)
	stays, err := seen.Sessions.Load(t.Context(), chatbox.SessionKey{ID: "s-new"})
	require.NoError(t, err)
	assert.False(t, stays.Erased)
	marked, err := seen.Erasures.Erasing(t.Context(), 9)
	require.NoError(t, err)
	assert.Len(t, marked, 1, "a slow pod may begin one more")
}
