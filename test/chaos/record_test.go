package chaos

import (
	"fmt"
	"testing"

	"chatbox"
	"chatbox/cmd/chatload/client"
)

// recorded waits until the session's record, of which lists are made, has
// come to the event.
func (s *stage) recorded(session string, seq int64) {
	s.t.Helper()
	s.until(fmt.Sprintf("the record of %s is at %d", session, seq), func() bool {
		sess, err := s.stores.Sessions.Load(s.ctx, chatbox.SessionKey{ID: session})
		return err == nil && sess.State.Head >= seq
	})
}

// choose is an event without an answer: nothing follows that would bring the
// record along.
func (s *stage) choose(d *client.Client, session string) string {
	s.t.Helper()
	id, err := d.Send(client.Frame{Type: client.TypeModelSelect, SessionID: session, ModelID: "goes-on"})
	if err != nil {
		s.t.Fatal(err)
	}
	return id
}

func TestRecord_NotStoredIsStoredLater(t *testing.T) {
	s := start(t, newPlan(), quiet)
	a := s.device("ada", "s-1", s.podURL(0))
	s.attached(a, "s-1")
	s.answered(a, "s-1", s.say(a, "s-1", "hello [[words=2]]"))
	s.settled(a)
	s.recorded("s-1", 2)
	faults := []*fault{s.plan.next("touch", 1, refuse), s.plan.next("touch", 2, refuse), s.plan.next("touch", 3, refuse)}
	seq := s.acked(a, "s-1", s.choose(a, "s-1"))
	for _, f := range faults {
		s.met(f)
	}
	s.recorded("s-1", seq)
}

func TestRecord_FollowsAnEventThatASweepPublished(t *testing.T) {
	s := start(t, newPlan(), quiet, mortal)
	a, b := s.device("ada", "s-1", s.podURL(0)), s.device("ada", "s-1", s.podURL(1))
	s.attached(a, "s-1")
	s.attached(b, "s-1")
	s.answered(b, "s-1", s.say(a, "s-1", "hello [[words=2]]"))
	s.settled(b)
	held := s.plan.next("append", 1, hold)
	s.plan.next("touch", 1, refuse) // the dead pod's
	id := s.choose(a, "s-1")
	s.applied(held)
	done := s.killServing(a)
	s.sees(b, "s-1", id)
	s.recorded("s-1", 3)
	close(held.gate)
	done()
}
