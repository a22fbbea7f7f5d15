package cluster

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"chatbox/app/devstack"
	"chatbox/cmd/chatload/client"
)

const rating = "/chatbox/sessions/s-1/rating"

// asks counts how often the device was asked for a rating of the session, and
// fails where that came before the talk's end.
func (c *cluster) asks(d *client.Client, session, end string) int {
	c.t.Helper()
	n, over := 0, 0
	for _, f := range received(d, session) {
		if f.Type == end {
			over++
		}
		if f.Type == "notification" && f.Metadata["event"] == "rating_requested" {
			n++
			assert.LessOrEqual(c.t, n, over, "it follows the end of the talk")
		}
	}
	return n
}

// The owner's sockets on every pod are asked once, and no others, for any way to
// end the talk on any pod. Admins are notified of the rating.
func TestRating_IsAskedForWhenATalkIsOver(t *testing.T) {
	c := start(t, 3)
	var hers []*client.Client
	for n := range 3 {
		hers = append(hers, c.device("ada", "s-1", c.podURL(n)))
	}
	ada, bob := c.token("ada"), c.admin("bob", c.podURL(1))
	eve := c.listen("", "eve", "", c.podURL(2), "admin")
	c.answered(hers[0], "s-1", c.say(hers[0], "s-1", "hello [[words=2]]"))
	status, body := c.request(ada, http.MethodPost, rating, map[string]any{"score": 5})
	assert.Equal(t, http.StatusNotFound, status, "before any talk: %v", body)
	_, body = c.request(ada, http.MethodGet, rating, nil)
	assert.Equal(t, map[string]any{"session_id": "s-1", "requested": false}, body)

	c.enters(eve.Client, "watch", "s-1")
	c.frame(bob, "admin_join", "s-1")
	c.sees(hers[2], "s-1", "his coming", ofType("admin_join"))
	_, body = c.request(ada, http.MethodGet, rating, nil)
	assert.Equal(t, false, body["requested"], "it goes on: %v", body)
	said, err := bob.Send(client.Frame{Type: client.TypeUserMessage, SessionID: "s-1", Content: "I am here."})
	require.NoError(t, err)
	c.sees(bob, "s-1", "his ack", ackOf(said))
	c.frame(bob, "admin_leave", "s-1")
	for _, d := range hers {
		f := c.sees(d, "s-1", "the question", func(f client.Frame) bool { return f.Metadata["event"] == "rating_requested" })
		assert.Equal(t, "bob", f.Metadata["admin_id"])
		assert.Equal(t, "Name of bob", f.Metadata["admin_name"])
		assert.Equal(t, 1, c.asks(d, "s-1", "admin_leave"))
	}
	assert.Zero(t, c.asks(eve.Client, "s-1", "admin_leave"), "it is the owner's")
	_, body = c.request(ada, http.MethodGet, rating, nil)
	assert.Equal(t, map[string]any{"session_id": "s-1", "requested": true, "admin_id": "bob", "admin_name": "Name of bob"}, body)

	for i, score := range []float64{2, 5} { // the newest of one talk stands
		status, body = c.request(ada, http.MethodPost, rating, map[string]any{"score": score, "comment": "so kind"})
		require.Equal(t, http.StatusOK, status, "%v", body)
		assert.InDelta(t, score, body["score"], 0)
		assert.Equal(t, "bob", body["admin_id"])
		eve.until(t, "notification", "rated", "s-1", i+1)
	}
	status, again := c.request(ada, http.MethodPost, rating, map[string]any{"score": 5, "comment": "so kind"})
	require.Equal(t, http.StatusOK, status)
	assert.Equal(t, body, again, "a repeat changes nothing and gets the first answer")
	assert.Equal(t, 2, eve.told("notification", "rated", "s-1"), "and is told to nobody")
	_, body = c.request(ada, http.MethodGet, rating, nil)
	assert.Equal(t, false, body["requested"])
	assert.Equal(t, "so kind", body["comment"])
	status, _ = c.request(c.token("mallory"), http.MethodPost, rating, map[string]any{"score": 1})
	assert.Equal(t, http.StatusNotFound, status, "not hers")
	status, _ = c.request(c.staffToken("bob"), http.MethodPost, rating, map[string]any{"score": 5})
	assert.Equal(t, http.StatusNotFound, status, "nor his")
	staff := c.staffToken("vic", "chat_viewer")
	_, list := c.request(staff, http.MethodGet, "/chatbox/admin/sessions", nil)
	sessions, _ := list["sessions"].([]any)
	require.Len(t, sessions, 1)
	s, _ := sessions[0].(map[string]any)
	r, _ := s["rating"].(map[string]any)
	assert.InDelta(t, 5.0, r["score"], 0)
	assert.Equal(t, "so kind", r["comment"])
	_, m := c.request(staff, http.MethodGet, "/chatbox/admin/metrics", nil)
	assert.InDelta(t, 1.0, m["ratings_count"], 0)
	assert.InDelta(t, 5.0, m["avg_rating"], 0)
	_, list = c.request(ada, http.MethodGet, "/chatbox/sessions", nil)
	sessions, _ = list["sessions"].([]any)
	require.Len(t, sessions, 1)
	assert.NotContains(t, sessions[0], "rating", "a list of the owner's has none of what staff sees")

	// The end of a held session is the end of a talk, and it is another talk.
	rob := c.staffToken("rob")
	status, _ = c.request(rob, http.MethodPost, "/chatbox/admin/takeover/s-1", nil)
	require.Equal(t, http.StatusOK, status)
	status, _ = c.request(rob, http.MethodPost, "/chatbox/admin/sessions/s-1/messages", map[string]any{"content": "Here I am."})
	require.Equal(t, http.StatusAccepted, status)
	status, _ = c.request(ada, http.MethodPost, "/chatbox/sessions/s-1/end", nil)
	require.Equal(t, http.StatusOK, status)
	for _, d := range hers {
		c.sees(d, "s-1", "the second question", func(f client.Frame) bool {
			return f.Metadata["event"] == "rating_requested" && f.Metadata["admin_id"] == "rob"
		})
	}
	_, body = c.request(ada, http.MethodGet, rating, nil)
	assert.Equal(t, map[string]any{"session_id": "s-1", "requested": true, "admin_id": "rob", "admin_name": "Name of rob"}, body)
	status, _ = c.request(ada, http.MethodPost, rating, map[string]any{"score": 1})
	assert.Equal(t, http.StatusOK, status)
	status, _ = c.request(ada, http.MethodDelete, "/chatbox/sessions/s-1", nil)
	require.Equal(t, http.StatusOK, status)
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		status, _ = c.request(ada, method, rating, map[string]any{"score": 1})
		assert.Equal(t, http.StatusNotFound, status, "erased")
	}
	_, m = c.request(staff, http.MethodGet, "/chatbox/admin/metrics", nil)
	assert.InDelta(t, 0.0, m["ratings_count"], 0)
}

