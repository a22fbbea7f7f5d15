package chaos

import (
	"encoding/base64"
	"testing"
	"time"

	"chatbox"
	"chatbox/app/devstack"
	"chatbox/cmd/chatload/client"
)

const (
	typeAdminJoin  = "admin_join"
	typeAdminLeave = "admin_leave"
)

// impatient is a grace time that tests can wait for.
func impatient(cfg *devstack.Config) { cfg.Conversation.AdminGrace = time.Second }

// admin runs a client of the admin until stop is called.
func (s *stage) admin(id string, urls ...string) (d *client.Client, stop func()) {
	s.t.Helper()
	d, stop = s.client(client.Config{URLs: urls, Token: s.staffToken(id)})
	s.t.Cleanup(stop)
	s.wait(d, "greeting", func(t *client.Tracker) bool { return t.Greeted() })
	return d, stop
}

// meet connects the user ada to a session of that user, and the admin bob, each
// through another pod. bob stays connected until stop is called.
func (s *stage) meet() (ada, bob *client.Client, stop func()) {
	s.t.Helper()
	ada = s.device("ada", "s-1", s.podURL(1))
	s.attached(ada, "s-1")
	bob, stop = s.admin("bob", s.podURL(0))
	return ada, bob, stop
}

// underway asks for an answer that takes a while, and waits until some of it was
// shown.
func (s *stage) underway(d *client.Client) (id string) {
	s.t.Helper()
	id = s.say(d, "s-1", "tell me [[words=200 delay=5ms]]")
	s.wait(d, "some of the answer", func(t *client.Tracker) bool { n := answerOf(t, "s-1", id); return n != nil && n.Shown() != "" })
	return id
}

// frame sends an admin's frame.
func (s *stage) frame(d *client.Client, kind, session string) string {
	s.t.Helper()
	id, err := d.Send(client.Frame{Type: kind, SessionID: session})
	if err != nil {
		s.t.Fatal(err)
	}
	return id
}

// told waits until the device was told so many events of the type.
func (s *stage) told(d *client.Client, session, kind string, times int) {
	s.t.Helper()
	s.wait(d, kind, func(t *client.Tracker) bool {
		n := 0
		for _, e := range t.Session(session).Events {
			if e.Type == kind {
				n++
			}
		}
		return n >= times
	})
}

// answeredAnew waits until the model has answered the message in full.
func (s *stage) answeredAnew(d *client.Client, session, id string) {
	s.t.Helper()
	s.wait(d, "the whole answer to "+id, func(t *client.Tracker) bool {
		a := answerOf(t, session, id)
		return a != nil && a.Finish == "stop"
	})
}

// The pod of a takeover dies before the session's record names the holder. The
// sweep finds the absent holder nevertheless.
func TestGrace_OfATakeoverThatItsPodDidNotRecord(t *testing.T) {
	s := start(t, newPlan(), quiet, mortal, impatient)
	a, bob, stop := s.meet()
	id := s.underway(a)
	lost := s.plan.next("touch", 2, late) // the final's comes first
	s.frame(bob, typeAdminJoin, "s-1")
	s.told(a, "s-1", typeAdminJoin, 1)
	s.met(lost)
	done := s.killServing(bob)
	stop()
	s.told(a, "s-1", typeAdminLeave, 1)
	s.answeredAnew(a, "s-1", id)
	close(lost.gate)
	done()
	s.judge("ada", "s-1", a)
}

// The history has the final of an interrupted answer before the turn is settled.
// The admin who interrupted it may disappear in between.
func TestGrace_AnswersWhatWasCutOffAndNotSettled(t *testing.T) {
	s := start(t, newPlan(), quiet, impatient)
	a, bob, stop := s.meet()
	id := s.underway(a)
	lost := s.plan.next("settle turn", 1, refuse)
	s.frame(bob, typeAdminJoin, "s-1")
	s.told(a, "s-1", typeAdminJoin, 1)
	s.met(lost)
	stop()
	s.told(a, "s-1", typeAdminLeave, 1)
	s.answeredAnew(a, "s-1", id)
	s.judge("ada", "s-1", a)
}

