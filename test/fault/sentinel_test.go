//go:build fault

package fault

import (
	"context"
	"encoding/base64"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"chatbox/cmd/chatload/client"
	"chatbox/cmd/chatload/ledger"
	"chatbox/test/servers"
)

// data are the sentinels' Redis servers.
var data = []string{"redis-1", "redis-2", "redis-3"}

// direct returns a client of one server of a set, master or replica.
func (c *cluster) direct(member string) *redis.Client {
	return redis.NewClient(&redis.Options{
		Addr: c.set.Addr(c.t, member), MaxRetries: -1, DialerRetries: 1, DialTimeout: time.Second, ReadTimeout: time.Second,
	})
}

// replication is what a server says of its place, "" where it does not answer.
func (c *cluster) replication(ctx context.Context, member string) string {
	rdb := c.direct(member)
	defer rdb.Close()
	said, _ := rdb.Info(ctx, "replication").Result() // no answer is an answer here
	return said
}

// whole waits until one of the three is the master of the two others, and
// returns it.
func (c *cluster) whole() (master string) {
	c.t.Helper()
	until(c.ctx, c.t, "a master with two replicas", longestWait, func(ctx context.Context) bool {
		for _, m := range data {
			if said := c.replication(ctx, m); strings.Contains(said, "role:master") && strings.Count(said, "state=online") == 2 {
				master = m
			}
		}
		return master != ""
	})
	return master
}

func TestSentinel_MasterKilled(t *testing.T) {
	c := start(t, setup{redis: servers.Sentinel})
	w := c.gather(talkers)
	rounds := pick(1, 5)
	var worstAck, worstAnswer time.Duration
	for round := range rounds {
		hold(c.ctx, t, 2*time.Second)
		master := c.whole()
		c.set.Signal(t, master, syscall.SIGKILL)
		killed := time.Now()
		acks, answers := w.recovered(killed)
		worstAck, worstAnswer = max(worstAck, acks), max(worstAnswer, answers)
		if round < rounds-1 {
			c.set.Restart(t, master)
		}
	}
	r := w.settle(ledger.ErrorShown)
	c.recoverable(r)
	c.untouched()
	figure(t, "sentinel-killed", "%d times kill -9 of the master of three behind three sentinels (down after 2 s) under %d talking users with 2 devices: "+
		"%d acked, %d answers verified, lost 0, repeated 0, holes 0, %s; kill to everybody's next ack %v, to everybody's next answer %v",
		rounds, talkers, r.Messages, r.Verified, errorsShown(r), worstAck.Round(time.Millisecond), worstAnswer.Round(time.Millisecond))
}

func TestSentinel_MasterStopped(t *testing.T) {
	if !long() {
		t.Skip("NOT RUN: FAULT=long plays it")
	}
	c := start(t, setup{redis: servers.Sentinel})
	w := c.gather(talkers)
	hold(c.ctx, t, 2*time.Second)
	master := c.whole()
	c.set.Signal(t, master, syscall.SIGSTOP)
	stopped := time.Now()
	acks, answers := w.recovered(stopped)
	hold(c.ctx, t, 20*time.Second-time.Since(stopped))
	c.set.Signal(t, master, syscall.SIGCONT) // for a moment there are two masters
	again, _ := w.recovered(time.Now())
	c.whole()
	hold(c.ctx, t, 2*time.Second)
	r := w.settle(ledger.ErrorShown)
	c.recoverable(r)
	c.untouched()
	figure(t, "sentinel-stopped", "SIGSTOP of the master for 20 s, then SIGCONT, under %d talking users with 2 devices: %d acked, %d answers verified, "+
		"lost 0, repeated 0, holes 0, %s; stop to everybody's next ack %v, to everybody's next answer %v; after its return everybody's next ack within %v",
		talkers, r.Messages, r.Verified, errorsShown(r), acks.Round(time.Millisecond), answers.Round(time.Millisecond), again.Round(time.Millisecond))
}

// A failover takes back what the replicas did not have yet: the end of one
// session, the final of another, the latest pieces of a third whose pod dies
// with the master.
func TestSentinel_TailLost(t *testing.T) {
	c := start(t, setup{redis: servers.Sentinel})
	w := c.gather(talkers)
	rounds := pick(1, 4)
	var worstAck time.Duration
	for round := range rounds {
		master := c.whole()
		s := c.tail(round)
		s.lose(master)
		acks, _ := w.recovered(s.lost)
		worstAck = max(worstAck, acks)
		s.verify()
		c.restart(s.victim)
		if round < rounds-1 {
			c.set.Restart(t, master)
		}
	}
	r := w.settle(ledger.ErrorShown)
	c.recoverable(r)
	figure(t, "sentinel-tail", "%d times kill -9 of the master, with nothing replicated since just before, and of the pod that generates: %d acked, "+
		"%d answers verified, lost 0, repeated 0, holes 0, %s; behind the lost session_ended nothing, one final beside the lost one, the answer that lost "+
		"pieces equal everywhere; kill to everybody's next ack %v", rounds, r.Messages, r.Verified, errorsShown(r), worstAck.Round(time.Millisecond))
}

