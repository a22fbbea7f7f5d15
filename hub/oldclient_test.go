package hub

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"

	"chatbox"
	"chatbox/cluster"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// oldPage is a client that appends what comes, knows no snapshots, and keeps
// what it shows when its connection breaks.
type oldPage struct {
	*stage
	c       *listener
	n       int      // connections so far
	bubbles []string // finished ones
	running string
	has     *cluster.Shown // what it confirmed last; nil: nothing is owed
	faults  []string
}

func newOldPage(s *stage) *oldPage {
	p := &oldPage{stage: s}
	s.fs.OnShown(func(sh cluster.Shown) {
		switch sh.Stage {
		case cluster.ShownOver:
			p.has = nil
		case cluster.ShownReceived, cluster.ShownClosed:
			p.has = &sh
		case cluster.ShownSent: // of use only where the pod dies
		}
	})
	p.connect(1 << 20)
	return p
}

// connect opens a connection in the session, as a page does that names it and
// no place.
func (p *oldPage) connect(collapse int) {
	p.n++
	p.c = newListener(p.tr, fmt.Sprint("old", p.n), p.tr.owner, collapse)
	p.c.conn.AssumeOld()
	p.h.Add(p.c.conn)
	_, err := p.fs.Enter(p.c.id, p.tr.key)
	require.NoError(p.t, err)
	_, state, open := p.tr.read(p.tr.state.Head)
	j := Join{Owner: p.tr.owner, From: state.Head, State: state, Open: open, Announce: true, Recovered: true, Shown: p.has}
	if p.has != nil && (open == nil || open.Gen != p.has.Gen) {
		for _, e := range p.tr.log {
			if e.Answer != nil && e.Answer.Gen == p.has.Gen {
				j.Ended = &e
			}
		}
	}
	err = p.fs.Join(p.t.Context(), p.c.id, p.tr.key, j)
	for chatbox.CodeOf(err) == chatbox.Clash {
		sent, _ := p.fs.Attached(p.c.id, p.tr.key)
		j.Continue = true
		j.Events, j.State, j.Open = p.tr.read(sent)
		err = p.fs.Join(p.t.Context(), p.c.id, p.tr.key, j)
	}
	require.NoError(p.t, err)
}

// write hands up to n frames to the page, which confirms their pings.
func (p *oldPage) write(n int) {
	for ; n > 0; n-- {
		p.c.conn.mu.Lock()
		if len(p.c.conn.out.items) == 0 {
			if len(p.c.conn.out.groups) > 0 {
				p.c.owed = append(p.c.owed, p.c.conn.takeGroupsLocked())
			}
			p.c.conn.mu.Unlock()
			return
		}
		it := p.c.conn.popLocked()
		p.c.conn.mu.Unlock()
		if it.receipt != nil {
			ping := p.c.conn.written(*it.receipt)
			require.Len(p.t, ping, 8)
			require.NotZero(p.t, binary.BigEndian.Uint64(ping))
			p.c.conn.confirmed(string(ping))
		}
		var d told
		require.NoError(p.t, json.Unmarshal(it.frame, &d))
		p.receive(d)
	}
}

func (p *oldPage) receive(d told) {
	switch {
	case d.Piece != nil && d.Piece.Snapshot:
		p.faults = append(p.faults, "a snapshot")
	case d.Piece != nil:
		p.running += d.Piece.Content
	case d.Event != nil && d.Event.Answer != nil && d.Replay:
		p.bubbles = append(p.bubbles, d.Event.Content)
	case d.Event != nil && d.Event.Answer != nil:
		if p.running != "" {
			p.bubbles = append(p.bubbles, p.running)
		}
		p.running = ""
	}
}

// breaks ends the connection: what was not written is lost.
func (p *oldPage) breaks() {
	p.fs.LeaveAll(p.c.id)
	p.h.Remove(p.c.conn)
}

func (p *oldPage) settle() {
	for range 5 {
		p.write(1 << 30)
		p.c.pay()
	}
}

func TestOldClient_SeesEachWordOnceOverReconnects(t *testing.T) {
	p := newOldPage(newStage(t))
	p.tr.message("")
	p.tr.start()
	p.tr.piece("one ", false)
	p.tr.piece("two ", false)
	p.flow()
	p.settle()
	p.breaks()
	p.tr.piece("three ", false) // while it is away
	p.connect(1 << 20)
	p.tr.channel = nil // nobody was subscribed
	p.tr.piece("four", false)
	p.flow()
	p.settle()
	p.breaks()
	p.tr.piece(" five", false)
	p.tr.final(chatbox.FinishStop, nil)
	p.tr.channel = nil
	p.connect(1 << 20) // the answer has ended meanwhile
	p.settle()
	assert.Equal(t, []string{"one two three four five"}, p.bubbles)
	assert.Empty(t, p.faults)
	assert.Nil(t, p.has, "nothing is owed")
}

func TestOldClient_IsOwedWhatItWasToldOf(t *testing.T) {
	p := newOldPage(newStage(t))
	p.tr.message("")
	p.tr.start()
	p.flow()
	p.settle()
	p.breaks()
	p.tr.piece("all of it", false)
	p.tr.final(chatbox.FinishStop, nil)
	p.tr.channel = nil
	p.connect(1 << 20)
	p.settle()
	assert.Equal(t, []string{"all of it"}, p.bubbles)
}

