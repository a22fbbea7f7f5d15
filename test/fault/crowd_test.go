//go:build fault

package fault

import (
	"context"
	"fmt"
	"sync"
	"time"

	"chatbox/cmd/chatload/client"
	"chatbox/cmd/chatload/expect"
	"chatbox/cmd/chatload/ledger"
)

// expected is the whole answer to a message.
func expected(message string) string { return expect.Text(message) }

// crowd is many users who talk at the same time, each in a session of its own
// with two devices.
type crowd struct {
	c       *cluster
	talkers []*talker
	soft    context.Context
	hush    context.CancelFunc
	work    sync.WaitGroup
}

type talker struct {
	user, session string
	devices       []*client.Client
}

// gather begins a crowd and returns when everybody has been answered once.
func (c *cluster) gather(users int) *crowd {
	c.t.Helper()
	w := &crowd{c: c}
	w.soft, w.hush = context.WithCancel(c.ctx)
	c.t.Cleanup(func() { w.hush(); w.work.Wait() })
	for n := range users {
		k := &talker{user: fmt.Sprintf("user-%d", n), session: "s-" + client.NewID()}
		first := c.device(k.user, k.session, c.balancer.url())
		c.answered(first, k.session, c.say(first, k.session, c.ask(1, 0)))
		k.devices = []*client.Client{first, c.device(k.user, k.session, c.balancer.url())}
		w.talkers = append(w.talkers, k)
	}
	for n, k := range w.talkers {
		w.work.Go(func() { w.talk(k, n%2 == 1) })
	}
	return w
}

// talk sends messages until the crowd is stopped, in turn from both devices, and
// waits for all answers: slow users before the next message, hasty users at the
// end, so that some also send while a server is unavailable.
func (w *crowd) talk(k *talker, hasty bool) {
	const mostOpen = 30 // answers that a hasty user waits for at once
	var open []string
	pace := time.NewTicker(400 * time.Millisecond)
	defer pace.Stop()
	for n := 0; w.soft.Err() == nil; n++ {
		d := k.devices[n%len(k.devices)]
		content := w.c.ask(30, 20*time.Millisecond)
		if hasty {
			content = w.c.ask(5, 20*time.Millisecond)
		}
		id, err := d.Send(client.Frame{Type: client.TypeUserMessage, SessionID: k.session, Content: content})
		if err != nil {
			w.c.t.Errorf("%s: %v", k.session, err)
			return
		}
		open = append(open, id)
		for len(open) > 0 && (!hasty || len(open) > mostOpen) {
			if open = w.answered(k, open); open == nil {
				return
			}
		}
		if hasty {
			select {
			case <-pace.C:
			case <-w.soft.Done():
			}
		}
	}
	for len(open) > 0 {
		open = w.answered(k, open)
	}
}

// answered waits for the answer to the oldest of these messages and returns
// the others; nil also where none came, which fails the test.
func (w *crowd) answered(k *talker, open []string) []string {
	ctx, cancel := context.WithTimeout(w.c.ctx, longestWait)
	defer cancel()
	err := k.devices[0].WaitFor(ctx, func(t *client.Tracker) bool {
		a := answerOf(t, k.session, open[0])
		return a != nil && a.Over()
	})
	if err != nil {
		w.c.t.Errorf("%s: message %s had no answer in %v", k.session, open[0], longestWait)
		return nil
	}
	return open[1:]
}

// settle lets everybody finish and returns what the sessions came to.
func (w *crowd) settle(allow ...ledger.Class) ledger.Report {
	w.c.t.Helper()
	w.hush()
	w.work.Wait()
	var all ledger.Report
	for _, k := range w.talkers {
		all.Merge(w.c.judge(sitting{user: k.user, session: k.session, allow: allow}, k.devices...))
	}
	return all
}

// recovered waits until everybody has had an ack and an answer after the
// moment, and returns the time that took for the last of them.
func (w *crowd) recovered(after time.Time) (acks, answers time.Duration) {
	w.c.t.Helper()
	for _, k := range w.talkers {
		until(w.c.ctx, w.c.t, k.session+" talks again", longestWait, func(context.Context) bool {
			ack, answer := k.since(after)
			if ack.IsZero() || answer.IsZero() {
				return false
			}
			acks, answers = max(acks, ack.Sub(after)), max(answers, answer.Sub(after))
			return true
		})
	}
	return acks, answers
}

// since finds the first ack and the first final after a moment.
func (k *talker) since(after time.Time) (ack, answer time.Time) {
	earliest := func(least *time.Time, at time.Time) {
		if at.After(after) && (least.IsZero() || at.Before(*least)) {
			*least = at
		}
	}
	for _, d := range k.devices {
		d.View(func(t *client.Tracker) {
			s := t.Session(k.session)
			if s == nil {
				return
			}
			for _, r := range s.Sent {
				earliest(&ack, r.AckAt)
			}
			for _, a := range s.Answers {
				earliest(&answer, a.FinalAt)
			}
		})
	}
	return ack, answer
}
