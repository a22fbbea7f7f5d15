package chaos

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"
)

// act is what a fault does to the operation that it meets.
type act string

// Acts on a command to Redis or an operation of the history.
const (
	refuse    act = "refused"        // it fails and was not applied
	loseReply act = "reply lost"     // it is applied, and fails for who asked
	delay     act = "delayed"        // it waits a while
	hold      act = "held"           // it is applied; who asked waits for the gate
	late      act = "passed on late" // it is applied when the gate opens
)

// Acts on all pods, at the moment of an operation that itself continues.
const (
	cutAll act = "all connections to Redis cut"
	outage act = "Redis away"
	empty  act = "Redis emptied"
	kill   act = "a pod killed and restarted"
	drain  act = "a pod drained and restarted"
)

// fault is what happens at the n-th operation of a kind, counted over all
// pods.
type fault struct {
	op   string
	n    int
	act  act
	span time.Duration // of a delay, an outage, a pod's absence
	pod  int           // which one is killed or drained
	gate chan struct{} // of hold and late: closed to let it go
	met  chan struct{} // closed when the operation met the fault
	// applied is closed when a held operation of the history has taken effect.
	applied chan struct{}
}

func (f *fault) String() string {
	s := fmt.Sprintf("%s #%d: %s", f.op, f.n, f.act)
	if f.span > 0 {
		s += " for " + f.span.String()
	}
	if f.act == kill || f.act == drain {
		s += fmt.Sprintf(" (pod %d)", f.pod+1)
	}
	return s
}

type place struct {
	op string
	n  int
}

// plan is a schedule of faults and the counts that it is keyed on. It is safe
// for concurrent use.
type plan struct {
	whole func(*fault) // carries out an act on the whole; it must not block

	mu     sync.Mutex // guards following
	faults map[place]*fault
	counts map[string]int
	met    []string
	over   bool
}

func newPlan() *plan {
	return &plan{faults: map[place]*fault{}, counts: map[string]int{}, whole: func(*fault) {}}
}

// next has the n-th operation of the kind from now on meet the fault.
func (p *plan) next(op string, n int, a act) *fault {
	p.mu.Lock()
	defer p.mu.Unlock()
	f := &fault{op: op, n: p.counts[op] + n, act: a, gate: make(chan struct{}), met: make(chan struct{}), applied: make(chan struct{})}
	p.faults[place{op, f.n}] = f
	return f
}

// meet counts one operation and returns the fault that is planned for it, nil
// where there is none or it was carried out here.
func (p *plan) meet(op string) *fault {
	p.mu.Lock()
	p.counts[op]++
	f := p.faults[place{op, p.counts[op]}]
	if f == nil || p.over {
		p.mu.Unlock()
		return nil
	}
	p.met = append(p.met, f.String())
	p.mu.Unlock()
	close(f.met)
	switch f.act {
	case cutAll, outage, empty, kill, drain:
		p.whole(f)
		return nil
	default:
		return f
	}
}

// heal has nothing fail any more.
func (p *plan) heal() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.over = true
}

// report lists what was planned and what was met, in its order.
func (p *plan) report() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var planned []string
	for _, at := range slices.SortedFunc(maps.Keys(p.faults), func(a, b place) int {
		return strings.Compare(fmt.Sprintf("%s %6d", a.op, a.n), fmt.Sprintf("%s %6d", b.op, b.n))
	}) {
		planned = append(planned, p.faults[at].String())
	}
	return "planned:\n  " + strings.Join(planned, "\n  ") + "\nmet, in this order:\n  " + strings.Join(p.met, "\n  ")
}

// reach is how many operations of a kind a schedule may have in view: about as
// many as a talk has, so that most faults are met.
type reach struct {
	op    string
	most  int
	often int // share
}

var wireOps = []reach{
	{"begin", 24, 4},
	{"publish", 24, 6},
	{"claim", 14, 3},
	{"start", 9, 2},
	{"piece", 60, 4},
	{"tail", 14, 2},
	{"renew", 3, 1},
	{"sweep", 400, 1},
	{"subscribe", 9, 1},
	{"revoke", 2, 1},
	{"seed", 3, 1},
	{"drop", 3, 1},
}

var storeOps = []reach{
	{"append", 24, 6},
	{"by key", 6, 1},
	{"range", 12, 1},
	{"create", 2, 1},
	{"load", 4, 1},
	{"touch", 20, 1},
	{"claim turn", 10, 2},
	{"settle turn", 10, 2},
	{"retry turn", 1, 1},
}

func draw(r *rand.Rand, from []reach) (op string, n int) {
	sum := 0
	for _, o := range from {
		sum += o.often
	}
	at := r.IntN(sum)
	for _, o := range from {
		if at -= o.often; at < 0 {
			return o.op, 1 + r.IntN(o.most)
		}
	}
	panic("unreachable")
}

func pick[T any](r *rand.Rand, from ...T) T { return from[r.IntN(len(from))] }

// planOf derives a schedule from a seed: some faults of single operations, and
// one to three of the whole.
func planOf(r *rand.Rand) *plan {
	p := newPlan()
	add := func(f fault) {
		f.met = make(chan struct{})
		p.faults[place{f.op, f.n}] = &f
	}
	span := func(least, most int) time.Duration {
		return time.Duration(least+r.IntN(most-least)) * time.Millisecond
	}
	for range 4 + r.IntN(6) {
		f := fault{}
		f.op, f.n = draw(r, wireOps)
		if f.act = pick(r, refuse, loseReply, loseReply, delay); f.act == delay {
			f.span = span(50, 3000) // beyond the time a command may take, at times
		}
		add(f)
	}
	for range 3 + r.IntN(4) {
		f := fault{}
		f.op, f.n = draw(r, storeOps)
		if f.act = pick(r, refuse, loseReply, loseReply, delay); f.act == delay {
			f.span = span(50, 1000)
		}
		add(f)
	}
	whole := []act{cutAll, outage, empty, empty, kill, kill, drain}
	r.Shuffle(len(whole), func(i, j int) { whole[i], whole[j] = whole[j], whole[i] })
	for _, a := range whole[:1+r.IntN(3)] {
		f := fault{act: a, pod: r.IntN(pods)}
		f.op, f.n = draw(r, []reach{{"begin", 20, 1}, {"publish", 20, 2}, {"piece", 60, 3}, {"claim", 12, 1}, {"append", 20, 2}})
		if a != cutAll && a != empty {
			f.span = span(100, 1500)
		}
		add(f)
	}
	return p
}