// A message that was not answered when one admin handed the session back still has
// no reply when the next admin disappears.
func TestGrace_AnswersWhatAnEarlierHandBackLeftOpen(t *testing.T) {
	s := start(t, newPlan(), quiet, impatient)
	a, bob, stop := s.meet()
	s.answered(a, "s-1", s.say(a, "s-1", "hello [[words=2]]"))
	s.frame(bob, typeAdminJoin, "s-1")
	s.told(a, "s-1", typeAdminJoin, 1)
	id := s.say(a, "s-1", "is anybody there? [[words=3]]")
	at := s.acked(a, "s-1", id)
	s.frame(bob, typeAdminLeave, "s-1")
	s.told(a, "s-1", typeAdminLeave, 1)
	// As the sweep of pending turns does.
	if err := s.stores.Turns.SettleTurn(s.ctx, chatbox.SessionKey{ID: "s-1"}, chatbox.Gen{Seq: at, Run: 1}, chatbox.TurnDone); err != nil {
		t.Fatal(err)
	}
	s.frame(bob, typeAdminJoin, "s-1")
	s.told(a, "s-1", typeAdminJoin, 2)
	stop()
	s.told(a, "s-1", typeAdminLeave, 2)
	s.answeredAnew(a, "s-1", id)
	s.judge("ada", "s-1", a)
}

// An emptied Redis does not know who is connected. Their pods do, and say so
// before anybody's grace time is over.
func TestGrace_EmptiedRedisTakesNobodysSession(t *testing.T) {
	s := start(t, newPlan(), quiet, func(cfg *devstack.Config) { cfg.Conversation.AdminGrace = 10 * time.Second })
	a, bob, _ := s.meet()
	s.answered(a, "s-1", s.say(a, "s-1", "hello [[words=2]]"))
	s.frame(bob, typeAdminJoin, "s-1")
	s.told(a, "s-1", typeAdminJoin, 1)
	s.redis.FlushAll()
	key := "cb:u:{." + base64.RawURLEncoding.EncodeToString([]byte("bob")) + "}:conn"
	s.until("bob is known to be connected", func() bool { return s.redis.Exists(key) })
	a.View(func(tr *client.Tracker) {
		for _, e := range tr.Session("s-1").Events {
			if e.Type == typeAdminLeave {
				t.Error("the session was taken from its holder")
			}
		}
	})
}

// oneAnsweredOneWaiting connects ada and bob. ada's first message is being answered
// while the second waits.
func (s *stage) oneAnsweredOneWaiting() (a, bob *client.Client, first, second string) {
	s.t.Helper()
	a, bob, _ = s.meet()
	first = s.underway(a)
	second = s.say(a, "s-1", "and more [[words=2000 delay=5ms]]")
	s.acked(a, "s-1", second)
	return a, bob, first, second
}

// cameFirst waits for the person, in front of whom nothing of the waiting
// message's answer may stand without an end.
func (s *stage) cameFirst(a *client.Client, waiting string) {
	s.t.Helper()
	s.told(a, "s-1", typeAdminJoin, 1)
	a.View(func(tr *client.Tracker) {
		if n := answerOf(tr, "s-1", waiting); n != nil && n.Shown() != "" && !n.Over() {
			s.t.Errorf("an answer of %d bytes came to no end before admin_join", len(n.Shown()))
		}
	})
	s.judge("ada", "s-1", a)
}

// A history that is slow for longer than claims are forbidden does not let the
// model begin another answer in front of the person who comes.
func TestTakeover_SlowHistoryLetsNoAnswerBegin(t *testing.T) {
	s := start(t, newPlan(), quiet)
	a, bob, first, second := s.oneAnsweredOneWaiting()
	slow := s.plan.next("append", 2, late) // behind the final
	s.frame(bob, typeAdminJoin, "s-1")
	s.answered(a, "s-1", first)
	s.met(slow)
	wait(s.ctx, 7*time.Second, nil)
	close(slow.gate)
	s.cameFirst(a, second)
}

// The end of a stopped answer allows the next answer, unless an admin takes over
// meanwhile.
func TestTakeover_StoppingAnAnswerLetsNoneBeginInFrontOfIt(t *testing.T) {
	s := start(t, newPlan(), quiet)
	a, bob, first, second := s.oneAnsweredOneWaiting()
	stopped := s.plan.next("append", 1, hold)
	if err := a.SendBare(client.Frame{Type: client.TypeCancel, SessionID: "s-1"}); err != nil {
		t.Fatal(err)
	}
	s.applied(stopped)
	join := s.plan.next("append", 2, late) // behind the final, which is there already
	s.frame(bob, typeAdminJoin, "s-1")
	s.met(join)
	close(stopped.gate)
	s.answered(a, "s-1", first)
	wait(s.ctx, 2*time.Second, nil)
	close(join.gate)
	s.cameFirst(a, second)
}
