package hub

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"chatbox"
	"chatbox/cluster"

	"github.com/stretchr/testify/require"
)

// arena is a pod with several sockets in one session, and a schedule drawn from
// a seed.
type arena struct {
	ctx context.Context
	*truth
	r       *rand.Rand
	h       *Hub
	fs      *Feeds
	clients []*listener
	joins   map[*listener]*joining
	behind  bool
	reading *reading
	missed  map[*listener][]string // answers whose failure it must receive
	trace   []string
}

type reading struct {
	after  int64
	events []chatbox.Event
	open   *cluster.OpenAnswer
}

// joining is a socket between Enter and Join, and what was read for it.
type joining struct {
	from int64 // -1: at the head
	j    Join
	read bool
}

// watcher is an admin who watches the session and must see what its owner's
// sockets see.
const watcher = "watcher"

func newArena(ctx context.Context, seed uint64) *arena {
	a := &arena{
		ctx:   ctx,
		truth: newTruth(), r: rand.New(rand.NewPCG(seed, 1)), joins: map[*listener]*joining{}, missed: map[*listener][]string{},
	}
	a.h = New(Config{}, encodeTold, nil)
	a.fs = NewFeeds(a.h)
	for i, user := range []string{a.owner, a.owner, a.owner, "stranger", watcher} {
		c := newListener(a.truth, fmt.Sprint("c", i), user, 600+a.r.IntN(3000))
		a.clients = append(a.clients, c)
		a.h.Add(c.conn)
	}
	// The stranger named the id while it was free, and stays.
	a.enter(a.clients[3], 0)
	a.read(a.clients[3])
	a.join(a.clients[3])
	return a
}

func (a *arena) say(format string, args ...any) {
	a.trace = append(a.trace, fmt.Sprintf(format, args...))
}

func (a *arena) enter(c *listener, from int64) {
	if _, err := a.fs.Enter(c.id, a.key); err != nil {
		panic(err)
	}
	a.say("%s enters from %d", c.id, from)
	c.entered, c.joined = true, false
	a.joins[c] = &joining{from: from}
}

func (a *arena) read(c *listener) {
	w := a.joins[c]
	after := w.from
	if after < 0 {
		after = a.state.Head
	}
	j := Join{Owner: a.owner, From: after, Announce: true, Recovered: true, Continue: w.j.Continue}
	j.Events, j.State, j.Open = a.truth.read(after)
	if c.user == watcher {
		j.As = cluster.ByWatching
	} else if c.user != a.owner {
		j.Owner, j.Events, j.State, j.Open = "", nil, chatbox.State{}, nil
	}
	w.j, w.read = j, true
	a.say("%s has read from %d to %d", c.id, after, a.state.Head)
}

func (a *arena) join(c *listener) {
	w := a.joins[c]
	if !w.j.Continue {
		c.mark(w.j.From)
	}
	bound := c.conn.cfg.CollapseBytes
	c.conn.cfg.CollapseBytes = 1 << 29 // a replay is never made to wait here
	err := a.fs.Join(a.ctx, c.id, a.key, w.j)
	c.conn.cfg.CollapseBytes = bound
	a.say("%s joins: %v", c.id, err)
	switch {
	case err == nil:
		c.joined = true
		delete(a.joins, c)
	case errors.Is(err, chatbox.Clash):
		sent, _ := a.fs.Attached(c.id, a.key)
		w.from, w.read, w.j.Continue = sent, false, true
	default:
		panic(err)
	}
}

func (a *arena) leave(c *listener) {
	a.fs.Leave(c.id, a.key)
	a.say("%s leaves", c.id)
	c.entered, c.joined = false, false
	delete(a.joins, c)
	delete(a.missed, c)
	c.settle()
	clear(c.own) // nothing is expected for a place that was given up
}

// deliver brings the next update to the pod, or loses it, or brings it twice.
func (a *arena) deliver(lossy bool) {
	if len(a.channel) == 0 {
		return
	}
	u := a.channel[0]
	a.channel = a.channel[1:]
	if lossy && u.Failure == nil && a.r.IntN(8) == 0 {
		a.say("lost: %s", describe(u))
		return
	}
	for n := 1 + a.r.IntN(10)/9; n > 0; n-- {
		ok := a.fs.Deliver(u)
		a.say("delivered %s: %v", describe(u), ok)
		if !ok {
			a.behind = true
		}
	}
}

// catchUp goes one step: it begins to read, or gives what was read.
func (a *arena) catchUp() {
	if a.reading == nil {
		if !a.behind {
			return
		}
		a.behind = false
		after, mine := a.fs.BeginCatchUp(a.key)
		if !mine {
			return
		}
		events, _, open := a.truth.read(after)
		a.reading = &reading{after, events, open}
		a.say("catch-up has read from %d to %d", after, a.state.Head)
		return
	}
	w := a.reading
	a.reading = nil
	a.fs.CatchUp(a.key, w.events, w.open)
	a.say("caught up to %d", w.after+int64(len(w.events)))
	if a.fs.EndCatchUp(a.key) {
		a.behind = true
	}
}

func (a *arena) post(c *listener) {
	named := a.r.IntN(2) == 0
	key := fmt.Sprint("own", a.n)
	c.own[key] = named
	a.fs.Expect(c.id, a.key, key, named)
	e := a.message(key)
	if !named {
		c.unnamed[e.Seq] = true
	}
	a.say("%s posted %d, named %v", c.id, e.Seq, named)
}

