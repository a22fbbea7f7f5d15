//go:build fault

package fault

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"chatbox/cmd/chatload/client"
)

// One user who floods the cluster, and the others.
const (
	greedyEvents  = 900 // events of the session that is replayed again and again
	greedySockets = 10  // that a user may have
	greedyHealthy = 42
	greedyRounds  = 4                      // of all floods, in the long form
	greedyEvery   = 800 * time.Millisecond // a healthy user's next message
	greedyOwner   = "greedy"
	greedyStaff   = "greedy-staff"
)

// greed is a cluster with healthy users and what a greedy one needs.
type greed struct {
	c       *cluster
	healthy []*talker
	session string        // the greedy user's, long
	others  []string      // for a greedy member of staff
	window  time.Duration // of a flood
	compare time.Duration // of what it is compared with
	staffed []deed        // what a colleague did meanwhile
	soft    context.Context
	hush    context.CancelFunc
	work    sync.WaitGroup
}

// deed is a colleague's request: when, and how long it took.
type deed struct {
	at   time.Time
	took time.Duration
}

// span is some time in which something was done to the pods.
type span struct{ began, ended time.Time }

func (s span) holds(at time.Time) bool { return !at.Before(s.began) && at.Before(s.ended) }

// flooded is what one kind of flood came to, over all rounds.
type flooded struct {
	quiet, beside, under []span
	done                 outcome
	client, pods         time.Duration // processor time in the flood's windows
	idle                 time.Duration // of the pods in the quiet windows
}

// TestFlood_OneUserHurtsNobody has one user, or one member of staff, ask three
// pods for as much as ten sockets can, by every frame and request that costs a
// pod something. Others' acks are timed under it, beside a process that uses as
// much of the processors without touching a pod, and without either, in turn.
func TestFlood_OneUserHurtsNobody(t *testing.T) {
	g := prepareGreed(t)
	kinds := []string{
		client.TypePing, "typing_indicator", "read", client.TypeResume, floodReconnect, client.TypeHelpRequest,
		client.TypeAdminJoin, "watch", floodSearch, floodHistory, floodList,
	}
	if only := os.Getenv("FAULT_FLOODS"); only != "" {
		kinds = strings.Split(only, ",")
	}
	seen := map[string]*flooded{}
	for range pick(1, greedyRounds) {
		for _, kind := range kinds {
			if seen[kind] == nil {
				seen[kind] = &flooded{}
			}
			g.round(kind, seen[kind])
		}
	}
	g.hush()
	g.work.Wait()
	for _, kind := range kinds {
		g.report(kind, seen[kind])
	}
	for _, k := range g.healthy {
		g.c.wait(k.devices[0], "all acks", func(t *client.Tracker) bool { return t.Session(k.session).Unacked() == 0 })
		g.c.judge(sitting{user: k.user, session: k.session}, k.devices...)
	}
}

// prepareGreed fills the long session, then gives the pods the limits that they
// have in production, and begins to have the healthy users talk.
func prepareGreed(t *testing.T) *greed {
	t.Helper()
	c := start(t, setup{env: map[string]string{"LOG_LEVEL": "info"}})
	g := &greed{c: c, session: "s-" + client.NewID(), window: pick(2*time.Second, 4*time.Second), compare: pick(time.Second, 4*time.Second)}
	g.soft, g.hush = context.WithCancel(c.ctx)
	t.Cleanup(func() { g.hush(); g.work.Wait() })
	g.fill()
	for _, p := range c.pods {
		c.drained(p)
		p.env = append(p.env, "RATE_LIMIT=100", "REST_RATE_LIMIT=600", "ADMIN_RATE_LIMIT=1200", "HELP_RATE_LIMIT=5")
		c.restart(p)
	}
	for n := range greedyHealthy {
		k := &talker{user: fmt.Sprintf("healthy-%d", n), session: "s-" + client.NewID()}
		k.devices = []*client.Client{c.device(k.user, k.session, c.pods[n%len(c.pods)].url())}
		c.choose(k.devices[0], k.session, modelAnew)
		g.healthy = append(g.healthy, k)
		g.work.Go(func() { g.talk(k, time.Duration(n)*greedyEvery/greedyHealthy) })
	}
	g.work.Go(g.assist)
	return g
}

