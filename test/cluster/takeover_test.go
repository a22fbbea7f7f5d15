package cluster

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"chatbox/app/devstack"
	"chatbox/cmd/chatload/client"
	"chatbox/cmd/chatload/ledger"
	"chatbox/providers/llm"
)

const speech = "tell me [[words=4000 delay=5ms]]"

func TestTakeover_IsAWallAndAChannel(t *testing.T) {
	c := start(t, 3)
	a, b := c.device("ada", "s-1", c.podURL(0)), c.device("ada", "s-1", c.podURL(1))
	bob := c.admin("bob", c.podURL(2))
	id := c.say(a, "s-1", speech)
	c.streaming(b, "s-1", id, 100)

	join := c.frame(bob, "admin_join", "s-1")
	ack := c.sees(bob, "s-1", "ack of the takeover", ackOf(join))
	c.sees(bob, "s-1", "resumed", func(f client.Frame) bool { return f.Type == client.TypeResumed && f.Seq == ack.Seq })
	text := c.answered(a, "s-1", id)
	assert.NotEmpty(t, text)
	assert.True(t, strings.HasPrefix(llm.ScriptedText(speech), text))
	for _, d := range []*client.Client{a, b} {
		f := c.sees(d, "s-1", "admin_join", ofType("admin_join"))
		assert.Equal(t, ack.Seq, f.Seq)
		assert.Equal(t, map[string]string{"admin_id": "bob", "admin_name": "Name of bob"}, f.Metadata)
	}

	// Both ways, and the model says nothing.
	question := c.say(b, "s-1", "is anybody there? [[words=3]]")
	c.acked(b, "s-1", question)
	c.sees(bob, "s-1", "the user's question", func(f client.Frame) bool { return f.Type == client.TypeUserMessage && f.ID == question })
	reply, err := bob.Send(client.Frame{Type: client.TypeUserMessage, SessionID: "s-1", Content: "I am here.", Metadata: map[string]string{"admin_id": "mallory"}})
	require.NoError(t, err)
	c.sees(bob, "s-1", "his own ack", ackOf(reply))
	for _, d := range []*client.Client{a, b} {
		f := c.sees(d, "s-1", "the admin's reply", func(f client.Frame) bool { return f.ID == reply })
		assert.Equal(t, "admin", f.Sender)
		assert.Equal(t, "bob", f.Metadata["admin_id"])
	}

	eve := c.admin("eve", c.podURL(0))
	refused := c.sees(eve, "s-1", "the refusal", errorOf(c.frame(eve, "admin_join", "s-1")))
	assert.Equal(t, "TAKEN_OVER", refused.Error.Code)
	assert.Equal(t, "bob", refused.Metadata["admin_id"])
	status, body := c.request(c.staffToken("eve"), http.MethodPost, "/chatbox/admin/takeover/s-1", nil)
	assert.Equal(t, http.StatusConflict, status)
	assert.Equal(t, "TAKEN_OVER", body["code"])
	_, err = eve.Send(client.Frame{Type: client.TypeUserMessage, ID: "e-1", SessionID: "s-1", Content: "hello?"})
	require.NoError(t, err)
	assert.Equal(t, "INSUFFICIENT_PERMISSIONS", c.sees(eve, "s-1", "the refusal", errorOf("e-1")).Error.Code)
	assert.Equal(t, "INSUFFICIENT_PERMISSIONS", c.sees(eve, "s-1", "the refusal", errorOf(c.frame(eve, "admin_leave", "s-1"))).Error.Code)

	assert.Equal(t, "NOT_FOUND", c.sees(eve, "s-2", "the refusal", errorOf(c.frame(eve, "admin_leave", "s-2"))).Error.Code)
	assert.Equal(t, "NOT_FOUND", c.sees(eve, "s-2", "the refusal", errorOf(c.frame(eve, "admin_join", "s-2"))).Error.Code)

	leave := c.frame(bob, "admin_leave", "s-1")
	c.sees(bob, "s-1", "ack of leaving", ackOf(leave))
	c.sees(a, "s-1", "admin_leave", ofType("admin_leave"))
	next := c.say(a, "s-1", "and now? [[words=5]]")
	assert.Equal(t, llm.ScriptedText("and now? [[words=5]]"), c.answered(b, "s-1", next))
	require.NoError(t, bob.SendBare(client.Frame{Type: "admin_leave", ID: leave, SessionID: "s-1"}))
	c.sees(bob, "s-1", "ack of the repeat", func(f client.Frame) bool { return f.ID == leave && f.Metadata["duplicate"] == "true" })
	for _, f := range received(bob, "s-1") {
		assert.NotEqual(t, next, f.ID, "his attachment ended with his leaving")
	}
	var answers int
	for _, m := range c.history("ada", "s-1") {
		if m.Type == "ai_response" {
			answers++
		}
	}
	assert.Equal(t, 2, answers, "what was said to the admin stays unanswered by the model")
	c.judge("ada", "s-1", []ledger.Class{ledger.ErrorShown}, a, b)
	c.silent(a, "s-1")
	c.silent(b, "s-1")
}

