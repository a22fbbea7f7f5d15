package conformance

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"chatbox"
	"chatbox/cluster"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// fences is the model of one session's leases and of the answer under way.
type fences struct {
	k       *talk
	workers [4]*worker
	live    *cluster.Lease // the one lease that is good
	expires time.Duration  // on the model's clock
	forbid  time.Duration
	now     time.Duration
	turns   []chatbox.Gen // pending, oldest first
	open    *cluster.OpenAnswer
	claims  map[chatbox.Gen]int
	writers map[string]string    // generation and attempt → the only token that wrote
	over    map[chatbox.Gen]bool // has a final, or was dropped
}

// worker acts as if it had a lease, also after it has lost it, like a process that
// was paused.
type worker struct {
	lease cluster.Lease
	own   cluster.OpenAnswer
}

const modelTTL = 5 * time.Second

// redisModel plays random schedules of several workers, some of which do not
// know that their lease is gone, against the model.
func redisModel(t *testing.T, s RedisServer) {
	t.Helper()
	k := newTalk(t, s, nil)
	rapid.Check(t, func(rt *rapid.T) {
		m := &fences{
			k: k.again(), claims: map[chatbox.Gen]int{}, writers: map[string]string{}, over: map[chatbox.Gen]bool{},
		}
		m.say()
		rt.Repeat(map[string]func(*rapid.T){
			"message": func(*rapid.T) { m.say() },
			"claim":   func(rt *rapid.T) { m.claim(rt, m.pick(rt)) },
			"claim2":  func(rt *rapid.T) { m.claim(rt, m.pick(rt)) },
			"renew":   func(rt *rapid.T) { m.renew(rt, m.pick(rt)) },
			"piece":   func(rt *rapid.T) { m.piece(rt, m.pick(rt), false) },
			"piece2":  func(rt *rapid.T) { m.piece(rt, m.pick(rt), false) },
			"piece3":  func(rt *rapid.T) { m.piece(rt, m.pick(rt), false) },
			"mend":    func(rt *rapid.T) { m.piece(rt, m.pick(rt), true) },
			"final":   func(rt *rapid.T) { m.final(rt, m.pick(rt)) },
			"drop":    func(rt *rapid.T) { m.give(rt, m.pick(rt), true) },
			"release": func(rt *rapid.T) { m.give(rt, m.pick(rt), false) },
			"revoke":  func(rt *rapid.T) { m.revoke(rt) },
			"pass": func(rt *rapid.T) {
				d := time.Duration(rapid.IntRange(1, 6).Draw(rt, "seconds"))*time.Second + 100*time.Millisecond
				m.k.srv.Advance(m.k.t, d)
				m.now += d
				if m.now >= m.expires {
					m.live = nil
				}
			},
			"": func(rt *rapid.T) { m.check(rt) },
		})
	})
}

func (m *fences) pick(rt *rapid.T) int { return rapid.IntRange(0, len(m.workers)-1).Draw(rt, "worker") }

func (m *fences) say() {
	e := m.k.say(m.k.message("q"))
	m.turns = append(m.turns, chatbox.Gen{Seq: e.Seq, Run: 1})
}

// holds reports whether the worker's lease is the good one.
func (m *fences) holds(w int) bool {
	return m.live != nil && m.workers[w] != nil && m.workers[w].lease.Token == m.live.Token
}

// agree fails unless the act went as the model says.
func (m *fences) agree(rt *rapid.T, act string, w int, err error) (done bool) {
	if m.holds(w) != (err == nil) || err != nil && !errors.Is(err, chatbox.NotOwner) {
		rt.Fatalf("%s by worker %d, who holds the lease: %v, got %v", act, w, m.holds(w), err)
	}
	return err == nil
}

func (m *fences) claim(rt *rapid.T, w int) {
	c := m.k.claim()
	want := cluster.ClaimTaken
	switch {
	case len(m.turns) == 0:
		want = cluster.ClaimNone
	case m.live != nil || m.now < m.forbid:
		want = cluster.ClaimBusy
	}
	if c.Status != want {
		rt.Fatalf("claim: want %v, got %v", want, c.Status)
	}
	if c.Status != cluster.ClaimTaken {
		return
	}
	if c.Lease.Gen != m.turns[0] {
		rt.Fatalf("claimed %v, the oldest turn is %v", c.Lease.Gen, m.turns[0])
	}
	was := m.open != nil && m.open.Gen == c.Lease.Gen
	if c.Open != was {
		rt.Fatalf("open: want %v, got %v", was, c.Open)
	}
	m.live, m.expires = &c.Lease, m.now+modelTTL
	m.claims[c.Lease.Gen]++
	own := m.k.opening(c.Lease, m.claims[c.Lease.Gen]-1)
	if err := m.k.c.Start(m.k.t.Context(), c.Lease, own); err != nil {
		rt.Fatalf("start: %v", err)
	}
	m.workers[w] = &worker{lease: c.Lease, own: own}
	m.open = &own
}