// Users are not asked to rate an admin who sent no message.
func TestRating_OfAnAbsentAdminIsNotAskedFor(t *testing.T) {
	c := start(t, 2, func(cfg *devstack.Config) { cfg.Conversation.AdminGrace = time.Second })
	a := c.device("ada", "s-1", c.podURL(0))
	c.answered(a, "s-1", c.say(a, "s-1", "hello [[words=2]]"))
	status, _ := c.request(c.staffToken("bob"), http.MethodPost, "/chatbox/admin/takeover/s-1", nil)
	require.Equal(t, http.StatusOK, status)
	c.sees(a, "s-1", "his going", ofType("admin_leave"))
	_, body := c.request(c.token("ada"), http.MethodGet, rating, nil)
	assert.Equal(t, map[string]any{"session_id": "s-1", "requested": false}, body)
	assert.Zero(t, c.asks(a, "s-1", "admin_leave"))
}

func TestRating_WithRequestsOff(t *testing.T) {
	c := start(t, 1, func(cfg *devstack.Config) { cfg.Conversation.AskRating = false })
	a := c.device("ada", "s-1", c.podURL(0))
	c.answered(a, "s-1", c.say(a, "s-1", "hello [[words=2]]"))
	bob := c.staffToken("bob")
	status, _ := c.request(bob, http.MethodPost, "/chatbox/admin/takeover/s-1", nil)
	require.Equal(t, http.StatusOK, status)
	status, _ = c.request(bob, http.MethodPost, "/chatbox/admin/sessions/s-1/messages", map[string]any{"content": "I am here."})
	require.Equal(t, http.StatusAccepted, status)
	status, _ = c.request(bob, http.MethodDelete, "/chatbox/admin/takeover/s-1", nil)
	require.Equal(t, http.StatusOK, status)
	c.answered(a, "s-1", c.say(a, "s-1", "and now? [[words=2]]"))
	assert.Zero(t, c.asks(a, "s-1", "admin_leave"))
	_, body := c.request(c.token("ada"), http.MethodGet, rating, nil)
	assert.Equal(t, false, body["requested"])
	status, _ = c.request(c.token("ada"), http.MethodPost, rating, map[string]any{"score": 4})
	assert.Equal(t, http.StatusOK, status, "who wants to may")
}