// Frames without an id come back as their event, on a socket that watches and
// on one that was attached to nothing.
func TestTakeover_WithoutIDs(t *testing.T) {
	c := start(t, 2)
	a := c.device("ada", "s-1", c.podURL(0))
	c.acked(a, "s-1", c.say(a, "s-1", "hello [[words=2]]"))
	bob, eve := c.admin("bob", c.podURL(1)), c.admin("eve", c.podURL(0))
	c.enters(bob, "watch", "s-1")
	for _, d := range []*client.Client{bob, eve} {
		c.control(d, "admin_join", "s-1")
		c.sees(d, "s-1", "his coming", ofType("admin_join"))
		c.control(d, "admin_leave", "s-1")
		c.sees(d, "s-1", "his going", ofType("admin_leave"))
	}
	seen := len(received(eve, "s-1"))
	c.answered(a, "s-1", c.say(a, "s-1", "anybody? [[words=2]]"))
	if n := len(received(eve, "s-1")); n != seen {
		t.Errorf("told %d more", n-seen)
	}
}

func TestTakeover_ByREST(t *testing.T) {
	c := start(t, 2)
	a := c.device("ada", "s-1", c.podURL(0))
	c.answered(a, "s-1", c.say(a, "s-1", "hello [[words=2]]"))
	bob, viewer := c.staffToken("bob"), c.staffToken("vic", "chat_viewer")
	for _, no := range []struct {
		token, method, path string
		status              int
	}{
		{viewer, http.MethodPost, "takeover/s-1", http.StatusForbidden},
		{c.token("ada"), http.MethodPost, "takeover/s-1", http.StatusForbidden},
		{bob, http.MethodPost, "takeover/unknown", http.StatusNotFound},
		{bob, http.MethodDelete, "takeover/s-1", http.StatusForbidden},
		{bob, http.MethodPost, "takeover/unknown/transfer", http.StatusBadRequest},
		{bob, http.MethodPost, "sessions/unknown/end", http.StatusNotFound},
	} {
		status, body := c.request(no.token, no.method, "/chatbox/admin/"+no.path, nil)
		assert.Equal(t, no.status, status, "%s %s: %v", no.method, no.path, body)
	}
	for range 2 { // the same admin again is success
		status, body := c.request(bob, http.MethodPost, "/chatbox/admin/takeover/s-1", nil)
		require.Equal(t, http.StatusOK, status, body)
		assert.Equal(t, "s-1", body["session_id"])
		assert.Equal(t, "bob", body["admin_id"])
	}
	status, body := c.request(bob, http.MethodPost, "/chatbox/admin/sessions/s-1/messages", map[string]string{"id": "m-1", "content": "Good day."})
	require.Equal(t, http.StatusAccepted, status, body)
	f := c.sees(a, "s-1", "the admin's message", func(f client.Frame) bool { return f.ID == "m-1" })
	assert.Equal(t, "admin", f.Sender)
	status, _ = c.request(c.staffToken("eve"), http.MethodPost, "/chatbox/admin/sessions/s-1/messages", map[string]string{"content": "Me too."})
	assert.Equal(t, http.StatusForbidden, status)

	// A colleague must be there to be given a session, and be an admin: neither
	// one who may only read nor a user can serve in it, or leave it.
	c.admin("vic", c.podURL(1), "chat_viewer")
	for _, to := range []string{"eve", "vic", "ada"} {
		status, body = c.request(bob, http.MethodPost, "/chatbox/admin/takeover/s-1/transfer", map[string]string{"admin_id": to})
		assert.Equal(t, http.StatusNotFound, status, "%s: %v", to, body)
		assert.Contains(t, body["message"], "admin_id", to)
	}
	eve := c.admin("eve", c.podURL(1))
	status, body = c.request(bob, http.MethodPost, "/chatbox/admin/takeover/s-1/transfer", map[string]string{"admin_id": "eve", "admin_name": "Eve"})
	require.Equal(t, http.StatusOK, status, body)
	joined := c.sees(a, "s-1", "the colleague", func(f client.Frame) bool { return f.Type == "admin_join" && f.Metadata["admin_id"] == "eve" })
	assert.Equal(t, "Name of eve", joined.Metadata["admin_name"], "as her credential says")
	c.sees(eve, "s-1", "that it is hers", func(f client.Frame) bool {
		return f.Metadata["event"] == "transferred" && f.Metadata["admin_id"] == "bob"
	})
	greeting, err := eve.Send(client.Frame{Type: client.TypeUserMessage, SessionID: "s-1", Content: "It is me now."})
	require.NoError(t, err)
	c.sees(eve, "s-1", "her ack", ackOf(greeting))
	status, _ = c.request(bob, http.MethodDelete, "/chatbox/admin/takeover/s-1", nil)
	assert.Equal(t, http.StatusForbidden, status, "it is not his any more")
	status, _ = c.request(c.staffToken("eve"), http.MethodDelete, "/chatbox/admin/takeover/s-1", nil)
	assert.Equal(t, http.StatusOK, status)
	for range 2 {
		status, body = c.request(bob, http.MethodPost, "/chatbox/admin/sessions/s-1/end", nil)
		require.Equal(t, http.StatusOK, status, body)
		assert.Equal(t, "ended", body["status"])
	}
	c.sees(a, "s-1", "the end", ofType("session_ended"))
	status, body = c.request(bob, http.MethodPost, "/chatbox/admin/takeover/s-1", nil)
	assert.Equal(t, http.StatusConflict, status)
	assert.Equal(t, "SESSION_ENDED", body["code"])
	c.judge("ada", "s-1", nil, a)
}