func (m *fences) renew(rt *rapid.T, w int) {
	if m.workers[w] == nil {
		return
	}
	if m.agree(rt, "renew", w, m.k.c.Renew(m.k.t.Context(), m.workers[w].lease)) {
		m.expires = m.now + modelTTL
	}
}

func (m *fences) piece(rt *rapid.T, w int, mend bool) {
	x := m.workers[w]
	if x == nil {
		return
	}
	p, next := add(x.own, rapid.StringN(0, 5, 20).Draw(rt, "text"))
	if mend {
		p.Snapshot, p.Content = true, next.Text
	}
	if !m.agree(rt, "piece", w, m.k.c.Append(m.k.t.Context(), x.lease, p)) {
		return
	}
	if m.over[p.Gen] {
		rt.Fatalf("a piece of %v was accepted after its end", p.Gen)
	}
	attempt := fmt.Sprint(p.Gen, p.Attempt)
	if by, ok := m.writers[attempt]; ok && by != x.lease.Token {
		rt.Fatalf("two fences wrote into %s", attempt)
	}
	m.writers[attempt] = x.lease.Token
	x.own = next
	m.open = &next
}

// final is published by any worker, with or without the lease. If its text is not
// the visible text, it is refused first.
func (m *fences) final(rt *rapid.T, w int) {
	x := m.workers[w]
	if x == nil || m.over[x.own.Gen] {
		return
	}
	e := m.k.final(x.own, chatbox.FinishStop)
	res := m.k.publish(e, func(p *cluster.Publication) { p.Lease = &x.lease })
	same := m.open != nil && m.open.Gen == x.own.Gen && m.open.Attempt == x.own.Attempt && m.open.Index == x.own.Index
	switch {
	case same && res.Outcome == cluster.OutcomeDone:
	case !same && res.Outcome == cluster.OutcomeDiverged:
		res = m.k.publish(e, func(p *cluster.Publication) { p.Supersede = max(res.Attempt, x.own.Attempt) + 1 })
		if res.Outcome != cluster.OutcomeDone {
			rt.Fatalf("superseding final: %v", res)
		}
	default:
		rt.Fatalf("final that is what is visible (%v): %v", same, res)
	}
	m.end(x.own.Gen)
}

// end is what a final or a drop does to the model.
func (m *fences) end(g chatbox.Gen) {
	m.over[g] = true
	if m.live != nil && m.live.Gen == g {
		m.live = nil
	}
	m.open = nil
	for i, turn := range m.turns {
		if turn == g {
			m.turns = append(m.turns[:i:i], m.turns[i+1:]...)
			return
		}
	}
}

func (m *fences) give(rt *rapid.T, w int, drop bool) {
	x := m.workers[w]
	if x == nil {
		return
	}
	if !drop {
		if m.agree(rt, "release", w, m.k.c.Release(m.k.t.Context(), x.lease)) {
			m.live = nil
		}
		return
	}
	if m.agree(rt, "drop", w, m.k.c.Drop(m.k.t.Context(), x.lease, nil)) {
		m.end(x.lease.Gen)
	}
}

func (m *fences) revoke(rt *rapid.T) {
	_, open, err := m.k.c.Revoke(m.k.t.Context(), m.k.key)
	if err != nil {
		rt.Fatalf("revoke: %v", err)
	}
	if (open == nil) != (m.open == nil) || open != nil && *open != *m.open {
		rt.Fatalf("revoke returned %v, what is open is %v", open, m.open)
	}
	m.live, m.forbid = nil, m.now+5*time.Second
}

// check compares what anybody reads with the model.
func (m *fences) check(rt *rapid.T) {
	open := m.k.read(0).Open
	if (open == nil) != (m.open == nil) || open != nil && *open != *m.open {
		rt.Fatalf("open answer: read %v, want %v", open, m.open)
	}
	require.Equal(m.k.t, m.k.state, m.k.read(1<<60).State)
}
