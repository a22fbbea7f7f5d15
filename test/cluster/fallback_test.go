package cluster

import (
	"context"
	"encoding/base64"
	"testing"

	"github.com/redis/go-redis/v9"

	"chatbox/cmd/chatload/client"
	"chatbox/providers/llm"
)

// hot is a session's copy in Redis, seen from outside.
type hot struct {
	c   *cluster
	rdb *redis.Client
	ctx context.Context
}

func (c *cluster) hot() *hot {
	c.t.Helper()
	opts, err := redis.ParseURL(c.stack.RedisURL())
	if err != nil {
		c.t.Fatal(err)
	}
	rdb := redis.NewClient(opts)
	c.t.Cleanup(func() { _ = rdb.Close() })
	return &hot{c: c, rdb: rdb, ctx: c.ctx}
}

// key names one of the session's keys, by the letter of the key table.
func (h *hot) key(kind, session string) string {
	h.c.t.Helper()
	keys, err := h.rdb.Keys(h.ctx, "cb:{*}:"+kind+":*."+base64.RawURLEncoding.EncodeToString([]byte(session))).Result()
	if err != nil || len(keys) != 1 {
		h.c.t.Fatal(kind, keys, err)
	}
	return keys[0]
}

// keep remembers head, fold and hot log; the function it returns puts them
// back, as a failover does that loses what came after.
func (h *hot) keep(session string) (fallBack func()) {
	h.c.t.Helper()
	state, log, index := h.key("s", session), h.key("l", session), h.key("k", session)
	fields, err := h.rdb.HGetAll(h.ctx, state).Result()
	if err != nil {
		h.c.t.Fatal(err)
	}
	entries := h.rdb.LLen(h.ctx, log).Val()
	places := h.rdb.HGetAll(h.ctx, index).Val()
	return func() {
		h.c.t.Helper()
		_, err := h.rdb.TxPipelined(h.ctx, func(p redis.Pipeliner) error {
			p.Del(h.ctx, state, index)
			p.HSet(h.ctx, state, fields)
			p.HSet(h.ctx, index, places)
			p.LTrim(h.ctx, log, 0, entries-1)
			return nil
		})
		if err != nil {
			h.c.t.Fatal(err)
		}
	}
}

func TestRedisFallenBack_ResumeKnowsTheHistory(t *testing.T) {
	c := start(t, 3)
	h := c.hot()
	a, b := c.device("ada", "s-1", c.podURL(0)), c.device("ada", "s-1", c.podURL(1))
	c.answered(a, "s-1", c.say(a, "s-1", "one [[words=3]]"))
	fallBack := h.keep("s-1")
	id := c.say(a, "s-1", "two [[words=3]]")
	c.answered(a, "s-1", id)
	c.answered(b, "s-1", id)
	fallBack()
	a.Drop(0) // comes back having seen more than Redis has
	c.wait(a, "the resume", func(tr *client.Tracker) bool { return tr.Session("s-1").Resumes > 1 })
	a.View(func(tr *client.Tracker) {
		if s := tr.Session("s-1"); len(s.Gaps) > 0 || s.LastSeq != 4 {
			t.Errorf("resumed at %d with gaps %v", s.LastSeq, s.Gaps)
		}
	})
	fallBack()
	late := c.device("ada", "s-1", c.podURL(1)) // where another socket has seen more than Redis has
	c.wait(late, "the attachment", func(tr *client.Tracker) bool { s := tr.Session("s-1"); return s != nil && s.Resumes > 0 })
	fallBack()
	c.answered(late, "s-1", c.say(late, "s-1", "three [[words=3]]")) // decided again, after the earlier messages
	c.judge("ada", "s-1", nil, a, b, late)
}

func TestRedisFallenBack_EndedStaysEnded(t *testing.T) {
	c := start(t, 2)
	h := c.hot()
	a := c.device("ada", "s-1", c.podURL(0))
	c.answered(a, "s-1", c.say(a, "s-1", "one [[words=3]]"))
	fallBack := h.keep("s-1")
	if err := c.rest("ada").End(c.ctx, "s-1"); err != nil {
		t.Fatal(err)
	}
	c.wait(a, "the end", func(tr *client.Tracker) bool { return tr.Session("s-1").Ended })
	fallBack()
	late := c.device("ada", "", c.podURL(1))
	c.say(late, "s-1", "nevertheless")
	c.wait(late, "the refusal", func(tr *client.Tracker) bool { return tr.Errors["SESSION_ENDED"] > 0 })
	if got := c.history("ada", "s-1"); got[len(got)-1].Type != client.TypeSessionEnded {
		t.Errorf("a %s follows the end", got[len(got)-1].Type)
	}
}

func TestRedisFallenBack_AnAnswerTakenUpBeginsWithASnapshot(t *testing.T) {
	c := start(t, 3)
	h := c.hot()
	d := c.device("ada", "s-1", c.stack.URL())
	if _, err := d.Send(client.Frame{Type: client.TypeModelSelect, SessionID: "s-1", ModelID: "other"}); err != nil {
		t.Fatal(err)
	}
	id := c.say(d, "s-1", long)
	c.streaming(d, "s-1", id, 300)
	if err := c.stack.KillPod(c.generating()); err != nil {
		t.Fatal(err)
	}
	// Its last pieces are lost with the master, before anybody takes the lease.
	state, pieces := h.key("s", "s-1"), h.key("o", "s-1")
	if _, err := h.rdb.TxPipelined(c.ctx, func(p redis.Pipeliner) error {
		p.LTrim(c.ctx, pieces, 0, -4)
		p.HIncrBy(c.ctx, state, "oi", -3)
		p.HSet(c.ctx, state, "oe", "of the master before")
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if got := c.answered(d, "s-1", id); got != llm.ScriptedText(long) {
		t.Errorf("shown %q", got)
	}
	c.judge("ada", "s-1", nil, d)
}