// A session that was taken over by REST is joined by frame, twice. Each ack has all
// fields of the existing admin_join.
func TestTakeover_JoinedWhereItIsHeld(t *testing.T) {
	c := start(t, 2)
	a := c.device("ada", "s-1", c.podURL(0))
	c.answered(a, "s-1", c.say(a, "s-1", "hello [[words=2]]"))
	status, body := c.request(c.staffToken("bob"), http.MethodPost, "/chatbox/admin/takeover/s-1", nil)
	require.Equal(t, http.StatusOK, status, body)
	coming := c.sees(a, "s-1", "the admin_join", ofType("admin_join"))
	bob := c.admin("bob", c.podURL(1))
	for range 2 {
		join := c.frame(bob, "admin_join", "s-1")
		ack := c.sees(bob, "s-1", "the ack", ackOf(join))
		assert.Equal(t, coming.Seq, ack.Seq)
		assert.Equal(t, coming.Timestamp, ack.Timestamp)
		assert.Equal(t, "true", ack.Metadata["duplicate"])
	}
	question := c.say(a, "s-1", "is it you? [[words=2]]")
	c.sees(bob, "s-1", "the question", func(f client.Frame) bool { return f.ID == question })
	c.judge("ada", "s-1", nil, a)
}

func TestWatch_SeesEverythingAndSaysNothing(t *testing.T) {
	c := start(t, 3)
	a := c.device("ada", "s-1", c.podURL(0))
	vic, bob := c.admin("vic", c.podURL(1), "chat_viewer"), c.admin("bob", c.podURL(2))
	id := c.say(a, "s-1", speech)
	c.streaming(a, "s-1", id, 50)
	for _, w := range []*client.Client{vic, bob} {
		c.enters(w, "watch", "s-1")
	}
	c.sees(vic, "s-1", "a live piece", func(f client.Frame) bool {
		return f.Type == client.TypeAIResponse && f.Metadata["streaming"] == "true" && f.Metadata["snapshot"] == ""
	})
	require.NoError(t, a.SendBare(client.Frame{Type: "typing_indicator", SessionID: "s-1", Metadata: map[string]string{"state": "start"}}))
	c.sees(vic, "s-1", "typing", ofType("typing_indicator"))
	for kind, code := range map[string]string{
		"user_message": "UNAUTHORIZED", "cancel": "UNAUTHORIZED", "admin_join": "INSUFFICIENT_PERMISSIONS",
	} {
		require.NoError(t, vic.SendBare(client.Frame{Type: kind, ID: "v-" + kind, SessionID: "s-1", Content: "psst"}))
		assert.Equal(t, code, c.sees(vic, "s-1", "the refusal of "+kind, errorOf("v-"+kind)).Error.Code)
	}
	stranger := c.device("mallory", "", c.podURL(0))
	assert.Equal(t, "INSUFFICIENT_PERMISSIONS", c.sees(stranger, "s-1", "the refusal", errorOf(c.frame(stranger, "watch", "s-1"))).Error.Code)

	c.frame(bob, "unwatch", "s-1")
	c.frame(bob, "ping", "")
	c.sees(bob, "", "pong", ofType("pong"))
	seen := len(received(bob, "s-1"))
	c.control(a, "cancel", "s-1")
	c.answered(a, "s-1", id)
	c.sees(vic, "s-1", "the final", func(f client.Frame) bool { return f.Type == client.TypeAIResponse && f.Seq == 2 })
	assert.Len(t, received(bob, "s-1"), seen, "nothing after unwatch")

	// A watcher's client reconnects to any pod.
	token := c.staffToken("vic", "chat_viewer")
	again := c.device("vic", "s-1", c.podURL(2), func(cfg *client.Config) {
		cfg.Token = func(context.Context) (string, error) { return token, nil }
	})
	c.sees(again, "s-1", "resumed", ofType(client.TypeResumed))
	c.answered(a, "s-1", c.say(a, "s-1", "more [[words=4]]"))
	c.judge("ada", "s-1", nil, a, again)
}

