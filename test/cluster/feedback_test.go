package cluster

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"

	"chatbox"
)

// The owner's feedback is with the answer for the owner and for staff, on every pod,
// and goes with the session.
func TestFeedback_StaysWithTheAnswer(t *testing.T) {
	c := start(t, 3)
	d := c.device("ada", "s-1", c.podURL(0))
	c.answered(d, "s-1", c.say(d, "s-1", "hello [[words=2]]"))
	ada, eve, bob := c.token("ada"), c.token("eve"), c.staffToken("bob")
	answer := chatbox.AnswerID(chatbox.SessionKey{ID: "s-1"}, 1, 1)
	path := "/chatbox/sessions/s-1/messages/" + answer + "/feedback"
	down := map[string]any{"value": "down", "comment": "wrong"}
	status, body := c.request(eve, http.MethodPut, path, down)
	assert.Equal(t, http.StatusNotFound, status, body)
	status, body = c.request(ada, http.MethodPut, path, down)
	assert.Equal(t, http.StatusOK, status, body)

	// Requests go to the pods in turn.
	for range 3 {
		for token, at := range map[string]string{ada: "/chatbox/sessions/s-1", bob: "/chatbox/admin/sessions/s-1"} {
			_, body = c.request(token, http.MethodGet, at, nil)
			given := body["messages"].([]any)[1].(map[string]any)["feedback"].(map[string]any)
			assert.Equal(t, "down", given["value"])
			assert.Equal(t, "wrong", given["comment"])
		}
		for value, n := range map[string]int{"down": 1, "up": 0} {
			_, body = c.request(bob, http.MethodGet, "/chatbox/admin/sessions?feedback="+value, nil)
			assert.EqualValues(t, n, body["total"], value)
		}
	}
	status, _ = c.request(ada, http.MethodDelete, "/chatbox/sessions/s-1", nil)
	assert.Equal(t, http.StatusOK, status)
	status, body = c.request(ada, http.MethodPut, path, down)
	assert.Equal(t, http.StatusNotFound, status, body)
	_, body = c.request(bob, http.MethodGet, "/chatbox/admin/sessions?feedback=down", nil)
	assert.EqualValues(t, 0, body["total"])
}
