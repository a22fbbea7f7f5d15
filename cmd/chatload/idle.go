package main

import (
	"context"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"text/tabwriter"
	"time"

	"chatbox/cmd/chatload/client"
	"chatbox/cmd/chatload/histogram"
	"chatbox/internal/sleep"
)

// idleHold is how long idle sockets are held if --duration is not given.
const idleHold = 30 * time.Second

// idleResult is the result of idle mode, also as JSON.
type idleResult struct {
	Machine        string              `json:"machine"`
	Wanted         int                 `json:"wanted"`
	Ready          int64               `json:"ready"` // connected, and attached if requested
	Failed         int64               `json:"failed"`
	Alive          int                 `json:"alive_at_end"`
	Reconnects     int64               `json:"reconnects"`
	Seconds        float64             `json:"connect_seconds"`
	PerSecond      float64             `json:"connects_per_second"`
	Connect        histogram.Quantiles `json:"connect"`
	HeldSeconds    float64             `json:"held_seconds"`
	Memory         []podMemory         `json:"pod_memory,omitempty"`
	BytesPerSocket float64             `json:"bytes_per_socket,omitempty"`
	Violations     int                 `json:"violations"`
	Errors         map[string]int      `json:"error_codes,omitempty"`
}

// idler is one idle socket.
type idler struct {
	*client.Client

	session string
}

// idle opens and holds the sockets, prints what they cost and returns the exit
// code: 1 if a socket could not be opened, was lost or saw a violation.
func (l *load) idle(ctx, soft context.Context, stdout io.Writer) int {
	defer l.http.CloseIdleConnections()
	hold := l.duration
	if hold == 0 {
		hold = idleHold
	}
	before := l.memory(ctx)
	running, stop := context.WithCancel(ctx)
	var sockets sync.WaitGroup // the clients: ended by stop, waited for below
	r := idleResult{Machine: machine(), Wanted: l.options.idle}
	begun := time.Now()
	all := l.openIdle(running, soft, &sockets, &r)
	r.Seconds = time.Since(begun).Seconds()
	r.PerSecond = float64(r.Ready) / r.Seconds
	fmt.Fprintf(l.out, "chatload: %d sockets ready after %.1f s, held for %v\n", r.Ready, r.Seconds, hold)
	held := time.Now()
	sleep.For(soft, hold)
	r.HeldSeconds = time.Since(held).Seconds()
	r.Memory = compareMemory(before, l.memory(ctx))
	r.Errors = map[string]int{}
	for _, d := range all {
		d.View(func(t *client.Tracker) {
			if t.Greeted() {
				r.Alive++
			}
			for _, n := range t.Counts {
				r.Violations += n
			}
			for code, n := range t.Errors {
				r.Errors[code] += n
			}
		})
	}
	stop()
	sockets.Wait()
	r.Connect, r.Reconnects = l.meter.connect.Quantiles(), l.meter.reconnects.Load()
	if r.Ready > 0 {
		r.BytesPerSocket = grown(r.Memory) / float64(r.Ready)
	}
	l.printIdle(stdout, r)
	if r.Failed > 0 || r.Violations > 0 || r.Alive < r.Wanted {
		return exitViolation
	}
	return exitGood
}

// openIdle opens the sockets, a bounded number at a time, and returns when each is ready or
// has failed.
func (l *load) openIdle(running, soft context.Context, sockets *sync.WaitGroup, r *idleResult) []*idler {
	var ready, failed atomic.Int64
	var dialing sync.WaitGroup
	places := make(chan struct{}, l.dialers) // capacity limits the concurrent dials; a full one blocks the loop
	var all []*idler
	for n := range l.options.idle {
		select {
		case places <- struct{}{}:
		case <-soft.Done():
		}
		if soft.Err() != nil {
			break
		}
		d, err := l.newIdler(n)
		if err != nil {
			failed.Add(1)
			fmt.Fprintf(l.out, "chatload: %v\n", err)
			<-places
			continue
		}
		all = append(all, d)
		sockets.Go(func() {
			if err := d.Run(running); err != nil {
				fmt.Fprintf(l.out, "chatload: socket %d: %v\n", n, err)
			}
		})
		dialing.Go(func() {
			defer func() { <-places }()
			if err := l.ready(running, d); err != nil {
				failed.Add(1)
				return
			}
			ready.Add(1)
		})
	}
	dialing.Wait()
	r.Ready, r.Failed = ready.Load(), failed.Load()
	return all
}

func (l *load) newIdler(n int) (*idler, error) {
	who, err := l.person(n / socketsPerUser)
	if err != nil {
		return nil, err
	}
	d := &idler{session: sessionID()}
	auth := client.Auth(l.auth)
	if l.auth == "mixed" {
		auth = client.AuthHeader
	}
	cfg := client.Config{
		URLs: l.urls, Prefix: l.options.prefix, Auth: auth, Token: who.credential(auth), Hook: newBoard(l.meter, 1).hook(0),
	}
	if l.attach {
		cfg.SessionID = d.session
	}
	d.Client = client.New(cfg)
	return d, nil
}

// ready waits until a socket is connected and, if requested, has created its
// session with a model_select, the cheapest durable frame without an answer.
func (l *load) ready(ctx context.Context, d *idler) error {
	ctx, cancel := context.WithTimeout(ctx, l.settle)
	defer cancel()
	var model string
	err := d.WaitFor(ctx, func(t *client.Tracker) bool {
		if len(t.Models) > 0 {
			model = t.Models[0].ID
		}
		return t.Greeted() && (!l.attach || t.Attached(d.session))
	})
	if err != nil || !l.attach {
		return err //nolint:wrapcheck // already says what was waited for
	}
	id, err := d.Send(client.Frame{Type: client.TypeModelSelect, SessionID: d.session, ModelID: model})
	if err != nil {
		return fmt.Errorf("attach: %w", err)
	}
	return d.WaitFor(ctx, func(t *client.Tracker) bool { //nolint:wrapcheck // already says what was waited for
		s := t.Session(d.session)
		return s.Sent[id] != nil && s.Sent[id].Seq > 0
	})
}

func (l *load) printIdle(w io.Writer, r idleResult) {
	if l.json {
		printJSON(w, r)
		return
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "chatload idle\t%s\n", r.Machine)
	fmt.Fprintf(t, "sockets ready\t%d of %d\t%d failed\n", r.Ready, r.Wanted, r.Failed)
	fmt.Fprintf(t, "connects\t%.0f/s\tp50 %.1f ms, p99 %.1f ms\n", r.PerSecond, r.Connect.P50, r.Connect.P99)
	fmt.Fprintf(t, "held\t%.0f s\t%d alive at the end, %d reconnects\n", r.HeldSeconds, r.Alive, r.Reconnects)
	fmt.Fprintf(t, "violations\t%d\n", r.Violations)
	if len(r.Memory) > 0 {
		fmt.Fprintf(t, "memory per socket\t%.1f KiB\n", r.BytesPerSocket/1024)
	}
	printMemory(t, r.Memory)
	_ = t.Flush() // a failure means that the terminal is gone
}
