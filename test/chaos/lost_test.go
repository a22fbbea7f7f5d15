package chaos

import (
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"chatbox/app/devstack"
	"chatbox/cmd/chatload/client"
)

// quiet leaves only what a test is about: no look at the history for pending
// turns and no comparing of positions.
func quiet(cfg *devstack.Config) {
	cfg.Answer.PendingEvery, cfg.Live.CheckEvery = time.Hour, time.Hour
}

// mortal bounds how long a killed pod retries its last operation.
func mortal(cfg *devstack.Config) { cfg.Log.AckWait = 2 * time.Second }

func (s *stage) met(f *fault) {
	s.t.Helper()
	select {
	case <-f.met:
	case <-time.After(patience):
		s.t.Fatalf("%v was not met", f)
	}
}

// applied waits until an operation of the history that is held has taken
// effect: what is still on its way dies with its pod.
func (s *stage) applied(f *fault) {
	s.t.Helper()
	select {
	case <-f.applied:
	case <-time.After(patience):
		s.t.Fatalf("%v was not applied", f)
	}
}

// acked waits for the message's ack and returns its seq.
func (s *stage) acked(d *client.Client, session, id string) (seq int64) {
	s.t.Helper()
	s.wait(d, "ack of "+id, func(t *client.Tracker) bool {
		if x := t.Session(session); x != nil && x.Sent[id] != nil {
			seq = x.Sent[id].Seq
		}
		return seq > 0
	})
	return seq
}

func stored(history []client.Message, id string) (n int) {
	for _, m := range history {
		if m.ID == id {
			n++
		}
	}
	return n
}

// An insert that was applied and whose reply was lost is found by its key: by
// the append's own next try, and by a repeat that comes to another pod.
func TestLostReply_OfAnInsertIsARepeat(t *testing.T) {
	s := start(t, newPlan())
	a, b := s.device("ada", "s-1", s.podURL(0)), s.device("ada", "s-1", s.podURL(1))
	s.attached(a, "s-1")
	for _, text := range []string{"first [[words=2]]", "second [[words=2]]"} { // the first one creates the session
		lost := s.plan.next("append", 1, loseReply)
		f := client.Frame{Type: client.TypeUserMessage, ID: client.NewID(), SessionID: "s-1", Content: text}
		for _, d := range []*client.Client{a, b} {
			if _, err := d.Send(f); err != nil {
				t.Fatal(err)
			}
		}
		s.met(lost)
		if x, y := s.acked(a, "s-1", f.ID), s.acked(b, "s-1", f.ID); x != y {
			t.Errorf("acked at %d and at %d", x, y)
		}
		s.answered(a, "s-1", f.ID)
	}
	s.settled(a, b)
	if history := s.judge("ada", "s-1", a, b); len(history) != 4 {
		t.Errorf("history has %d events, want 4", len(history))
	}
}

// A pod that dies with the reply to its insert leaves a durable message
// without an ack: the client's repeat gets it elsewhere.
func TestLostReply_AndThePodWithIt(t *testing.T) {
	s := start(t, newPlan(), mortal)
	b := s.device("ada", "s-1", s.podURL(1))
	s.attached(b, "s-1")
	s.answered(b, "s-1", s.say(b, "s-1", "hello [[words=2]]"))
	a := s.device("ada", "s-1", s.podURL(0), s.podURL(2))
	s.attached(a, "s-1")
	held := s.plan.next("append", 1, hold)
	id := s.say(a, "s-1", "again [[words=2]]")
	s.applied(held)
	done := s.killServing(a)
	s.acked(a, "s-1", id)
	close(held.gate)
	done()
	s.answered(b, "s-1", id)
	s.settled(a, b)
	if n := stored(s.judge("ada", "s-1", a, b), id); n != 1 {
		t.Errorf("the message is %d times in the history", n)
	}
}

