package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"chatbox/cmd/chatload/client"
	"chatbox/cmd/chatload/ledger"
	"chatbox/internal/sleep"
)

// maxOpen limits how many messages of a session wait for answers if the script
// does not wait.
const maxOpen = 4

// talk is one scripted session with all its devices.
type talk struct {
	load    *load
	who     *person
	rng     *rand.Rand // of the script; used by the script's goroutine only
	id      string
	board   *board
	devices []*client.Client
	open    []string // ids of messages that may be unanswered
	report  ledger.Report
}

func (l *load) newTalk(who *person, rng *rand.Rand) *talk {
	t := &talk{load: l, who: who, rng: rng, id: sessionID(), board: newBoard(l.meter, l.devices)}
	for n := range l.devices {
		auth := client.Auth(l.auth)
		if l.auth == "mixed" {
			auth = []client.Auth{client.AuthHeader, client.AuthSubprotocol, client.AuthQuery}[rng.IntN(3)]
		}
		t.devices = append(t.devices, client.New(client.Config{
			URLs: l.urls, Prefix: l.options.prefix, Token: who.credential(auth), Auth: auth,
			SessionID: t.id, ResumeByFrame: l.resume == "frame" || l.resume == "mixed" && rng.IntN(2) == 0,
			Hook: t.board.hook(n),
		}))
	}
	return t
}

// sessionID returns a random id in the form of a UUID.
func sessionID() string {
	id := strings.ToLower(client.NewID())
	return id[:8] + "-" + id[8:12] + "-" + id[12:16] + "-" + id[16:20] + "-" + id[20:26]
}

// play runs the whole session and returns the ledger's report. It always
// ends: soft stops the messages, and every wait has a timeout.
func (t *talk) play(ctx, soft context.Context) ledger.Report {
	running, stopDevices := context.WithCancel(ctx)
	breaking, stopBreaking := context.WithCancel(ctx)
	var devices sync.WaitGroup // the devices and their breakers: ended by the cancels, waited for below
	stopped := make([]error, len(t.devices))
	for n, d := range t.devices {
		devices.Go(func() { stopped[n] = d.Run(running) })
		seed := t.rng.Uint64()
		devices.Go(func() { t.breaker(breaking, d, seed) })
	}
	if t.connected(ctx) {
		t.script(ctx, soft)
	}
	stopBreaking()
	complete := t.settled(ctx)
	stopDevices()
	devices.Wait()
	for n, err := range stopped {
		if err != nil {
			t.report.Add(ledger.Contract, "session %s device %d: %v", t.id, n, err)
		}
	}
	t.report.Merge(t.compare(ctx, complete))
	if t.load.end {
		if err := t.who.rest.End(ctx, t.id); err != nil {
			t.report.Add(ledger.Contract, "session %s: end: %v", t.id, err)
		}
	}
	return t.report
}

// connected waits until every device has its first frame and is attached to the
// session.
func (t *talk) connected(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, t.load.settle)
	defer cancel()
	for n, d := range t.devices {
		if err := d.WaitFor(ctx, func(tr *client.Tracker) bool { return tr.Attached(t.id) }); err != nil {
			t.report.Add(ledger.Unchecked, "session %s: device %d did not connect: %v", t.id, n, err)
			return false
		}
	}
	return true
}

// breaker breaks a device's connection at random times until ctx ends.
func (t *talk) breaker(ctx context.Context, d *client.Client, seed uint64) {
	if t.load.reconnectEvery <= 0 {
		return
	}
	rng := rand.New(rand.NewPCG(t.load.seed, seed)) //nolint:gosec // a script is to be repeatable
	for sleep.For(ctx, time.Duration(rng.ExpFloat64()*float64(t.load.reconnectEvery))) {
		t.load.meter.drops.Add(1)
		d.Drop(time.Duration(rng.Int64N(int64(time.Second))))
	}
}

// script sends the session's messages.
func (t *talk) script(ctx, soft context.Context) {
	for n := 0; t.load.messages == 0 || n < t.load.messages; n++ {
		if !t.load.pace.wait(soft) {
			break
		}
		id, device := t.say(n)
		if t.rng.Float64() < t.load.wait {
			t.receive(ctx, id, device)
		} else if len(t.open) > maxOpen {
			t.answered(ctx, t.open[0])
		}
	}
	for _, id := range slices.Clone(t.open) {
		t.answered(ctx, id)
	}
}

