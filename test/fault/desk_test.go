//go:build fault

package fault

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"
	"time"

	"chatbox/cmd/chatload/client"
	"chatbox/cmd/chatload/ledger"
)

// calamity is what happens while a person comes to a session or is there: to the
// pod that does what the person asks for, to the one that has the person's
// socket, to what pods stand on. after brings everything back.
type calamity struct {
	name  string
	brief bool // also in a short run
	// forgets: what was shown of an answer may be forgotten before it is closed,
	// and then the history has less of it, or nothing.
	forgets bool
	do      func(c *cluster, acts, holds *pod) (after func())
}

func nothing() {}

// killed is kill; after starts the pod again.
func (c *cluster) killed(p *pod) (after func()) {
	c.kill(p)
	return func() { c.restart(p) }
}

func (c *cluster) mongoAway(down, up string, span time.Duration, meanwhile func()) {
	c.mongoDown(down, up)
	meanwhile()
	hold(c.ctx, c.t, span)
	c.mongo.act(c.ctx, c.t, up)
}

func calamities() []calamity {
	return []calamity{
		{"nothing", false, false, func(*cluster, *pod, *pod) func() { return nothing }},
		{"the acting pod killed", true, false, func(c *cluster, acts, _ *pod) func() { return c.killed(acts) }},
		{"the acting pod stopped for 7 s", false, false, func(c *cluster, acts, _ *pod) func() {
			c.pause(acts.process, 7*time.Second)
			return func() { c.ready(acts) }
		}},
		{"the holder's pod killed", false, false, func(c *cluster, _, holds *pod) func() { return c.killed(holds) }},
		{"the holder's pod drained", true, false, func(c *cluster, _, holds *pod) func() {
			c.drained(holds)
			return func() { c.restart(holds) }
		}},
		{"Redis emptied", false, true, func(c *cluster, _, _ *pod) func() {
			c.redis.emptied(c.ctx, c.t, 100*time.Millisecond)
			return nothing
		}},
		{"Redis emptied after 6 s, and the holder's pod killed", true, true, func(c *cluster, _, holds *pod) func() {
			after := c.killed(holds)
			c.redis.emptied(c.ctx, c.t, 6*time.Second)
			return after
		}},
		{"Redis stopped for 6 s", false, false, func(c *cluster, _, _ *pod) func() {
			c.pause(c.redis.process, 6*time.Second)
			return nothing
		}},
		{"the history stopped for 7 s", true, false, func(c *cluster, _, _ *pod) func() {
			c.mongoAway("pause", "resume", 7*time.Second, nothing)
			return nothing
		}},
		{"the history killed for 3 s, and the acting pod", false, false, func(c *cluster, acts, _ *pod) (after func()) {
			c.mongoAway("kill", "start", 3*time.Second, func() { after = c.killed(acts) })
			return after
		}},
		{"the history stopped for 3 s, and Redis emptied", false, true, func(c *cluster, _, _ *pod) func() {
			c.mongoAway("pause", "resume", 3*time.Second, func() { c.redis.emptied(c.ctx, c.t, 100*time.Millisecond) })
			return nothing
		}},
	}
}

// If any process dies while an admin takes over and disappears, the session is
// handed back, its user's last message is answered, and the next admin finds it
// like any other session.
func TestDesk_NothingThatDiesKeepsASession(t *testing.T) {
	c := start(t, setup{env: map[string]string{"ADMIN_GRACE": "4s"}})
	c.mongo.controlled(t)
	played, slowest := 0, time.Duration(0)
	for i, x := range calamities() {
		for _, early := range []bool{true, false} { // before the takeover's reply
			if !long() && (!x.brief || early == (i%2 == 0)) {
				continue
			}
			began := time.Now()
			c.abandoned(x, early)
			played, slowest = played+1, max(slowest, time.Since(began))
		}
	}
	var verdict struct {
		Whole   bool
		Entries int
	}
	if c.asStaff(c.ctx, c.token("auditor", "admin"), http.MethodGet, c.balancer.url()+"/chatbox/admin/audit/verify", nil, &verdict); !verdict.Whole {
		t.Errorf("the audit log: %+v", verdict)
	}
	figure(t, "desk-abandoned", "%d takeovers in mid-answer, ADMIN_GRACE 4 s, something dies and the admin vanishes: every session came back, its last message "+
		"answered, taken over, left and answered again; all of it within %v; an audit log of %d entries whole", played, slowest.Round(time.Millisecond), verdict.Entries)
}

