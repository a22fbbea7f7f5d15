//go:build fault

package fault

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"chatbox/cmd/chatload/client"
)

// The parts of an audience, and how often they send messages.
const (
	healthyEvery = 10 * time.Second      // a healthy user's next message
	loudEvery    = time.Second           // a loud session's next message
	loudBytes    = 30 << 10              // of a loud session's message
	queueMost    = 3 << 19               // what a pod keeps for one socket
	briefly      = 7 * time.Second       // less than a pod waits for one write
	forGood      = 40 * time.Second      // more than that
	slowdown     = 1.5                   // promised, of the healthy users' p99
	loudAnswer   = 40                    // words
	loudDelay    = 10 * time.Millisecond // between two of them
	perLoud      = 8                     // stalled devices: a user may have ten sockets
)

// droppedPieces counts what a snapshot stands for instead.
const droppedPieces = `chat_frames_dropped_total{reason="collapsed"}`

// audience is one pod's users: healthy ones with a session each, and a few loud
// sessions whose every word and piece goes to stalled devices as well.
type audience struct {
	c       *cluster
	pod     *pod
	healthy []*talker
	loud    []*talker
	soft    context.Context
	hush    context.CancelFunc
	work    sync.WaitGroup
}

// reader is a device that stops reading.
type reader struct {
	*client.Client

	gate *gate
	of   *talker
}

// TestStalled_ReadersHurtOnlyThemselves has devices beside healthy users stop
// reading their sockets: some read again in time, the others are disconnected. The
// latency of the healthy users is compared with a run in which as many devices of
// the same sessions read, on the same two cores.
func TestStalled_ReadersHurtOnlyThemselves(t *testing.T) {
	healthy, stalled, runs := pick(100, 200), pick(20, 50), pick(1, 3)
	c := start(t, setup{})
	w := c.seat(c.pods[0], healthy)
	loud := (stalled + perLoud - 1) / perLoud
	var without, with, queue []float64
	var snapshots, thrown, collapsed int
	before := w.pod.resident(false)
	for range runs {
		without = append(without, w.p99(loud, func() func() {
			readers := w.attend(stalled)
			hold(c.ctx, t, forGood)
			return func() { w.dismiss(readers) }
		}))
		with = append(with, w.p99(loud, func() func() {
			most := c.watchMost(func(ctx context.Context) float64 { return c.metric(ctx, w.pod, "chat_queue_bytes") })
			closed, dropped := c.metric(c.ctx, w.pod, `chat_closes_total{code="4002"}`), c.metric(c.ctx, w.pod, droppedPieces)
			readers := w.attend(stalled)
			shut := w.stall(readers)
			return func() {
				for _, r := range readers {
					r.gate.open()
				}
				w.dismiss(readers)
				for _, r := range readers[:stalled/2] {
					snapshots += r.snapshots(shut)
				}
				collapsed += int(c.metric(c.ctx, w.pod, droppedPieces) - dropped)
				thrown += int(c.metric(c.ctx, w.pod, `chat_closes_total{code="4002"}`) - closed)
				queue = append(queue, most())
			}
		}))
	}
	w.hush()
	w.work.Wait()
	w.settled(w.healthy)
	c.untouched()
	ratio := median(with) / median(without)
	figure(t, "stalled", "%d readers that stop beside %d healthy users on one pod, %d runs of %v: the healthy users' ack p99 %.0f ms, %.0f ms beside as many that read "+
		"(medians, ratio %.2f, promised 1.5); %d of them read on after %v and were shown %d snapshots, %d did not and %d were closed with 4002, "+
		"their sessions' other devices complete; %d pieces collapsed; most bytes waiting on the pod %.1f MiB; its memory %.0f MiB before, %.0f MiB at most",
		stalled, healthy, runs, forGood, median(with), median(without), ratio, stalled/2*runs, briefly, snapshots, (stalled-stalled/2)*runs, thrown, collapsed,
		slices.Max(queue)/(1<<20), before, w.pod.resident(true))
	if want := (stalled - stalled/2) * runs; thrown < want {
		t.Errorf("%d readers were thrown out, want %d", thrown, want)
	}
	if most := slices.Max(queue); most > float64(stalled*queueMost) {
		t.Errorf("%.0f bytes waited for %d readers", most, stalled)
	}
	if collapsed == 0 {
		t.Error("no piece was taken out of a queue: nobody stalled for long enough to show anything")
	}
	if long() && ratio > slowdown { // one short run measures the machine's noise
		t.Errorf("stalled readers make the healthy %.2f times slower", ratio)
	}
}

