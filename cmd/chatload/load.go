package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"chatbox/cmd/chatload/client"
	"chatbox/internal/sleep"
)

// load is one run: its options, clock and results.
type load struct {
	options

	prefix string // of the user ids
	begun  time.Time
	meter  *meter
	pace   *pacer
	http   *http.Client
	out    io.Writer // progress
}

func newLoad(o options, progress io.Writer) *load {
	prefix := o.userPrefix
	if prefix == "" {
		prefix = "load-" + client.NewID()[:8]
	}
	return &load{
		options: o, prefix: prefix, begun: time.Now(), meter: &meter{}, pace: &pacer{rate: o.rate}, http: newHTTP(), out: progress,
	}
}

// talkAll runs every session, prints the result and returns the exit code.
func (l *load) talkAll(ctx, soft context.Context, stdout io.Writer) int {
	defer l.http.CloseIdleConnections()
	if l.duration > 0 {
		var cancel context.CancelFunc
		soft, cancel = context.WithTimeout(soft, l.duration)
		defer cancel()
	}
	memory := l.memory(ctx)
	stop := l.progress(ctx)
	var users errgroup.Group
	for n := range l.users {
		users.Go(func() error { return l.user(ctx, soft, n) })
	}
	err := users.Wait()
	stop()
	if err != nil {
		fmt.Fprintf(l.out, "chatload: %v\n", err)
	}
	result := l.result(memory, l.memory(ctx))
	l.print(stdout, result)
	if err != nil || result.Report.Violations(l.allowErrors) > 0 {
		return exitViolation
	}
	return exitGood
}

// user runs the sessions of one user, up to parallel at a time.
func (l *load) user(ctx, soft context.Context, n int) error {
	if !sleep.For(soft, time.Duration(float64(l.ramp)*float64(n)/float64(l.users))) {
		return nil
	}
	who, err := l.person(n)
	if err != nil {
		return err
	}
	var sessions errgroup.Group
	sessions.SetLimit(l.parallel)
	for k := range l.sessions {
		if soft.Err() != nil {
			break
		}
		sessions.Go(func() error {
			t := l.newTalk(who, rand.New(rand.NewPCG(l.seed, uint64(n)<<20|uint64(k)))) //nolint:gosec // a script is to be repeatable
			report := t.play(ctx, soft)
			l.meter.merge(report)
			return nil
		})
	}
	return sessions.Wait() //nolint:wrapcheck // always nil
}

// pacer limits the rate of messages. It is safe for concurrent use.
type pacer struct {
	rate float64 // per second; 0: no limit

	mu   sync.Mutex // guards following
	next time.Time
}

// wait returns true when the next message may be sent, or false if ctx ends
// first.
func (p *pacer) wait(ctx context.Context) bool {
	if p.rate <= 0 {
		return ctx.Err() == nil
	}
	p.mu.Lock()
	now := time.Now()
	if p.next.Before(now) {
		p.next = now
	}
	at := p.next
	p.next = p.next.Add(time.Duration(float64(time.Second) / p.rate))
	p.mu.Unlock()
	return sleep.For(ctx, time.Until(at))
}