// say sends message n from a random device, sometimes more than once.
func (t *talk) say(n int) (id string, device int) {
	device = t.rng.IntN(len(t.devices))
	id = "m" + strconv.Itoa(n) + "-" + client.NewID()[:12]
	f := client.Frame{Type: client.TypeUserMessage, ID: id, SessionID: t.id, Content: t.words(n)}
	t.board.announce(id, device, len(t.open) == 0)
	if _, err := t.devices[device].Send(f); err != nil {
		t.report.Add(ledger.Unchecked, "session %s: %s: %v", t.id, id, err)
		return id, device
	}
	t.load.meter.sentCount.Add(1)
	t.open = append(t.open, id)
	if t.rng.Float64() < t.load.repeat {
		t.load.meter.repeats.Add(1)
		// A repeat from another device has the same effect, because an id belongs
		// to the user and not to the socket.
		if err := t.devices[t.rng.IntN(len(t.devices))].SendBare(f); err != nil {
			t.report.Add(ledger.Unchecked, "session %s: repeat of %s: %v", t.id, id, err)
		}
	}
	return id, device
}

// words returns the content of message n: text that must arrive unchanged, and
// the directive.
func (t *talk) words(n int) string {
	text := fmt.Sprintf("  message %d of %s \t<b>&\"é日本😀\"</b>\n%d", n, t.id, t.rng.Uint64())
	if t.load.directive != "" {
		text += " " + t.load.directive
	}
	return text
}

// receive waits for the answer, or cancels it and sometimes requests another.
func (t *talk) receive(ctx context.Context, id string, device int) {
	if t.rng.Float64() >= t.load.cancel {
		t.answered(ctx, id)
		return
	}
	if !t.await(ctx, id, func(n turn) bool { return n.begun || n.over }) {
		return
	}
	t.load.meter.cancels.Add(1)
	t.transient(client.TypeCancel, device)
	if !t.answered(ctx, id) || t.rng.Float64() >= t.load.retry || len(t.open) > 0 {
		return
	}
	last, err := t.board.await(ctx, id, func(n turn) bool { return n.over })
	if err != nil || last.finish != "cancelled" {
		return
	}
	t.again(ctx, id, last.answer, device)
}

// again requests another answer in place of the cancelled one. The frame is
// transient: if it is lost with its socket, no answer is due.
func (t *talk) again(ctx context.Context, id, cancelled string, device int) {
	conns := t.board.conns(device)
	t.load.meter.retries.Add(1)
	t.transient(client.TypeRetry, device)
	wait, cancel := context.WithTimeout(ctx, t.load.answerTimeout)
	defer cancel()
	for {
		slice, done := context.WithTimeout(wait, time.Second)
		n, err := t.board.await(slice, id, func(n turn) bool { return n.over && n.answer != cancelled })
		done()
		switch {
		case err == nil:
			return
		case n.answer == cancelled && t.board.conns(device) != conns:
			return
		case wait.Err() != nil:
			t.report.Add(ledger.Unanswered, "session %s: retry of %s: %v", t.id, id, err)
			return
		}
	}
}

func (t *talk) transient(kind string, device int) {
	if err := t.devices[device].SendBare(client.Frame{Type: kind, SessionID: t.id}); err != nil {
		t.report.Add(ledger.Unchecked, "session %s: %s: %v", t.id, kind, err)
	}
}

// answered waits for the end of a message's answer and removes the message.
func (t *talk) answered(ctx context.Context, id string) bool {
	t.open = slices.DeleteFunc(t.open, func(o string) bool { return o == id })
	return t.await(ctx, id, func(n turn) bool { return n.over })
}

// await limits a wait by the answer's timeout. An answer that never comes is
// found by the ledger, which knows whether a device saw it fail.
func (t *talk) await(ctx context.Context, id string, ok func(turn) bool) bool {
	ctx, cancel := context.WithTimeout(ctx, t.load.answerTimeout)
	defer cancel()
	_, err := t.board.await(ctx, id, ok)
	return err == nil
}