// killServing kills the pod that the device is connected to; done waits until
// it is gone.
func (s *stage) killServing(d *client.Client) (done func()) {
	s.t.Helper()
	name := ""
	for _, e := range d.Transcript() {
		if e.Frame.Type == client.TypeConnectionStatus {
			name = e.Frame.Metadata["pod"]
		}
	}
	for _, p := range s.stack.Pods() {
		if string(p.ID) == name {
			var wg sync.WaitGroup
			wg.Go(func() {
				if err := s.stack.KillPod(p.ID); err != nil {
					s.t.Error(err)
				}
			})
			return wg.Wait
		}
	}
	s.t.Fatalf("no pod %q", name)
	return nil
}

// A publish that was applied and whose reply was lost says "already there"
// when it is repeated: nobody gets the event twice, of users and of the model.
func TestLostReply_OfAPublishIsNoSecondEvent(t *testing.T) {
	s := start(t, newPlan())
	a, b := s.device("ada", "s-1", s.podURL(0)), s.device("ada", "s-1", s.podURL(1))
	s.attached(a, "s-1")
	s.attached(b, "s-1")
	lost := []*fault{s.plan.next("publish", 1, loseReply)}
	first := s.say(a, "s-1", "first [[words=2]]")
	s.acked(a, "s-1", first)
	s.answered(b, "s-1", first)
	lost = append(lost, s.plan.next("publish", 1, loseReply), s.plan.next("publish", 3, loseReply)) // with its retries: the message, the final
	second := s.say(b, "s-1", "second [[words=2]]")
	s.answered(a, "s-1", second)
	for _, f := range lost {
		s.met(f)
	}
	s.settled(a, b)
	if history := s.judge("ada", "s-1", a, b); len(history) != 4 {
		t.Errorf("history has %d events, want 4", len(history))
	}
	for _, key := range s.redis.Keys() {
		if strings.Contains(key, ":l:") {
			if entries, err := s.redis.List(key); err != nil || len(entries) != 4 {
				t.Errorf("the hot log has %d entries, want 4 (%v)", len(entries), err)
			}
		}
	}
}

// A pod that dies between insert and publish leaves an intent: a sweeper of
// another pod publishes the event, though nothing else looks for it.
func TestCrash_BetweenInsertAndPublishIsHealedByTheSweep(t *testing.T) {
	for _, name := range []string{"FirstMessage", "LaterMessage"} {
		t.Run(name, func(t *testing.T) {
			s := start(t, newPlan(), quiet, mortal)
			a, b := s.device("ada", "s-1", s.podURL(0)), s.device("ada", "s-1", s.podURL(1))
			s.attached(a, "s-1")
			s.attached(b, "s-1")
			if name == "LaterMessage" {
				s.answered(b, "s-1", s.say(a, "s-1", "hello [[words=2]]"))
			}
			held := s.plan.next("append", 1, hold)
			id := s.say(a, "s-1", "left behind [[words=2]]")
			s.applied(held)
			began := time.Now()
			done := s.killServing(a)
			s.sees(b, "s-1", id)
			t.Logf("shown %v after the crash", time.Since(began).Round(time.Millisecond))
			s.answered(b, "s-1", id)
			close(held.gate)
			done()
			s.settled(b)
			s.judge("ada", "s-1", b)
		})
	}
}

// A socket receives the events between its subscription and the end of its read,
// for any result of the read. In this test no later event reveals a missing one.
func TestJoin_HearsWhatHappensWhileItReads(t *testing.T) {
	s := start(t, newPlan(), quiet, func(cfg *devstack.Config) { cfg.Redis.CommandTimeout = patience }) // or the read would be repeated
	a := s.device("ada", "s-1", s.podURL(0))
	s.attached(a, "s-1")
	s.answered(a, "s-1", s.say(a, "s-1", "hello [[words=2]]"))
	s.settled(a)
	held := s.plan.next("tail", 1, hold)
	b := s.device("ada", "s-1", s.podURL(1))
	s.met(held)
	id, err := a.Send(client.Frame{Type: client.TypeModelSelect, SessionID: "s-1", ModelID: "goes-on"})
	if err != nil {
		t.Fatal(err)
	}
	s.acked(a, "s-1", id)
	close(held.gate)
	s.attached(b, "s-1")
	s.sees(b, "s-1", id)
	s.judge("ada", "s-1", a, b)
}