func (a *arena) step() {
	c := a.clients[[]int{0, 1, 2, 4}[a.r.IntN(4)]]
	switch n := a.r.IntN(100); {
	case n < 4 && !a.state.Ended:
		a.message("")
	case n < 8 && !a.state.Ended && c.joined && c.user == a.owner:
		a.post(c)
	case n < 14:
		a.start()
	case n < 34:
		a.piece(strings.Repeat("x", 1+a.r.IntN(60)), a.r.IntN(12) == 0)
	case n < 36:
		a.restart()
	case n < 39:
		a.final([]chatbox.Finish{chatbox.FinishStop, chatbox.FinishError, chatbox.FinishCancelled}[a.r.IntN(3)], nil)
	case n < 40:
		other := "another pod's " + fmt.Sprint(a.n)
		a.final(chatbox.FinishStop, &other)
	case n < 42:
		a.fails()
	case n < 43 && a.state.HolderID == "" && !a.state.Ended:
		a.takeover()
		a.say("takeover")
	case n < 45 && a.state.HolderID != "":
		a.commit(chatbox.Event{Type: chatbox.TypeAdminLeave})
	case n < 65:
		a.deliver(true)
	case n < 71:
		a.catchUp()
	case n < 72:
		a.behind = true // as the look at all heads does
	case n < 76 && !c.entered:
		a.enter(c, int64(a.r.IntN(int(a.state.Head)+2))-1)
	case n < 78 && c.joined:
		a.enter(c, int64(a.r.IntN(int(a.state.Head)+2))-1)
	case n < 87 && a.joins[c] != nil:
		if a.joins[c].read {
			a.join(c)
		} else {
			a.read(c)
		}
	case n < 88 && c.entered:
		a.leave(c)
	case n < 89:
		c.shake()
	case n < 93:
		c.write(1 + a.r.IntN(6))
	case n < 95:
		c.write(1 << 30) // to the end, where the writer finds what it owes
	default:
		c.pay()
	}
}

func (a *arena) fails() {
	id := a.fail()
	if id == "" {
		return
	}
	for _, c := range a.clients {
		if c.entered && c.user != "stranger" {
			a.missed[c] = append(a.missed[c], id)
		}
	}
}

// end lets everything arrive, and compares what clients have with the truth.
func (a *arena) end() (faults []string) {
	for len(a.channel) > 0 {
		a.deliver(false)
		a.catchUp()
	}
	for range 6 {
		for _, c := range a.clients {
			for a.joins[c] != nil {
				a.read(c)
				a.join(c)
			}
		}
		a.behind = true
		a.catchUp()
		a.catchUp()
	}
	for _, c := range a.clients {
		c.settle()
		if c.joined && c.user != "stranger" {
			a.compare(c)
		}
		for id, n := range c.failures {
			if n > 1 {
				c.fault("failure of %s told %d times", id, n)
			}
		}
		faults = append(faults, c.faults...)
	}
	return faults
}

func (a *arena) compare(c *listener) {
	for s := c.next; s <= a.state.Head; s++ {
		if !c.unnamed[s] {
			c.fault("%d never came, the head is %d", s, a.state.Head)
		}
	}
	if o := a.open; o != nil && o.Index >= 0 && c.shown[o.AnswerID].text != o.Text {
		c.fault("shown %q, open is %q at (%d,%d)", c.shown[o.AnswerID].text, o.Text, o.Attempt, o.Index)
	}
	for _, id := range a.missed[c] {
		if c.failures[id] != 1 {
			c.fault("failure of %s told %d times", id, c.failures[id])
		}
	}
	for key, named := range c.own {
		i := slices.IndexFunc(a.log, func(e chatbox.Event) bool { return e.Key == key })
		if named && c.acked[key] != 1 && !slices.ContainsFunc(c.frames, func(d told) bool { return d.Mark != nil && *d.Mark >= int64(i)+1 }) {
			c.fault("own event %d acked %d times", i+1, c.acked[key])
		}
	}
}

// TestFeed_RandomSchedules plays random schedules; FEED_SEED repeats one of
// them and FEED_RUNS sets their number.
func TestFeed_RandomSchedules(t *testing.T) {
	first, runs := uint64(rand.N(1<<40)), 400
	if s, err := strconv.ParseUint(os.Getenv("FEED_SEED"), 10, 64); err == nil {
		first, runs = s, 1
	}
	if n, err := strconv.Atoi(os.Getenv("FEED_RUNS")); err == nil {
		runs = n
	}
	if testing.Short() {
		runs = min(runs, 50)
	}
	for seed := first; seed < first+uint64(runs); seed++ {
		a := newArena(t.Context(), seed)
		for range 400 {
			a.step()
		}
		if a.r.IntN(3) == 0 && !a.state.Ended {
			a.final(chatbox.FinishCancelled, nil)
			a.commit(chatbox.Event{Type: chatbox.TypeSessionEnded})
		}
		if faults := a.end(); len(faults) > 0 {
			if runs == 1 {
				t.Log(strings.Join(a.trace, "\n"))
				for _, c := range a.clients {
					for i, f := range c.frames {
						b, _ := json.Marshal(f)
						t.Log(c.id, i+1, string(b))
					}
				}
			}
			require.Failf(t, "FEED_SEED="+fmt.Sprint(seed), "%s", strings.Join(faults[:min(8, len(faults))], "\n"))
		}
		for _, c := range a.clients {
			a.fs.LeaveAll(c.id)
		}
		require.Empty(t, a.fs.feeds)
		require.Empty(t, a.fs.standings)
	}
}
