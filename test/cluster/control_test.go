package cluster

import (
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"chatbox/cmd/chatload/client"
	"chatbox/cmd/chatload/ledger"
	"chatbox/providers/llm"
)

func (c *cluster) control(d *client.Client, kind, session string) {
	c.t.Helper()
	if err := d.SendBare(client.Frame{Type: kind, SessionID: session}); err != nil {
		c.t.Fatal(err)
	}
}

func TestCancel_KeepsWhatWasShownAndAnswersTheNextAtOnce(t *testing.T) {
	c := start(t, 3)
	a, b := c.device("ada", "s-1", c.podURL(0)), c.device("ada", "s-1", c.podURL(1))
	long := "tell me [[words=3000 delay=5ms]]"
	id := c.say(a, "s-1", long)
	c.streaming(b, "s-1", id, 100)
	next := c.say(a, "s-1", "and then [[words=5]]")
	c.acked(a, "s-1", next)
	c.control(b, "cancel", "s-1") // from whichever pod
	text := c.answered(a, "s-1", id)
	if text == "" || !strings.HasPrefix(llm.ScriptedText(long), text) {
		t.Errorf("kept %q", text)
	}
	if got := c.answered(b, "s-1", next); got != llm.ScriptedText("and then [[words=5]]") {
		t.Errorf("the next answer is %q", got)
	}
	c.control(a, "cancel", "s-1") // nothing runs: no effect, no error
	c.answered(a, "s-1", c.say(a, "s-1", "still there? [[words=1]]"))
	c.judge("ada", "s-1", nil, a, b)
	if m := c.history("ada", "s-1")[2]; m.Status != "cancelled" || m.Content != text {
		t.Errorf("stored %s %q", m.Status, m.Content)
	}
}

func TestRetry_AnswersTheSameMessageAnew(t *testing.T) {
	c := start(t, 3)
	a, b := c.device("ada", "s-1", c.podURL(0)), c.device("ada", "s-1", c.podURL(1))
	id := c.say(a, "s-1", "tell me [[words=300 delay=5ms]]")
	c.streaming(b, "s-1", id, 100)
	c.control(b, "cancel", "s-1")
	c.answered(a, "s-1", id)
	var first string
	a.View(func(tr *client.Tracker) { first = tr.Session("s-1").AnswerTo(id).ID })
	c.control(a, "retry", "s-1")
	for _, d := range []*client.Client{a, b} {
		c.wait(d, "the second answer", func(tr *client.Tracker) bool {
			an := tr.Session("s-1").AnswerTo(id)
			return an.ID != first && an.Seq > 0 && an.Finish == "stop" && an.ReplyTo == id
		})
	}
	c.control(a, "retry", "s-1") // it went well: there is nothing to retry
	c.wait(a, "the refusal", func(tr *client.Tracker) bool { return tr.Errors["NOT_FOUND"] == 1 })
	c.judge("ada", "s-1", []ledger.Class{ledger.ErrorShown}, a, b)
}

func TestRetry_AfterAFailureWithoutAPiece(t *testing.T) {
	c := start(t, 2)
	d := c.device("ada", "s-1", c.podURL(0))
	id := c.say(d, "s-1", "tell me [[fail]]")
	c.answered(d, "s-1", id)
	c.control(d, "retry", "s-1")
	c.wait(d, "the second failure", func(tr *client.Tracker) bool { return tr.Errors["LLM_UNAVAILABLE"] == 2 })
}

func TestRedisEmptied_TalkGoesOn(t *testing.T) {
	c := start(t, 3)
	opts, err := redis.ParseURL(c.stack.RedisURL())
	if err != nil {
		t.Fatal(err)
	}
	rdb := redis.NewClient(opts)
	t.Cleanup(func() { _ = rdb.Close() })
	a, b := c.device("ada", "s-1", c.podURL(0)), c.device("ada", "s-1", c.podURL(1))
	id := c.say(a, "s-1", long)
	c.streaming(b, "s-1", id, 100)
	if err := rdb.FlushDB(c.ctx).Err(); err != nil {
		t.Fatal(err)
	}
	for _, d := range []*client.Client{a, b} {
		if got := c.answered(d, "s-1", id); got != llm.ScriptedText(long) {
			t.Errorf("shown %q", got)
		}
	}
	if err := rdb.FlushDB(c.ctx).Err(); err != nil {
		t.Fatal(err)
	}
	c.answered(b, "s-1", c.say(a, "s-1", "and now [[words=3]]"))
	c.judge("ada", "s-1", nil, a, b)
}
