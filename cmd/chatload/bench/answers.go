package bench

import (
	"bufio"
	"bytes"
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

// Answers is one measurement of running answers. Each session asks over one
// address, closes that socket, and receives the answer over the next one.
type Answers struct {
	URLs     []string // ws addresses with the path, at least two; of pass-throughs: http addresses
	Passed   bool     // the addresses are of pass-throughs
	Model    *Model   // the model of the pods or pass-throughs, in this process
	Sessions int
	Warmup   time.Duration // the answers begin one after the other in the first half of it
	Duration time.Duration
	Processes
	// Credential returns the header of a session's sockets.
	Credential func(session string) (http.Header, error)
}

// AnswersResult is what Answers found.
type AnswersResult struct {
	Pieces    int
	PerSecond float64
	Lag       histogram.Quantiles // from the write of a piece by the model to its receipt
	First     histogram.Quantiles // the same of the first pieces
	CPU       map[string]float64  // milliseconds of processor time per 1,000 pieces, by name of process
}

// answersRun is the state of a running measurement.
type answersRun struct {
	Answers

	base       time.Time
	counting   atomic.Bool
	n          atomic.Int64
	lag, first histogram.Histogram

	mu    sync.Mutex // guards conns
	conns []*websocket.Conn
}

// Run measures until ctx ends or the time is over. It returns an error if an
// answer fails or ends too early.
func (a Answers) Run(ctx context.Context) (AnswersResult, error) {
	if len(a.URLs) < 2 || a.Sessions < 1 {
		return AnswersResult{}, errors.New("needs two addresses and a session")
	}
	r := &answersRun{Answers: a, base: time.Now()}
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	follow := r.followSocket
	if a.Passed {
		follow = r.followEvents
	}
	var work sync.WaitGroup
	for n := range a.Sessions {
		work.Go(func() {
			if !sleep.For(ctx, a.Warmup/2*time.Duration(n)/time.Duration(a.Sessions)) {
				return
			}
			if err := unlessOver(ctx, follow(ctx, n)); err != nil {
				fail(err) // the first counts
			}
		})
	}
	res, err := r.measure(ctx)
	fail(errDone)
	a.Model.Finish()
	r.closeAll()
	work.Wait()
	return res, err
}

func (r *answersRun) measure(ctx context.Context) (AnswersResult, error) {
	span, err := spend(ctx, r.Warmup, r.Duration, r.Processes, &r.counting)
	if err != nil {
		return AnswersResult{}, err
	}
	n := int(r.n.Load())
	return AnswersResult{
		Pieces: n, PerSecond: float64(n) / span.took.Seconds(), Lag: r.lag.Quantiles(), First: r.first.Quantiles(),
		CPU: span.per(float64(n) / 1000),
	}, nil
}

// keep registers a socket to be closed at the end.
func (r *answersRun) keep(c *websocket.Conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.conns = append(r.conns, c)
}

func (r *answersRun) closeAll() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.conns {
		_ = c.Close() // the end of the measurement
	}
}

func (r *answersRun) session(n int) string { return fmt.Sprintf("bench-%d-%d", r.base.UnixNano(), n) }

// followSocket asks over one pod and reads the answer over the next.
func (r *answersRun) followSocket(ctx context.Context, n int) error {
	session := r.session(n)
	header, err := r.Credential(session)
	if err != nil {
		return err
	}
	asker, err := dial(ctx, r.URLs[n%len(r.URLs)], session, header)
	if err != nil {
		return err
	}
	p := &pair{session: session, sender: asker}
	defer p.close()
	if p.receiver, err = dial(ctx, r.URLs[(n+1)%len(r.URLs)], session, header); err != nil {
		return err
	}
	r.keep(p.receiver)
	if err := p.once(client.Frame{Type: client.TypeUserMessage, ID: "ask", SessionID: session, Content: text}); err != nil {
		return err
	}
	_ = asker.Close() // only the receiver is measured
	var last time.Duration
	for {
		_, frame, err := p.receiver.ReadMessage()
		if err != nil {
			return fmt.Errorf("follow an answer: %w", err)
		}
		switch {
		case bytes.Contains(frame, []byte(`"done":"true"`)):
			return errEarly
		case bytes.HasPrefix(frame, []byte(`{"type":"error"`)):
			return fmt.Errorf("follow an answer: %s", frame)
		case bytes.Contains(frame, []byte(`"done":"false"`)):
			last = r.note(frame, last)
		}
	}
}

// followEvents asks a pass-through and reads its events.
func (r *answersRun) followEvents(ctx context.Context, n int) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.URLs[n%len(r.URLs)], strings.NewReader(text))
	if err != nil {
		return fmt.Errorf("follow an answer: %w", err)
	}
	t := &http.Transport{DisableKeepAlives: true}
	defer t.CloseIdleConnections()
	res, err := t.RoundTrip(req)
	if err != nil {
		return fmt.Errorf("follow an answer: %w", err)
	}
	defer func() { _ = res.Body.Close() }() // the end of the measurement
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("follow an answer: status %d", res.StatusCode)
	}
	var last time.Duration
	lines := bufio.NewScanner(res.Body)
	for lines.Scan() {
		if bytes.HasPrefix(lines.Bytes(), []byte("data: {")) {
			last = r.note(lines.Bytes(), last)
		}
	}
	return errors.Join(errEarly, lines.Err())
}

var errEarly = errors.New("an answer ended before the measurement")

// note counts the words of a frame or event that are later than last, and returns
// the latest.
func (r *answersRun) note(frame []byte, last time.Duration) time.Duration {
	now := time.Since(r.Model.base)
	_, rest, found := bytes.Cut(frame, []byte(`"content":"`))
	words, _, _ := bytes.Cut(rest, []byte(`"`))
	if !found {
		return last
	}
	for word := range bytes.FieldsSeq(words) {
		ns, err := strconv.ParseInt(string(word), 10, 64)
		at := time.Duration(ns)
		if err != nil || at <= last {
			continue
		}
		if last == 0 {
			r.first.Add(now - at)
		}
		last = at
		if r.counting.Load() {
			r.n.Add(1)
			r.lag.Add(now - at)
		}
	}
	return last
}
