// Package bench measures what a cluster costs: how many durable messages it
// delivers from one pod to another, how long that takes, and how much processor
// time each process needs for a message. A relay without a history has the same
// shape and shows what the machine could do.
package bench

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"

	"chatbox/cmd/chatload/client"
	"chatbox/cmd/chatload/histogram"
	"chatbox/internal/sleep"
)

// text is the content of every message.
const text = "Some hundred bytes of text, as people write them when they ask for the way to the station or an invoice."

// Delivery is one measurement: each session has a sender on one address and a
// receiver on the next one.
type Delivery struct {
	URLs        []string // ws addresses with the path; at least two
	Sessions    int
	Outstanding int           // messages of a session without an ack
	Rate        float64       // messages per second over all sessions; 0: as fast as acks come
	Warmup      time.Duration // before the measurement
	Duration    time.Duration
	Processes   Processes
	// Credential returns the header of a session's sockets.
	Credential func(session string) (http.Header, error)
	// Open makes a session ready before its receiver attaches. send sends one
	// frame and returns when it is acked. nil: nothing is needed.
	Open func(ctx context.Context, session string, send func(typ string) error) error
}

// Result is what a Delivery found.
type Result struct {
	Messages  int
	PerSecond float64
	Latency   histogram.Quantiles // from the write of the frame to its receipt on the other pod
	CPU       map[string]float64  // milliseconds of processor time per message, by name of process
}

// pair is one session's two sockets.
type pair struct {
	session          string
	sender, receiver *websocket.Conn
	room             chan struct{} // one token per message without an ack
}

// run is the state of a running measurement.
type run struct {
	Delivery

	base     time.Time
	counting atomic.Bool
	latency  histogram.Histogram
	n        atomic.Int64
}

// Run measures until ctx ends or the time is over. It returns an error if a
// socket fails or a frame is refused.
func (d Delivery) Run(ctx context.Context) (Result, error) {
	if len(d.URLs) < 2 || d.Sessions < 1 || d.Outstanding < 1 {
		return Result{}, errors.New("needs two addresses, a session and a message")
	}
	r := &run{Delivery: d, base: time.Now()}
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	pairs, err := r.open(ctx)
	defer func() {
		for _, p := range pairs {
			p.close()
		}
	}()
	if err != nil {
		return Result{}, err
	}
	var work sync.WaitGroup
	for n, p := range pairs {
		for _, part := range []func() error{
			func() error { return r.send(ctx, n, p) }, func() error { return r.acks(ctx, p) }, func() error { return r.receive(ctx, p) },
		} {
			work.Go(func() {
				if err := part(); err != nil {
					fail(err) // the first counts
				}
			})
		}
	}
	result, err := r.measure(ctx)
	fail(errDone)
	for _, p := range pairs {
		p.close()
	}
	work.Wait()
	return result, err
}

// errDone ends the sockets after the measurement.
var errDone = errors.New("the measurement is over")

func (r *run) measure(ctx context.Context) (Result, error) {
	span, err := spend(ctx, r.Warmup, r.Duration, r.Processes, &r.counting)
	if err != nil {
		return Result{}, err
	}
	n := int(r.n.Load())
	return Result{Messages: n, PerSecond: float64(n) / span.took.Seconds(), Latency: r.latency.Quantiles(), CPU: span.per(float64(n))}, nil
}

// open connects all sessions, a few at a time.
func (r *run) open(ctx context.Context) ([]*pair, error) {
	pairs := make([]*pair, r.Sessions)
	errs := make([]error, r.Sessions)
	var opening sync.WaitGroup
	turns := make(chan struct{}, 16)
	for n := range pairs {
		turns <- struct{}{}
		opening.Go(func() {
			defer func() { <-turns }()
			pairs[n], errs[n] = r.openPair(ctx, n)
		})
	}
	opening.Wait()
	return pairs, errors.Join(errs...)
}

func (r *run) openPair(ctx context.Context, n int) (*pair, error) {
	p := &pair{session: fmt.Sprintf("bench-%d-%d", r.base.UnixNano(), n), room: make(chan struct{}, r.Outstanding)}
	header, err := r.Credential(p.session)
	if err != nil {
		return p, err
	}
	dialNext := func(at int) (*websocket.Conn, error) { return dial(ctx, r.URLs[at%len(r.URLs)], p.session, header) }
	if p.sender, err = dialNext(n); err != nil {
		return p, err
	}
	if r.Open != nil {
		if err := r.Open(ctx, p.session, func(typ string) error { return p.once(client.Frame{Type: typ, ID: "open", SessionID: p.session}) }); err != nil {
			return p, err
		}
	}
	p.receiver, err = dialNext(n + 1)
	return p, err
}

