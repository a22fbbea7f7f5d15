package chaos

import (
	"fmt"
	"testing"
	"time"

	"chatbox/app/devstack"
	"chatbox/cmd/chatload/client"
)

// queue has one long answer under way and messages that wait behind it.
func (s *stage) queue(d *client.Client, waiting int) (ids []string) {
	s.t.Helper()
	ids = append(ids, s.say(d, "s-1", "first [[words=400 delay=5ms]]"))
	s.wait(d, "some of the answer", func(t *client.Tracker) bool {
		n := answerOf(t, "s-1", ids[0])
		return n != nil && len(n.Shown()) > 100
	})
	for i := range waiting {
		ids = append(ids, s.say(d, "s-1", fmt.Sprintf("waits %d [[words=3]]", i)))
		s.acked(d, "s-1", ids[len(ids)-1])
	}
	return ids
}

// inOrder waits for the answers and fails the test where the history has them
// in another order than the messages. Nothing was asked for again.
func (s *stage) inOrder(since time.Time, ids []string, devices ...*client.Client) {
	s.t.Helper()
	for i, id := range ids {
		s.answered(devices[0], "s-1", id)
		s.t.Logf("answer %d after %v", i+1, time.Since(since).Round(time.Millisecond))
	}
	s.settled(devices...)
	var order []string
	for _, m := range s.judge("ada", "s-1", devices...) {
		if m.Type == client.TypeAIResponse {
			order = append(order, m.Metadata["reply_to"])
		}
	}
	if got, want := fmt.Sprint(order), fmt.Sprint(ids); got != want {
		s.t.Errorf("answered %s, want %s", got, want)
	}
}

// An emptied Redis changes the order of no answers. No sweep of the history
// helps here: it runs once an hour.
func TestEmptied_AnswersComeInOrder(t *testing.T) {
	for name, then := range map[string]func(s *stage, a, b *client.Client) (more []string){
		"nothing follows": func(*stage, *client.Client, *client.Client) []string { return nil },
		"another message": func(s *stage, a, _ *client.Client) []string { return []string{s.say(a, "s-1", "fifth [[words=3]]")} },
		"another message by another pod": func(s *stage, _, b *client.Client) []string {
			return []string{s.say(b, "s-1", "fifth [[words=3]]")}
		},
		"twice": func(s *stage, a, b *client.Client) []string {
			id := s.say(b, "s-1", "fifth [[words=3]]")
			s.acked(b, "s-1", id)
			s.redis.FlushAll()
			return []string{id, s.say(a, "s-1", "sixth [[words=3]]")}
		},
		"somebody comes back": func(s *stage, _, b *client.Client) []string {
			b.Drop(0)
			s.attached(b, "s-1")
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, newPlan(), quiet)
			a, b := s.device("ada", "s-1", s.podURL(0)), s.device("ada", "s-1", s.podURL(1))
			s.attached(a, "s-1")
			s.attached(b, "s-1")
			ids := s.queue(a, 3)
			since := time.Now()
			s.redis.FlushAll()
			s.inOrder(since, append(ids, then(s, a, b)...), a, b)
			for _, e := range a.Transcript() {
				if f := e.Frame; f.Metadata["reply_to"] == ids[0] && f.Metadata["attempt"] > "0" {
					t.Fatalf("the answer under way was begun anew: %+v", f)
				}
			}
		})
	}
}

// The pod that was answering dies in the moment in which Redis is emptied: when
// one lease's time is over another one takes the oldest turn.
func TestEmptied_AndThePodThatAnswersDies(t *testing.T) {
	s := start(t, newPlan(), quiet)
	b := s.device("ada", "s-1", s.podURL(1), s.podURL(2), s.podURL(0))
	s.attached(b, "s-1")
	ids := s.queue(b, 3)
	for _, p := range s.stack.Pods() {
		if s.stack.Generations(p.ID) == 0 {
			continue
		}
		if err := s.stack.KillPod(p.ID); err != nil {
			t.Error(err)
		}
		s.redis.FlushAll()
		since := time.Now()
		s.inOrder(since, append(ids, s.say(b, "s-1", "fifth [[words=3]]")), b)
		return
	}
	t.Fatal("nobody is answering")
}

// A message that is retried meanwhile is answered once.
func TestEmptied_RetriedAndTakenOver(t *testing.T) {
	t.Run("retried", func(t *testing.T) {
		s := start(t, newPlan(), quiet)
		a := s.device("ada", "s-1", s.podURL(0))
		s.attached(a, "s-1")
		id := s.say(a, "s-1", "first [[words=300 delay=5ms]]")
		s.wait(a, "some of the answer", func(t *client.Tracker) bool {
			n := answerOf(t, "s-1", id)
			return n != nil && len(n.Shown()) > 100
		})
		if err := a.SendBare(client.Frame{Type: client.TypeCancel, SessionID: "s-1"}); err != nil {
			t.Fatal(err)
		}
		s.answered(a, "s-1", id)
		s.redis.FlushAll()
		if err := a.SendBare(client.Frame{Type: client.TypeRetry, SessionID: "s-1"}); err != nil {
			t.Fatal(err)
		}
		s.redis.FlushAll()
		s.answeredAnew(a, "s-1", id)
		s.answered(a, "s-1", s.say(a, "s-1", "second [[words=3]]"))
		s.settled(a)
		s.judge("ada", "s-1", a)
	})
	t.Run("taken over", func(t *testing.T) {
		// The turns that the takeover voids are settled by a look at the history.
		s := start(t, newPlan(), func(cfg *devstack.Config) { cfg.Live.CheckEvery = time.Hour })
		a := s.device("ada", "s-1", s.podURL(1))
		s.attached(a, "s-1")
		bob, _ := s.admin("bob", s.podURL(0))
		s.queue(a, 2)
		s.redis.FlushAll()
		s.acked(bob, "s-1", s.frame(bob, client.TypeAdminJoin, "s-1"))
		s.redis.FlushAll()
		s.acked(bob, "s-1", s.frame(bob, client.TypeAdminLeave, "s-1"))
		id := s.say(a, "s-1", "after [[words=3]]")
		s.answered(a, "s-1", id)
		s.settled(a)
		history := s.judge("ada", "s-1", a)
		if last := history[len(history)-1]; last.Metadata["reply_to"] != id {
			t.Errorf("the last event is %+v", last)
		}
	})
}
