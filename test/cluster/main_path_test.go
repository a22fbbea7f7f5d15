package cluster

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"chatbox"
	"chatbox/app/answer"
	"chatbox/app/devstack"
	"chatbox/cmd/chatload/client"
	"chatbox/cmd/chatload/ledger"
	"chatbox/providers/llm"
)

const long = "tell me [[words=150 delay=5ms]]"

func TestAnswer_SeenAlikeByDevicesOnThreePods(t *testing.T) {
	c := start(t, 3)
	a := c.device("ada", "s-1", c.podURL(0))
	id := c.say(a, "s-1", long)
	b := c.device("ada", "s-1", c.podURL(1))
	c.streaming(b, "s-1", id, 50)
	a.Drop(0)
	third := c.device("ada", "s-1", c.podURL(2))
	want := llm.ScriptedText(long)
	for i, d := range []*client.Client{a, b, third} {
		if got := c.answered(d, "s-1", id); got != want {
			t.Errorf("device %d shows %d bytes, the model said %d", i, len(got), len(want))
		}
	}
	c.judge("ada", "s-1", nil, a, b, third)
}

func TestKill_AnswerIsFinishedElsewhereOnce(t *testing.T) {
	c := start(t, 3)
	for round := range 3 {
		session := fmt.Sprintf("s-%d", round)
		d := c.device("ada", session, c.stack.URL())
		id := c.say(d, session, long)
		c.streaming(d, session, id, 100)
		victim := c.generating()
		if err := c.stack.KillPod(victim); err != nil {
			t.Fatal(err)
		}
		if got := c.answered(d, session, id); got != llm.ScriptedText(long) {
			t.Errorf("shown %q", got)
		}
		c.judge("ada", session, nil, d)
		if err := c.stack.StartPod(c.ctx, victim); err != nil {
			t.Fatal(err)
		}
	}
}

func TestKill_ContinuesAtThePrefixWhereTheModelCan(t *testing.T) {
	c := start(t, 3)
	d := c.device("ada", "s-1", c.stack.URL())
	if _, err := d.Send(client.Frame{Type: client.TypeModelSelect, SessionID: "s-1", ModelID: "other"}); err != nil {
		t.Fatal(err)
	}
	id := c.say(d, "s-1", long)
	c.streaming(d, "s-1", id, 100)
	if err := c.stack.KillPod(c.generating()); err != nil {
		t.Fatal(err)
	}
	if got := c.answered(d, "s-1", id); got != llm.ScriptedText(long) {
		t.Errorf("shown %q", got)
	}
	d.View(func(tr *client.Tracker) {
		if n := tr.Session("s-1").AnswerTo(id).Restarts; n != 0 {
			t.Errorf("the answer was begun again %d times", n)
		}
	})
	c.judge("ada", "s-1", nil, d)
}

func TestDrain_AnswerAndClientsMoveOn(t *testing.T) {
	c := start(t, 3)
	d := c.device("ada", "s-1", c.stack.URL())
	id := c.say(d, "s-1", "tell me [[words=1500 delay=5ms]]")
	c.streaming(d, "s-1", id, 100)
	if err := c.stack.DrainPod(c.ctx, c.generating()); err != nil {
		t.Fatal(err)
	}
	c.answered(d, "s-1", id)
	c.judge("ada", "s-1", nil, d)
}