// The holder is gone: the user is told, and the model answers what nobody has.
func TestGrace_AnAbsentAdminsSessionComesBack(t *testing.T) {
	c := start(t, 3, func(cfg *devstack.Config) { cfg.Conversation.AdminGrace = 2 * time.Second })
	a := c.device("ada", "s-1", c.podURL(0))
	bob := c.admin("bob", c.podURL(1))
	first := c.say(a, "s-1", "hello [[words=2]]")
	c.answered(a, "s-1", first)
	c.frame(bob, "admin_join", "s-1")
	c.sees(a, "s-1", "admin_join", ofType("admin_join"))
	early := c.say(a, "s-1", "nobody answers this [[words=6]]")
	last := c.say(a, "s-1", "nor this [[words=7]]")
	c.acked(a, "s-1", last)
	bob.Drop(time.Hour)
	left := c.sees(a, "s-1", "admin_leave", ofType("admin_leave"))
	assert.Equal(t, "true", left.Metadata["automatic"])
	assert.Equal(t, "bob", left.Metadata["admin_id"])
	assert.Equal(t, llm.ScriptedText("nor this [[words=7]]"), c.answered(a, "s-1", last))
	a.View(func(tr *client.Tracker) { assert.Nil(t, tr.Session("s-1").AnswerTo(early)) })
	c.judge("ada", "s-1", nil, a)
}