func dial(ctx context.Context, url, session string, header http.Header) (*websocket.Conn, error) {
	c, res, err := websocket.DefaultDialer.DialContext(ctx, url+"?session_id="+session+"&last_seq=0", header) // without last_seq, a pod takes it for an old client
	if res != nil {
		_ = res.Body.Close() // gorilla has read it
	}
	if err != nil {
		return nil, fmt.Errorf("dial %s: %w", url, err)
	}
	return c, nil
}

// once sends one frame and reads until it is acked.
func (p *pair) once(f client.Frame) error {
	if err := p.sender.WriteJSON(f); err != nil {
		return fmt.Errorf("open session: %w", err)
	}
	for {
		if err := p.sender.ReadJSON(&f); err != nil {
			return fmt.Errorf("open session: %w", err)
		}
		switch f.Type {
		case client.TypeAck:
			return nil
		case client.TypeError:
			return fmt.Errorf("open session: %w", refusal(f))
		}
	}
}

// send writes messages. The id has the time of the write.
func (r *run) send(ctx context.Context, n int, p *pair) error {
	every := time.Duration(0)
	if r.Rate > 0 {
		every = time.Duration(float64(r.Sessions) / r.Rate * float64(time.Second))
		if !sleep.For(ctx, every*time.Duration(n)/time.Duration(r.Sessions)) {
			return nil
		}
	}
	next := time.Now()
	for k := 0; ; k++ {
		select {
		case p.room <- struct{}{}:
		case <-ctx.Done():
			return nil
		}
		if every > 0 {
			next = next.Add(every)
			if !sleep.For(ctx, time.Until(next)) {
				return nil
			}
		}
		f := client.Frame{Type: client.TypeUserMessage, ID: fmt.Sprintf("%d-%d", time.Since(r.base), k), SessionID: p.session, Content: text}
		if err := p.sender.WriteJSON(f); err != nil {
			return unlessOver(ctx, err)
		}
	}
}

// acks frees the room of acked messages. A relay has no acks: the message itself
// comes back.
func (r *run) acks(ctx context.Context, p *pair) error {
	for {
		var f client.Frame
		if err := p.sender.ReadJSON(&f); err != nil {
			return unlessOver(ctx, err)
		}
		switch f.Type {
		case client.TypeAck, client.TypeUserMessage:
			select {
			case <-p.room:
			case <-ctx.Done():
				return nil
			}
		case client.TypeError:
			return refusal(f)
		}
	}
}

func (r *run) receive(ctx context.Context, p *pair) error {
	for {
		var f client.Frame
		if err := p.receiver.ReadJSON(&f); err != nil {
			return unlessOver(ctx, err)
		}
		if f.Type != client.TypeUserMessage || !r.counting.Load() {
			continue
		}
		if sent, ok := sentAt(f.ID); ok {
			r.n.Add(1)
			r.latency.Add(time.Since(r.base) - sent)
		}
	}
}

// refusal is the error of an error frame.
func refusal(f client.Frame) error {
	if f.Error == nil {
		return errors.New("refused without a reason")
	}
	return fmt.Errorf("refused: %s: %s", f.Error.Code, f.Error.Message)
}

// sentAt returns the time that a message's id carries.
func sentAt(id string) (time.Duration, bool) {
	at, _, _ := strings.Cut(id, "-")
	n, err := strconv.ParseInt(at, 10, 64)
	return time.Duration(n), err == nil
}

// unlessOver returns the error of a socket, or nil after the measurement.
func unlessOver(ctx context.Context, err error) error {
	select {
	case <-ctx.Done():
		return nil
	default:
	}
	if err == nil {
		return nil
	}
	return fmt.Errorf("a session's socket: %w", err)
}

func (p *pair) close() {
	if p == nil {
		return
	}
	for _, c := range []*websocket.Conn{p.sender, p.receiver} {
		if c != nil {
			_ = c.Close() // the end of the measurement
		}
	}
}