// abandoned lets an admin take over during an answer and disappear.
func (c *cluster) abandoned(x calamity, early bool) {
	what := fmt.Sprintf("%s (before the reply: %t)", x.name, early)
	session, user, boss := "s-"+client.NewID(), "ada-"+client.NewID()[:6], "bob-"+client.NewID()[:6]
	acts, holds, other := c.pods[0], c.pods[1], c.pods[2]
	a, bob := c.device(user, session, other.url()), c.admin(boss, holds.url(), other.url())
	said := []string{c.say(a, session, c.ask(60, 10*time.Millisecond))}
	c.streaming(a, session, said[0], 20)
	said = append(said, c.say(a, session, c.ask(40, 10*time.Millisecond)))
	token := c.token(boss, "admin")
	ctx, cancel := context.WithTimeout(c.ctx, 15*time.Second)
	defer cancel()
	var wg sync.WaitGroup
	wg.Go(func() {
		c.asStaff(ctx, token, http.MethodPost, acts.url()+"/chatbox/admin/takeover/"+session, nil, nil)
	})
	if early {
		hold(c.ctx, c.t, rand.N(20*time.Millisecond))
	} else {
		wg.Wait()
	}
	after := x.do(c, acts, holds)
	wg.Wait()
	c.leave(bob)
	after()
	c.wait(a, what+": the last message's answer", func(t *client.Tracker) bool {
		n := answerOf(t, session, said[1])
		return n != nil && n.Finish == "stop"
	})
	eve := c.token("eve", "admin")
	c.insists(eve, http.MethodPost, "takeover/"+session, nil, http.StatusOK)
	c.insists(eve, http.MethodPost, "sessions/"+session+"/messages", map[string]string{"id": "e1", "content": c.canary}, http.StatusAccepted)
	c.insists(eve, http.MethodDelete, "takeover/"+session, nil, http.StatusOK, http.StatusForbidden) // its reply may be lost
	said = append(said, c.say(a, session, c.ask(3, 0)))
	c.answered(a, session, said[2])
	allow := []ledger.Class{ledger.ErrorShown}
	if x.forgets {
		allow = append(allow, ledger.WrongText)
	}
	c.judgeDesk(what, sitting{user: user, session: session, allow: allow}, a)
	a.View(func(t *client.Tracker) {
		for _, id := range said {
			if n := answerOf(t, session, id); n != nil && !n.Over() && !x.forgets {
				c.t.Errorf("%s: an answer came to no end", what)
			}
		}
	})
	c.leave(a)
}

func (c *cluster) judgeDesk(what string, s sitting, a *client.Client) []client.Message {
	c.judge(s, a)
	history, err := c.rest(s.user).History(c.ctx, s.session)
	if err != nil {
		c.t.Fatal(err)
	}
	for _, wrong := range ledger.OutOfTurn(history) {
		c.t.Errorf("%s: %s", what, wrong)
	}
	return history
}

// If any process dies while a connected admin holds a session, the admin keeps the
// session, and user and admin still receive each other's messages.
func TestDesk_WhoIsThereKeepsTheSession(t *testing.T) {
	c := start(t, setup{env: map[string]string{"ADMIN_GRACE": "5s"}})
	c.mongo.controlled(t)
	for _, x := range calamities() {
		if long() || x.brief {
			c.attended(x)
		}
	}
}

func (c *cluster) attended(x calamity) {
	session, user, boss := "s-"+client.NewID(), "ada-"+client.NewID()[:6], "bob-"+client.NewID()[:6]
	acts, holds, other := c.pods[0], c.pods[1], c.pods[2]
	a, bob := c.device(user, session, acts.url(), other.url()), c.admin(boss, holds.url(), other.url())
	c.answered(a, session, c.say(a, session, c.ask(3, 0)))
	join, err := bob.Send(client.Frame{Type: client.TypeAdminJoin, SessionID: session})
	if err != nil {
		c.t.Fatal(err)
	}
	c.hears(bob, session, "the admin's coming", join)
	talk := func() {
		c.hears(bob, session, x.name+": a question", c.say(a, session, c.ask(3, 0)))
		c.hears(a, session, x.name+": a reply", c.say(bob, session, c.canary))
	}
	after := x.do(c, acts, holds)
	talk()
	after()
	hold(c.ctx, c.t, 7*time.Second) // the grace time and a look
	talk()
	for _, m := range c.judgeDesk(x.name, sitting{user: user, session: session, allow: []ledger.Class{ledger.ErrorShown}}, a) {
		if m.Type == client.TypeAdminLeave {
			c.t.Errorf("%s: the session was taken from its holder", x.name)
		}
	}
	c.leave(a, bob)
}