func TestOldClient_RestartedAnswer(t *testing.T) {
	for name, again := range map[string]struct {
		text    string
		bubbles []string
	}{
		"the same words":  {"one two three", []string{"one two three"}},
		"others":          {"uno dos tres", []string{"one two ", "uno dos tres"}},
		"fewer":           {"one", []string{"one two ", "one"}},
		"exactly as many": {"one two ", []string{"one two "}},
		"none":            {"", []string{"one two ", chatbox.WithdrawnAnswer}},
	} {
		t.Run(name, func(t *testing.T) {
			p := newOldPage(newStage(t))
			p.tr.message("")
			p.tr.start()
			p.tr.piece("one two ", false)
			p.flow()
			p.settle()
			p.tr.restart()
			for word := range strings.SplitAfterSeq(again.text, " ") {
				if word != "" {
					p.tr.piece(word, false)
				}
			}
			p.tr.final(chatbox.FinishStop, nil)
			p.flow()
			p.settle()
			assert.Equal(t, again.bubbles, p.bubbles)
			assert.Empty(t, p.faults)
		})
	}
}

// A page whose notes are lost reconnects during an answer that was started again.
// No later piece continues the text that the page shows.
func TestOldClient_ComesBackWithoutANote(t *testing.T) {
	for name, waits := range map[string]bool{"all at once": false, "in mid-answer": true} {
		t.Run(name, func(t *testing.T) {
			p := newOldPage(newStage(t))
			p.tr.message("")
			p.tr.start()
			p.tr.piece("one two ", false)
			p.flow()
			p.settle()
			p.breaks()
			p.has = nil
			p.tr.restart()
			p.tr.piece("uno ", false)
			p.tr.channel = nil
			p.connect(1 << 20)
			if waits {
				p.settle()
				assert.Equal(t, "one two ", p.running)
			}
			p.tr.piece("dos", false)
			p.tr.final(chatbox.FinishStop, nil)
			p.flow()
			p.settle()
			assert.Equal(t, []string{"one two ", "uno dos"}, p.bubbles)
		})
	}
}

func TestOldClient_AnnouncesItselfInMidAnswer(t *testing.T) {
	p := newOldPage(newStage(t))
	p.tr.message("")
	p.tr.start()
	p.tr.piece("one ", false)
	p.tr.restart()
	p.flow()
	p.settle()
	p.c.conn.Announce()
	p.c.mark(1)
	p.tr.piece("uno ", false)
	p.tr.piece("dos", false)
	p.tr.final(chatbox.FinishStop, nil)
	p.flow()
	assert.Equal(t, []string{"snapshot uno ", "piece dos", "event 2"}, p.got(p.c))
}

// TestOldClient_RandomSchedules breaks the connection, loses and collapses
// frames at random; OLD_SEED repeats one schedule.
func TestOldClient_RandomSchedules(t *testing.T) {
	first, runs := uint64(rand.N(1<<40)), 500
	if s, err := strconv.ParseUint(os.Getenv("OLD_SEED"), 10, 64); err == nil {
		first, runs = s, 1
	}
	for seed := first; seed < first+uint64(runs); seed++ {
		r := rand.New(rand.NewPCG(seed, 2))
		p := newOldPage(newStage(t))
		var want []string
		for range 3 {
			p.tr.message("")
			p.tr.start()
			p.deliver()
			p.settle() // it knows that an answer is coming
			p.randomAnswer(r, 60)
			for range 2 { // a reconnect restores all that was lost
				p.settle()
				p.breaks()
				p.connect(1 << 20)
			}
			p.settle()
			want = append(want, p.tr.log[len(p.tr.log)-1].Content)
		}
		require.Empty(t, p.faults, "OLD_SEED=%d", seed)
		require.Equal(t, want, p.bubbles, "OLD_SEED=%d", seed)
	}
}

// randomAnswer plays one answer. A restarted one says the same words again. The
// page is there when the final is published, or comes back for it.
func (p *oldPage) randomAnswer(r *rand.Rand, steps int) {
	word := func() string { return fmt.Sprintf("%d. %s ", p.tr.open.Index, strings.Repeat("w", r.IntN(40))) }
	var said []string
	next := func() {
		i := p.tr.open.Index + 1
		if i == len(said) {
			said = append(said, word())
		}
		p.tr.piece(said[i], r.IntN(12) == 0)
	}
	next()
	for range steps {
		switch r.IntN(12) {
		case 0, 1, 2, 3:
			next()
		case 4:
			if r.IntN(6) == 0 {
				p.tr.restart()
			}
		case 5, 6, 7:
			p.deliver()
		case 8:
			p.write(1 + r.IntN(4))
		case 9:
			p.c.shake()
		case 10:
			p.settle()
		case 11:
			p.breaks()
			p.tr.channel = nil
			p.connect(300 + r.IntN(2000))
		}
	}
	for p.tr.open.Index+1 < len(said) || p.tr.open.Index < 0 {
		next()
	}
	p.tr.final(chatbox.FinishStop, nil)
	p.deliver()
}

// deliver brings all that was published; what is missing is read.
func (p *oldPage) deliver() {
	for _, u := range p.tr.channel {
		if p.fs.Deliver(u) {
			continue
		}
		if after, mine := p.fs.BeginCatchUp(p.tr.key); mine {
			events, _, open := p.tr.read(after)
			p.fs.CatchUp(p.tr.key, events, open)
			p.fs.EndCatchUp(p.tr.key)
		}
	}
	p.tr.channel = nil
}
