//go:build fault

package fault

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"chatbox/cmd/chatload/client"
)

// perSession is how many rounds one session sees: its whole history is judged
// at the end, what a round added after the round.
const perSession = 100

// TestTwins_BothResumeWhileEventsArrive has two devices of one session resume
// at the same moment, on pods taken at random, while a third one talks: after
// every round both have what the history has.
func TestTwins_BothResumeWhileEventsArrive(t *testing.T) {
	c := start(t, setup{})
	rounds := pick(100, 1000)
	seed := rand.Uint64()
	chance := rand.New(rand.NewPCG(seed, 0))
	began := time.Now()
	var slowest time.Duration
	events, dropped := int64(0), 0
	for done := 0; done < rounds; done += perSession {
		w := c.twins(fmt.Sprintf("user-%d", done), chance)
		for n := range min(perSession, rounds-done) {
			slowest = max(slowest, w.round(done+n))
		}
		events += w.checked
		dropped += w.dropped
		c.judge(sitting{user: w.user, session: w.session}, w.talker, w.twins[0], w.twins[1])
		c.leave(w.talker, w.twins[0], w.twins[1])
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
	c.untouched()
	figure(t, "twins", "%d rounds of two devices of one session resuming at once on random pods while events arrive (%d by a new socket, %d by a frame), "+
		"seed %d: both transcripts equal to the history after every round, %d events; slowest round %v, all in %v",
		rounds, dropped, 2*rounds-dropped, seed, events, slowest.Round(time.Millisecond), time.Since(began).Round(time.Second))
}

// pair is two devices that resume, and one that talks.
type pair struct {
	c             *cluster
	user, session string
	talker        *client.Client
	twins         [2]*client.Client
	chance        *rand.Rand
	checked       int64 // up to here both twins have been compared with the history
	dropped       int   // resumes by a new socket
}

func (c *cluster) twins(user string, chance *rand.Rand) *pair {
	c.t.Helper()
	var all []string
	for _, p := range c.pods {
		all = append(all, p.url())
	}
	w := &pair{c: c, user: user, session: "s-" + client.NewID(), chance: chance}
	w.talker = c.device(user, w.session, c.balancer.url())
	c.answered(w.talker, w.session, c.say(w.talker, w.session, c.ask(1, 0)))
	for i := range w.twins {
		w.twins[i] = c.device(user, w.session, all...)
	}
	return w
}

// round has the talker speak and both twins resume, and compares.
func (w *pair) round(n int) time.Duration {
	c := w.c
	c.t.Helper()
	began := time.Now()
	const words = 3
	first := c.say(w.talker, w.session, c.ask(words, 2*time.Millisecond))
	// The resumes fall anywhere between the message's way and the answer's end.
	hold(c.ctx, c.t, time.Duration(w.chance.IntN(40))*time.Millisecond)
	for _, d := range w.twins {
		if w.chance.IntN(3) > 0 {
			w.dropped++
			d.Drop(0)
		} else if err := d.Resume(w.session); err != nil {
			c.t.Fatal(err)
		}
	}
	last := c.say(w.talker, w.session, c.ask(words, 0))
	c.answered(w.talker, w.session, first)
	c.answered(w.talker, w.session, last)
	page, err := c.rest(w.user).After(c.ctx, w.session, w.checked, 500)
	if err != nil || len(page.Messages) == 0 {
		c.t.Fatalf("round %d: %v, %d events", n, err, len(page.Messages))
	}
	head := page.Messages[len(page.Messages)-1].Seq
	for i, d := range w.twins {
		c.wait(d, fmt.Sprintf("round %d: seq %d", n, head), func(t *client.Tracker) bool {
			s := t.Session(w.session)
			return s != nil && s.LastSeq >= head && t.Attached(w.session)
		})
		d.View(func(t *client.Tracker) {
			for _, m := range page.Messages {
				e, ok := t.Session(w.session).EventAt(m.Seq)
				if !ok || e.Type != m.Type || e.ID != m.ID || e.Text != m.Content {
					c.t.Errorf("round %d: twin %d has %+v at %d, the history %s %s", n, i, e, m.Seq, m.Type, m.ID)
				}
			}
			if len(t.Violations) > 0 {
				c.t.Errorf("round %d: twin %d: %v", n, i, t.Violations[0])
			}
		})
	}
	w.checked = head
	if c.t.Failed() {
		c.keep("twin-0", w.twins[0])
		c.keep("twin-1", w.twins[1])
		c.t.FailNow()
	}
	return time.Since(began)
}