// assist has a colleague take over and hand back a session of their own, through
// any pod, and notes how long that takes.
func (g *greed) assist() {
	session, token := g.others[len(g.others)-1], g.c.token("colleague", "admin")
	tick := time.NewTicker(greedyEvery / 2)
	defer tick.Stop()
	for n := 0; g.soft.Err() == nil; n++ {
		method := []string{http.MethodPost, http.MethodDelete}[n%2]
		began := time.Now()
		status := g.c.asStaff(g.c.ctx, token, method, g.c.pods[n/2%len(g.c.pods)].url()+"/chatbox/admin/takeover/"+session, nil, nil)
		if status != http.StatusOK {
			g.c.t.Errorf("a colleague's %s: status %d after %v", method, status, time.Since(began))
		}
		g.staffed = append(g.staffed, deed{began, time.Since(began)})
		select {
		case <-tick.C:
		case <-g.soft.Done():
		}
	}
}

// deeds are the colleague's times in these spans, in milliseconds, sorted.
func (g *greed) deeds(spans []span) (took []float64) {
	for _, d := range g.staffed {
		if slices.ContainsFunc(spans, func(s span) bool { return s.holds(d.at) }) {
			took = append(took, d.took.Seconds()*1000)
		}
	}
	slices.Sort(took)
	return took
}

// fill writes what is replayed and found: while a person holds the session no
// model answers.
func (g *greed) fill() {
	c := g.c
	c.t.Helper()
	d := c.device(greedyOwner, g.session, c.pods[0].url())
	c.choose(d, g.session, modelAnew)
	staff := c.token(greedyStaff, "admin")
	c.insists(staff, http.MethodPost, "takeover/"+g.session, nil, http.StatusOK)
	for n := range greedyEvents - 2 {
		_, err := d.Send(client.Frame{Type: client.TypeUserMessage, SessionID: g.session, Content: fmt.Sprintf("%s alpha beta gamma number%d", c.canary, n)})
		if err != nil {
			c.t.Fatal(err)
		}
	}
	c.wait(d, "the long session", func(t *client.Tracker) bool {
		s := t.Session(g.session)
		return s != nil && s.LastSeq >= greedyEvents && s.Unacked() == 0
	})
	c.insists(staff, http.MethodDelete, "takeover/"+g.session, nil, http.StatusOK)
	c.leave(d)
	for n := range greedySockets + 1 { // the last one is a colleague's
		other := fmt.Sprintf("s-%d-%s", n, client.NewID())
		d := c.device(fmt.Sprintf("other-%d", n), other, c.pods[0].url())
		c.choose(d, other, modelAnew)
		c.leave(d)
		g.others = append(g.others, other)
	}
}

// talk chooses a model again and again: an event that no model answers.
func (g *greed) talk(k *talker, phase time.Duration) {
	first := time.NewTimer(phase)
	defer first.Stop()
	select {
	case <-first.C:
	case <-g.soft.Done():
		return
	}
	tick := time.NewTicker(greedyEvery)
	defer tick.Stop()
	for {
		if _, err := k.devices[0].Send(client.Frame{Type: client.TypeModelSelect, SessionID: k.session, ModelID: modelAnew}); err != nil {
			g.c.t.Errorf("%s: %v", k.session, err)
			return
		}
		select {
		case <-tick.C:
		case <-g.soft.Done():
			return
		}
	}
}

// order is the flood of a kind.
func (g *greed) order(kind string) order {
	o := order{Kind: kind, Session: g.session, Others: g.others[:greedySockets], Sockets: greedySockets, Token: g.c.token(greedyOwner)}
	switch kind {
	case client.TypeAdminJoin, "watch", floodSearch:
		o.Token = g.c.token(greedyStaff, "admin")
	case floodList: // whose requests are all used up afterwards
		o.Token = g.c.token("greedy-too")
	}
	for _, p := range g.c.pods {
		o.URLs = append(o.URLs, p.url())
	}
	return o
}

// round is one window of each: quiet, under the flood, beside as much work.
func (g *greed) round(kind string, f *flooded) {
	g.c.t.Helper()
	before := g.busy()
	f.quiet = append(f.quiet, g.during(g.compare))
	f.idle += time.Duration((g.busy() - before).Seconds() / g.compare.Seconds() * float64(g.window))
	flood := flooding(g.c.t, g.order(kind))
	before = g.busy()
	s := g.during(g.window)
	f.pods += g.busy() - before
	done, busy := flood.end(g.c.t)
	f.under = append(f.under, s)
	f.done.add(done)
	f.client += busy
	hold(g.c.ctx, g.c.t, greedyEvery) // what the flood left behind is done
	burn := flooding(g.c.t, order{Kind: floodBurn, URLs: []string{""}, Sockets: greedySockets, Share: busy.Seconds() / s.ended.Sub(s.began).Seconds()})
	f.beside = append(f.beside, g.during(g.compare))
	burn.end(g.c.t)
}