func median(of []float64) float64 {
	of = slices.Sorted(slices.Values(of))
	return of[len(of)/2]
}

// seat brings in the healthy users, who talk until they are hushed.
func (c *cluster) seat(p *pod, healthy int) *audience {
	c.t.Helper()
	w := &audience{c: c, pod: p}
	w.soft, w.hush = context.WithCancel(c.ctx)
	c.t.Cleanup(func() { w.hush(); w.work.Wait() })
	for n := range healthy {
		k := &talker{user: fmt.Sprintf("healthy-%d", n), session: "s-" + client.NewID()}
		k.devices = []*client.Client{c.device(k.user, k.session, p.url())}
		w.healthy = append(w.healthy, k)
		phase := time.Duration(n) * healthyEvery / time.Duration(healthy)
		w.work.Go(func() { w.talk(w.soft, k, phase, healthyEvery, c.ask(3, 10*time.Millisecond)) })
	}
	return w
}

// loudly has new loud sessions talk while during runs. New ones, for an answer
// costs what was said before it.
func (w *audience) loudly(loud int, during func()) {
	c := w.c
	c.t.Helper()
	soft, hush := context.WithCancel(w.soft)
	defer hush()
	w.loud = nil
	var work sync.WaitGroup
	for n := range loud {
		k := &talker{user: "loud-" + client.NewID()[:8], session: "s-" + client.NewID()}
		k.devices = []*client.Client{c.device(k.user, k.session, w.pod.url())}
		w.loud = append(w.loud, k)
		text := c.ask(loudAnswer, loudDelay) + " " + strings.Repeat("x", loudBytes)
		work.Go(func() { w.talk(soft, k, time.Duration(n)*loudEvery/time.Duration(loud), loudEvery, text) })
	}
	during()
	hush()
	work.Wait()
	w.settled(w.loud)
}

// settled waits until these talkers have been answered and judges what their
// devices saw.
func (w *audience) settled(talkers []*talker) {
	c := w.c
	c.t.Helper()
	for _, k := range talkers {
		c.wait(k.devices[0], "all answers", func(t *client.Tracker) bool {
			s := t.Session(k.session)
			for id := range s.Sent {
				if a := s.AnswerTo(id); a == nil || !a.Over() {
					return false
				}
			}
			return true
		})
		c.judge(sitting{user: k.user, session: k.session}, k.devices...)
		c.leave(k.devices...)
	}
}

// talk says something at every tick.
func (w *audience) talk(soft context.Context, k *talker, phase, every time.Duration, content string) {
	first := time.NewTimer(phase)
	defer first.Stop()
	select {
	case <-first.C:
	case <-soft.Done():
		return
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		if _, err := k.devices[0].Send(client.Frame{Type: client.TypeUserMessage, SessionID: k.session, Content: content}); err != nil {
			w.c.t.Errorf("%s: %v", k.session, err)
			return
		}
		select {
		case <-tick.C:
		case <-soft.Done():
			return
		}
	}
}

// p99 is the healthy users' time to an ack, in milliseconds, of what they said
// while during ran beside loud sessions; what it returns comes after that.
func (w *audience) p99(loud int, during func() (after func())) float64 {
	w.c.t.Helper()
	var began, ended time.Time
	w.loudly(loud, func() {
		began = time.Now()
		after := during()
		ended = time.Now()
		after()
	})
	var took []float64
	for _, k := range w.healthy {
		k.devices[0].View(func(t *client.Tracker) {
			s := t.Session(k.session)
			for _, r := range s.Sent {
				if !r.First.Before(began) && r.First.Before(ended) && r.Seq > 0 {
					took = append(took, r.AckAt.Sub(r.First).Seconds()*1000)
				}
			}
		})
	}
	slices.Sort(took)
	if len(took) < 100 {
		w.c.t.Errorf("only %d messages were acked meanwhile", len(took))
		return 0
	}
	return took[len(took)*99/100]
}