func TestOrder_ManySendersOnThreePodsMakeOneOrder(t *testing.T) {
	c := start(t, 3)
	const senders, each = 6, 4
	devices := make([]*client.Client, senders)
	first := c.device("ada", "s-1", c.podURL(0))
	c.acked(first, "s-1", c.say(first, "s-1", "hello [[words=1]]"))
	var wg sync.WaitGroup
	for i := range senders {
		devices[i] = c.device("ada", "s-1", c.podURL(i%3))
	}
	for _, d := range devices {
		wg.Go(func() {
			for range each {
				c.say(d, "s-1", "more [[words=2]]")
			}
		})
	}
	wg.Wait()
	for _, d := range devices {
		c.wait(d, "all answers", func(t *client.Tracker) bool {
			s := t.Session("s-1")
			return s != nil && s.Unacked() == 0 && s.LastSeq >= 2*(senders*each+1)
		})
	}
	// A frame that lost its place eight times is refused for the moment, and is
	// repeated: that is the contract's word for a session this crowded.
	c.judge("ada", "s-1", []ledger.Class{ledger.ErrorShown}, append(devices, first)...)
	if got := len(c.history("ada", "s-1")); got != 2*(senders*each+1) {
		t.Errorf("history has %d events", got)
	}
}

func TestRepeat_OneEffectWhereverItArrives(t *testing.T) {
	c := start(t, 3)
	a := c.device("ada", "s-1", c.podURL(0))
	c.acked(a, "s-1", c.say(a, "s-1", "first [[words=1]]"))
	b := c.device("ada", "s-1", c.podURL(1))
	d := c.device("ada", "s-1", c.podURL(2))
	const id = "the-same"
	var seqs [3]int64
	var wg sync.WaitGroup
	for i, dev := range []*client.Client{a, b, d} {
		wg.Go(func() {
			for range 3 {
				_, _ = dev.Send(client.Frame{Type: client.TypeUserMessage, ID: id, SessionID: "s-1", Content: "once [[words=1]]"})
			}
			seqs[i] = c.acked(dev, "s-1", id)
		})
	}
	wg.Wait()
	if seqs[0] != seqs[1] || seqs[1] != seqs[2] {
		t.Errorf("acked at %v", seqs)
	}
	c.answered(a, "s-1", id)
	n := 0
	for _, m := range c.history("ada", "s-1") {
		if m.ID == id {
			n++
		}
	}
	if n != 1 {
		t.Errorf("the message is %d times in the history", n)
	}
}

func TestForeignSession_NoEffectOnItsOwner(t *testing.T) {
	c := start(t, 3)
	ada := c.device("ada", "s-1", c.podURL(0))
	c.answered(ada, "s-1", c.say(ada, "s-1", "mine [[words=3]]"))
	eve := c.device("eve", "", c.podURL(1))
	if _, err := eve.Send(client.Frame{Type: client.TypeUserMessage, ID: "x1", SessionID: "s-1", Content: "let me in"}); err != nil {
		t.Fatal(err)
	}
	c.wait(eve, "the refusal", func(tr *client.Tracker) bool {
		s := tr.Session("s-1")
		return s != nil && s.Sent["x1"] != nil && s.Sent["x1"].Code == "UNAUTHORIZED"
	})
	c.answered(ada, "s-1", c.say(ada, "s-1", "still here [[words=3]]"))
	c.judge("ada", "s-1", nil, ada)
	if got := len(c.history("ada", "s-1")); got != 4 {
		t.Errorf("history has %d events, want 4", got)
	}
	if _, err := c.rest("eve").History(c.ctx, "s-1"); err == nil || !strings.Contains(err.Error(), "404") {
		t.Errorf("eve reads: %v", err)
	}
}

func TestEnd_NothingFollows(t *testing.T) {
	c := start(t, 3)
	d := c.device("ada", "s-1", c.podURL(0))
	id := c.say(d, "s-1", "tell me [[words=2000 delay=5ms]]")
	c.streaming(d, "s-1", id, 50)
	for range 2 { // idempotent
		if err := c.rest("ada").End(c.ctx, "s-1"); err != nil {
			t.Fatal(err)
		}
	}
	c.wait(d, "session_ended", func(tr *client.Tracker) bool { s := tr.Session("s-1"); return s != nil && s.Ended })
	after, err := d.Send(client.Frame{Type: client.TypeUserMessage, SessionID: "s-1", Content: "hello?"})
	if err != nil {
		t.Fatal(err)
	}
	c.wait(d, "the refusal", func(tr *client.Tracker) bool {
		r := tr.Session("s-1").Sent[after]
		return r != nil && r.Code == "SESSION_ENDED"
	})
	msgs := c.history("ada", "s-1")
	if n := len(msgs); n != 3 || msgs[1].Status != "cancelled" || msgs[2].Type != "session_ended" {
		t.Errorf("history: %+v", msgs)
	}
	c.judge("ada", "s-1", []ledger.Class{ledger.ErrorShown}, d)
}