func (g *greed) during(window time.Duration) span {
	s := span{began: time.Now()}
	hold(g.c.ctx, g.c.t, window)
	s.ended = time.Now()
	return s
}

func (g *greed) busy() (all time.Duration) {
	for _, p := range g.c.pods {
		all += p.busy()
	}
	return all
}

// acks are the healthy users' times to an ack of what they said in these spans,
// in milliseconds, sorted.
func (g *greed) acks(spans []span) (took []float64) {
	for _, k := range g.healthy {
		k.devices[0].View(func(t *client.Tracker) {
			for _, r := range t.Session(k.session).Sent {
				if r.Seq > 0 && slices.ContainsFunc(spans, func(s span) bool { return s.holds(r.First) }) {
					took = append(took, r.AckAt.Sub(r.First).Seconds()*1000)
				}
			}
		})
	}
	slices.Sort(took)
	return took
}

// report prints what a flood did, and judges what it must not do.
func (g *greed) report(kind string, f *flooded) {
	t := g.c.t
	t.Helper()
	at := func(took []float64, q float64) float64 {
		if len(took) == 0 {
			t.Errorf("%s: nothing was acked", kind)
			return 0
		}
		return took[int(float64(len(took)-1)*q)]
	}
	quiet, beside, under := g.acks(f.quiet), g.acks(f.beside), g.acks(f.under)
	var ratios []float64
	for i := range f.under {
		ratios = append(ratios, at(g.acks(f.under[i:i+1]), 0.99)/at(g.acks(f.beside[i:i+1]), 0.99))
	}
	rounds := time.Duration(len(f.under))
	figure(t, "one user's flood", "%s by %d sockets on three pods, %d windows of %v, %d healthy users: their ack p50/p99 ms %.0f/%.0f under it, %.0f/%.0f beside as much processor time "+
		"without a pod (p99 ratio in the median window %.2f), %.0f/%.0f in quiet; a colleague's takeover p50/most ms %.0f/%.0f, %.0f/%.0f, %.0f/%.0f; %d asked, %d done, %d refused, failed %v, slowest %v; processor time in a window: flooder %v, pods %v, %v in quiet",
		kind, greedySockets, len(f.under), g.window, greedyHealthy, at(under, 0.5), at(under, 0.99), at(beside, 0.5), at(beside, 0.99), median(ratios), at(quiet, 0.5), at(quiet, 0.99),
		at(g.deeds(f.under), 0.5), at(g.deeds(f.under), 1), at(g.deeds(f.beside), 0.5), at(g.deeds(f.beside), 1), at(g.deeds(f.quiet), 0.5), at(g.deeds(f.quiet), 1),
		f.done.Sent, f.done.Answered, f.done.Refused, f.done.Failed, f.done.Slowest.Round(time.Millisecond),
		(f.client / rounds).Round(10*time.Millisecond), (f.pods / rounds).Round(10*time.Millisecond), (f.idle / rounds).Round(10*time.Millisecond))
	if f.done.Silent > 0 {
		t.Errorf("%s: %d frames had no answer", kind, f.done.Silent)
	}
	for code, n := range f.done.Failed {
		t.Errorf("%s: %d times %s", kind, n, code)
	}
	g.kept(kind, f.done.Acked)
}

// kept looks for what the flooder had acked in the history.
func (g *greed) kept(kind string, acked []ackedFrame) {
	t := g.c.t
	t.Helper()
	history := map[string]map[int64]string{}
	for _, a := range acked {
		if history[a.Session] == nil {
			owner := greedyOwner
			if n := slices.Index(g.others, a.Session); n >= 0 {
				owner = fmt.Sprintf("other-%d", n)
			}
			events, err := g.c.rest(owner).History(g.c.ctx, a.Session)
			if err != nil {
				t.Fatal(err)
			}
			history[a.Session] = map[int64]string{}
			for _, e := range events {
				history[a.Session][e.Seq] = e.ID
			}
		}
		if got := history[a.Session][a.Seq]; got != a.ID {
			t.Errorf("%s: %s was acked at %d of %s, where %q is", kind, a.ID, a.Seq, a.Session, got)
		}
	}
}