// attend has so many devices join the loud sessions.
func (w *audience) attend(n int) []*reader {
	c := w.c
	c.t.Helper()
	readers := make([]*reader, n)
	for i := range readers {
		k := w.loud[i%len(w.loud)]
		r := &reader{gate: newGate(), of: k}
		r.Client = c.run(k.user, client.Config{
			URLs: []string{w.pod.url()}, SessionID: k.session, FromHead: true, KeepPieces: true, NetDial: r.gate.dial,
		})
		c.t.Cleanup(r.gate.open)
		readers[i] = r
	}
	return readers
}

// stall has the readers stop reading: half of them read on after a while, the
// others not before the pod has had enough.
func (w *audience) stall(readers []*reader) (shut time.Time) {
	w.c.t.Helper()
	for _, r := range readers {
		r.gate.shut()
	}
	shut = time.Now()
	hold(w.c.ctx, w.c.t, briefly)
	for _, r := range readers[:len(readers)/2] {
		r.gate.open()
	}
	hold(w.c.ctx, w.c.t, forGood-time.Since(shut))
	return shut
}

// dismiss sends the readers away when they have seen everything.
func (w *audience) dismiss(readers []*reader) {
	w.c.t.Helper()
	for _, r := range readers {
		w.c.caughtUp(r)
		w.c.leave(r.Client)
	}
}

// caughtUp waits until the reader has been shown what its session's talker has.
func (c *cluster) caughtUp(r *reader) {
	c.t.Helper()
	var head int64
	r.of.devices[0].View(func(t *client.Tracker) { head = t.Session(r.of.session).LastSeq })
	c.wait(r.Client, "what was missed", func(t *client.Tracker) bool {
		s := t.Session(r.of.session)
		return s != nil && s.LastSeq >= head
	})
	r.View(func(t *client.Tracker) {
		for _, v := range t.Violations {
			c.t.Errorf("a stalled reader: %v", v)
		}
	})
	if c.t.Failed() {
		c.keep("stalled", r.Client)
		c.t.FailNow()
	}
}

// snapshots counts those that the device was shown since.
func (r *reader) snapshots(since time.Time) (n int) {
	for _, e := range r.Transcript() {
		if e.Act == client.ActReceived && e.At.After(since) && e.Frame.Metadata["snapshot"] == "true" {
			n++
		}
	}
	return n
}

// TestStalled_HalfOpenSocketsAreGone has peers vanish without a goodbye.
func TestStalled_HalfOpenSocketsAreGone(t *testing.T) {
	if !long() {
		t.Skip("NOT RUN: FAULT=short; it takes a minute")
	}
	const (
		vanished = 20
		bound    = 60 * time.Second // docs/protocol/contract.md
	)
	c := start(t, setup{})
	p := c.pods[0]
	var gates []*gate
	for n := range vanished {
		g, session := newGate(), "s-"+client.NewID()
		d := c.run(fmt.Sprintf("user-%d", n), client.Config{
			URLs: []string{p.url()}, SessionID: session, NetDial: g.dial, ReadTimeout: 10 * time.Minute,
		})
		t.Cleanup(g.open)
		if n%2 == 0 { // half of them during an answer
			c.say(d, session, c.ask(300, 10*time.Millisecond))
		}
		gates = append(gates, g)
	}
	if n := c.metric(c.ctx, p, "chat_connections"); n != vanished {
		t.Fatalf("%v sockets, want %d", n, vanished)
	}
	hold(c.ctx, t, time.Second)
	for _, g := range gates {
		g.die()
	}
	took := until(c.ctx, t, "the pod gives them up", bound+10*time.Second, func(ctx context.Context) bool {
		return c.metric(ctx, p, "chat_connections") == 0
	})
	c.untouched()
	figure(t, "half-open", "%d peers that vanish without a goodbye, half of them in mid-answer: all given up after %v (promised 60 s + the close)",
		vanished, took.Round(100*time.Millisecond))
}