// A session's end is where its head is: the pod that published it lost the
// reply, and nobody writes behind it.
func TestLostReply_OfAnEndEndsTheSession(t *testing.T) {
	s := start(t, newPlan(), quiet)
	a, b := s.device("ada", "s-1", s.podURL(0)), s.device("ada", "s-1", s.podURL(1))
	s.attached(a, "s-1")
	s.attached(b, "s-1")
	s.answered(b, "s-1", s.say(a, "s-1", "hello [[words=2]]"))
	s.settled(a, b)
	lost := s.plan.next("publish", 1, loseReply)
	if err := s.rest("ada").End(s.ctx, "s-1"); err != nil {
		t.Fatal(err)
	}
	s.met(lost)
	for _, d := range []*client.Client{a, b} {
		s.wait(d, "session_ended", func(t *client.Tracker) bool { return t.Session("s-1").Ended })
		id := s.say(d, "s-1", "hello?")
		code := ""
		s.wait(d, "the refusal", func(t *client.Tracker) bool {
			if r := t.Session("s-1").Sent[id]; r != nil {
				code = r.Code
			}
			return code != ""
		})
		if code != client.CodeSessionEnded {
			t.Errorf("refused with %s, want %s", code, client.CodeSessionEnded)
		}
	}
	if history := s.judge("ada", "s-1", a, b); history[len(history)-1].Type != client.TypeSessionEnded {
		t.Errorf("the history ends in %+v", history[len(history)-1])
	}
}

// A worker that has lost its lease without knowing shows nothing more, neither to
// attached sockets nor to sockets that attach after the answer's end.
func TestLease_WhoLostItIsHeardNoMore(t *testing.T) {
	s := start(t, newPlan())
	a := s.device("ada", "s-1", s.podURL(0))
	s.attached(a, "s-1")
	id := s.say(a, "s-1", "tell me [[words=500 delay=5ms]]")
	s.wait(a, "some of the answer", func(t *client.Tracker) bool {
		n := answerOf(t, "s-1", id)
		return n != nil && len(n.Shown()) > 100
	})
	if err := a.SendBare(client.Frame{Type: client.TypeCancel, SessionID: "s-1"}); err != nil {
		t.Fatal(err)
	}
	s.answered(a, "s-1", id)
	b, c := s.device("ada", "s-1", s.podURL(1)), s.device("ada", "s-1", s.podURL(2))
	s.attached(b, "s-1")
	s.attached(c, "s-1")
	s.settled(a, b, c)
	history := s.judge("ada", "s-1", a, b, c)
	if i := slices.IndexFunc(history, func(m client.Message) bool { return m.Status == "cancelled" }); len(history) != 2 || i != 1 {
		t.Errorf("history: %+v", history)
	}
}

// If a pod dies with the ack of a takeover, the admin repeats the takeover on
// another pod and receives the user's messages there.
func TestLostReply_OfATakeoverTheRepeatHears(t *testing.T) {
	s := start(t, newPlan(), mortal)
	a := s.device("ada", "s-1", s.podURL(1))
	s.attached(a, "s-1")
	s.answered(a, "s-1", s.say(a, "s-1", "hello [[words=2]]"))
	bob, stop := s.client(client.Config{URLs: []string{s.podURL(0), s.podURL(2)}, Token: s.staffToken("bob")})
	t.Cleanup(stop)
	s.wait(bob, "greeting", func(t *client.Tracker) bool { return t.Greeted() })
	held := s.plan.next("append", 1, hold)
	join, err := bob.Send(client.Frame{Type: client.TypeAdminJoin, SessionID: "s-1"})
	if err != nil {
		t.Fatal(err)
	}
	s.applied(held)
	done := s.killServing(bob)
	s.acked(bob, "s-1", join)
	close(held.gate)
	done()
	s.sees(bob, "s-1", s.say(a, "s-1", "is anybody there? [[words=2]]"))
	history := s.judge("ada", "s-1", a)
	for _, bad := range alongHistory("bob", "s-1", history, bob.Transcript()) {
		t.Error(bad)
	}
}