// A takeover by an admin who never connects ends too. The interrupted answer is
// given again.
func TestGrace_AlsoWhereNobodyCame(t *testing.T) {
	c := start(t, 2, func(cfg *devstack.Config) { cfg.Conversation.AdminGrace = time.Second })
	a := c.device("ada", "s-1", c.podURL(0))
	question := "tell me [[words=120 delay=5ms]]"
	id := c.say(a, "s-1", question)
	c.streaming(a, "s-1", id, 20)
	status, body := c.request(c.staffToken("bob"), http.MethodPost, "/chatbox/admin/takeover/s-1", nil)
	require.Equal(t, http.StatusOK, status, body)
	c.sees(a, "s-1", "admin_leave", ofType("admin_leave"))
	c.wait(a, "the second answer", func(tr *client.Tracker) bool {
		an := tr.Session("s-1").AnswerTo(id)
		return an != nil && an.Finish == "stop" && an.Shown() == llm.ScriptedText(question)
	})
	c.judge("ada", "s-1", nil, a)
	c.silent(a, "s-1")
}

func TestRetry_AfterATakeover(t *testing.T) {
	c := start(t, 2)
	a := c.device("ada", "s-1", c.podURL(0))
	question := "tell me [[words=120 delay=5ms]]"
	id := c.say(a, "s-1", question)
	c.streaming(a, "s-1", id, 20)
	bob := c.staffToken("bob")
	status, _ := c.request(bob, http.MethodPost, "/chatbox/admin/takeover/s-1", nil)
	require.Equal(t, http.StatusOK, status)
	c.control(a, "retry", "s-1")
	c.wait(a, "the refusal while it is held", func(tr *client.Tracker) bool { return tr.Errors["NOT_FOUND"] == 1 })
	status, _ = c.request(bob, http.MethodDelete, "/chatbox/admin/takeover/s-1", nil)
	require.Equal(t, http.StatusOK, status)
	c.control(a, "retry", "s-1")
	c.wait(a, "the answer anew", func(tr *client.Tracker) bool {
		an := tr.Session("s-1").AnswerTo(id)
		return an != nil && an.Finish == "stop" && an.Shown() == llm.ScriptedText(question)
	})
	c.judge("ada", "s-1", []ledger.Class{ledger.ErrorShown}, a)
}

func TestRedisEmptied_TheSessionStaysWithItsHolder(t *testing.T) {
	c := start(t, 3)
	opts, err := redis.ParseURL(c.stack.RedisURL())
	require.NoError(t, err)
	rdb := redis.NewClient(opts)
	t.Cleanup(func() { _ = rdb.Close() })
	a := c.device("ada", "s-1", c.podURL(0))
	bob := c.admin("bob", c.podURL(1))
	c.answered(a, "s-1", c.say(a, "s-1", "hello [[words=2]]"))
	c.frame(bob, "admin_join", "s-1")
	c.sees(a, "s-1", "admin_join", ofType("admin_join"))
	require.NoError(t, rdb.FlushDB(c.ctx).Err())
	question := c.say(a, "s-1", "are you still there? [[words=3]]")
	c.sees(bob, "s-1", "the question", func(f client.Frame) bool { return f.ID == question })
	reply, err := bob.Send(client.Frame{Type: client.TypeUserMessage, SessionID: "s-1", Content: "Yes."})
	require.NoError(t, err)
	c.sees(a, "s-1", "the reply", func(f client.Frame) bool { return f.ID == reply })
	status, _ := c.request(c.staffToken("eve"), http.MethodPost, "/chatbox/admin/takeover/s-1", nil)
	assert.Equal(t, http.StatusConflict, status)
	c.judge("ada", "s-1", nil, a)
	c.silent(a, "s-1")
}