func TestFailure_KeptPartAndOneErrorForEverySocket(t *testing.T) {
	c := start(t, 2)
	a := c.device("ada", "s-1", c.podURL(0))
	b := c.device("ada", "s-1", c.podURL(1))
	id := c.say(a, "s-1", "tell me [[words=50 truncate=10]]")
	for _, d := range []*client.Client{a, b} {
		c.wait(d, "the failure", func(tr *client.Tracker) bool {
			s := tr.Session("s-1")
			if s == nil {
				return false
			}
			an := s.AnswerTo(id)
			return an != nil && an.Seq > 0 && an.Finish == "error" && !an.FailedAt.IsZero()
		})
	}
	none := c.say(a, "s-1", "tell me [[fail]]")
	c.wait(b, "the failure without a piece", func(tr *client.Tracker) bool {
		an := tr.Session("s-1").AnswerTo(none)
		return an != nil && an.Seq == 0 && !an.FailedAt.IsZero()
	})
	c.judge("ada", "s-1", []ledger.Class{ledger.ErrorShown}, a, b)
	if got := len(c.history("ada", "s-1")); got != 3 {
		t.Errorf("history has %d events, want 3", got)
	}
}

// narrowed offers the given models, like a pod that was restarted with fewer
// models.
type narrowed struct {
	answer.LLM

	offered atomic.Pointer[[]chatbox.Model]
}

func (n *narrowed) Models() []chatbox.Model {
	if m := n.offered.Load(); m != nil {
		return *m
	}
	return n.LLM.Models()
}

// A frame that was accepted while its model was offered is still acked when it is
// repeated later.
func TestRepeat_OfAModelThatIsGone(t *testing.T) {
	var models narrowed
	c := start(t, 2, func(cfg *devstack.Config) { models.LLM, cfg.LLM = cfg.LLM, &models })
	choose := client.Frame{Type: client.TypeModelSelect, ID: "m-1", SessionID: "s-1", ModelID: "other"}
	a := c.device("ada", "", c.podURL(0))
	require.NoError(t, a.SendBare(choose))
	c.sees(a, "s-1", "the ack", func(f client.Frame) bool { return f.Type == client.TypeAck && f.ID == "m-1" })
	models.offered.Store(&[]chatbox.Model{{ID: "fast", Name: "Fast"}})

	for i, pod := range []int{0, 1} {
		d := c.device("ada", "", c.podURL(pod))
		require.NoError(t, d.SendBare(choose))
		again := c.sees(d, "s-1", "the second ack", func(f client.Frame) bool { return f.ID == "m-1" && f.Type != client.TypeModelSelect })
		assert.Equal(t, client.TypeAck, again.Type, "on device %d", i)
		assert.EqualValues(t, 1, again.Seq)
	}
	other := choose
	other.Content, other.ModelID = "", "unheard-of"
	require.NoError(t, a.SendBare(other))
	refused := c.sees(a, "s-1", "the refusal", errorOf("m-1"))
	assert.Contains(t, refused.Error.Message, "id:", "the id is taken, whatever else is wrong")
	other.ID = "m-2"
	require.NoError(t, a.SendBare(other))
	refused = c.sees(a, "s-1", "the refusal", errorOf("m-2"))
	assert.Contains(t, refused.Error.Message, "model_id")
	assert.Len(t, c.history("ada", "s-1"), 1)
}