// tail is what one failover takes back.
type tail struct {
	c                *cluster
	ended            *client.Client // its session is ended
	done             *client.Client // its answer becomes final
	running          [2]*client.Client
	victim           *pod
	question, answer string // of the running one
	round            int
	lost             time.Time
}

func (s *tail) session(kind string) string { return fmt.Sprintf("%s-%d", kind, s.round) }

func (c *cluster) tail(round int) *tail {
	c.t.Helper()
	s := &tail{c: c, round: round}
	s.running[0] = c.device("user-r", s.session("running"), c.balancer.url())
	c.choose(s.running[0], s.session("running"), modelVaried)
	s.question = c.ask(500, 20*time.Millisecond)
	s.answer = c.say(s.running[0], s.session("running"), s.question)
	c.streaming(s.running[0], s.session("running"), s.answer, 100)
	s.victim = c.generating(s.question)
	other := c.other(s.victim).url()
	s.running[1] = c.device("user-r", s.session("running"), other)
	s.ended = c.device("user-e", s.session("ended"), other)
	c.answered(s.ended, s.session("ended"), c.say(s.ended, s.session("ended"), c.ask(1, 0)))
	s.done = c.device("user-d", s.session("done"), other)
	c.answered(s.done, s.session("done"), c.say(s.done, s.session("done"), c.ask(1, 0)))
	return s
}

// lose lets things happen on the master that no replica receives, and kills it.
func (s *tail) lose(master string) {
	c := s.c
	c.t.Helper()
	rdb := c.direct(master)
	defer rdb.Close()
	for _, m := range data {
		if m != master {
			c.set.Signal(c.t, m, syscall.SIGSTOP) // or it would connect again
		}
	}
	if err := rdb.ClientKillByFilter(c.ctx, "TYPE", "replica").Err(); err != nil {
		c.t.Fatal(err)
	}
	shown := s.running[1]
	var before int
	shown.View(func(t *client.Tracker) { before = len(answerOf(t, s.session("running"), s.answer).Shown()) })
	c.answered(s.done, s.session("done"), c.say(s.done, s.session("done"), c.ask(3, 0)))
	if err := c.rest("user-e").End(c.ctx, s.session("ended")); err != nil {
		c.t.Fatal(err)
	}
	c.wait(s.ended, "the end", func(t *client.Tracker) bool { return t.Session(s.session("ended")).Ended })
	c.streaming(shown, s.session("running"), s.answer, before+40)
	signal(c.t, s.victim.process, syscall.SIGKILL)
	c.set.Signal(c.t, master, syscall.SIGKILL)
	s.lost = time.Now()
	for _, m := range data {
		if m == master {
			continue
		}
		c.set.Signal(c.t, m, syscall.SIGCONT)
		if head := c.headOn(m, s.session("ended")); head != 2 {
			c.t.Errorf("%s has head %d of the ended session: nothing was lost", m, head)
		}
	}
}

// headOn reads a session's head from one server.
func (c *cluster) headOn(member, session string) int64 {
	c.t.Helper()
	rdb := c.direct(member)
	defer rdb.Close()
	keys, err := rdb.Keys(c.ctx, "cb:{*}:s:*."+base64.RawURLEncoding.EncodeToString([]byte(session))).Result()
	if err != nil || len(keys) != 1 {
		c.t.Fatal(keys, err)
	}
	head, err := rdb.HGet(c.ctx, keys[0], "h").Int64()
	if err != nil {
		c.t.Fatal(err)
	}
	return head
}

// verify judges all three sessions after the failover.
func (s *tail) verify() {
	c := s.c
	c.t.Helper()
	c.alike(s.session("running"), s.answer, s.question, modelVaried, s.running[:]...)
	c.judge(sitting{user: "user-r", session: s.session("running"), model: modelVaried, allow: []ledger.Class{ledger.ErrorShown}}, s.running[:]...)
	c.answered(s.done, s.session("done"), c.say(s.done, s.session("done"), c.ask(3, 0)))
	c.judge(sitting{user: "user-d", session: s.session("done"), allow: []ledger.Class{ledger.ErrorShown}}, s.done)

	before, err := c.rest("user-e").History(c.ctx, s.session("ended"))
	if err != nil {
		c.t.Fatal(err)
	}
	late := c.device("user-e", "", c.balancer.url())
	c.say(late, s.session("ended"), c.ask(1, 0))
	c.wait(late, "the refusal", func(t *client.Tracker) bool { return t.Errors["SESSION_ENDED"] > 0 })
	after, err := c.rest("user-e").History(c.ctx, s.session("ended"))
	if err != nil {
		c.t.Fatal(err)
	}
	if len(after) != len(before) || after[len(after)-1].Type != client.TypeSessionEnded {
		c.t.Errorf("the ended session has %d events and then %d, the last a %s", len(before), len(after), after[len(after)-1].Type)
	}
	c.judge(sitting{user: "user-e", session: s.session("ended"), allow: []ledger.Class{ledger.ErrorShown}}, s.ended)
	c.leave(s.running[0], s.running[1], s.done, s.ended, late)
}
