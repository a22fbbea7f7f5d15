package bench

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync"
	"time"

	"chatbox/internal/sleep"
)

// Model is a server of the OpenAI protocol whose every piece is the time at which
// it was written. It answers until the client disconnects, so a measurement
// decides how long an answer is. It serves any number of requests at once.
type Model struct {
	base time.Time
	rate float64 // pieces per second of each answer
	over chan struct{}
	once sync.Once
}

// NewModel returns a model that writes rate pieces per second in each answer.
func NewModel(rate float64) *Model {
	return &Model{base: time.Now(), rate: rate, over: make(chan struct{})}
}

// Finish ends all answers with a finish reason.
func (m *Model) Finish() { m.once.Do(func() { close(m.over) }) }

const (
	chunkHead   = `data: {"id":"chatcmpl-bench","object":"chat.completion.chunk","created":1700000000,"model":"bench","choices":[{"index":0,"delta":`
	chunkTail   = `,"finish_reason":null}]}` + "\n\n"
	chunkFinish = `data: {"id":"chatcmpl-bench","object":"chat.completion.chunk","created":1700000000,"model":"bench","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}` +
		"\n\ndata: [DONE]\n\n"
)

// ServeHTTP streams one answer.
func (m *Model) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body) // the answer does not depend on the question
	w.Header().Set("Content-Type", "text/event-stream")
	flush := http.NewResponseController(w)
	write := func(text string) bool {
		if _, err := io.WriteString(w, text); err != nil {
			return false
		}
		return flush.Flush() == nil
	}
	if !write(chunkHead + `{"role":"assistant"}` + chunkTail) {
		return
	}
	every := time.Duration(float64(time.Second) / m.rate)
	next := time.Now().Add(rand.N(every)) //nolint:gosec // answers must not run in step
	for m.wait(r.Context(), time.Until(next)) {
		if !write(chunkHead + `{"content":"` + m.stamp() + `"}` + chunkTail) {
			return
		}
		next = next.Add(every)
	}
	if r.Context().Err() == nil {
		write(chunkFinish)
	}
}

// wait returns false at the end of the answer.
func (m *Model) wait(ctx context.Context, d time.Duration) bool {
	select {
	case <-m.over:
		return false
	default:
		return sleep.For(ctx, d)
	}
}

// stamp is the text of one piece: a word with the time.
func (m *Model) stamp() string { return " " + strconv.FormatInt(int64(time.Since(m.base)), 10) }

// PassThrough returns a handler that requests an answer from the model at the
// address and passes its events on as they come. It is the least that showing an
// answer can cost.
func PassThrough(model string) http.HandlerFunc {
	upstream := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 1000}}
	return func(w http.ResponseWriter, r *http.Request) {
		if err := pass(upstream, model, w, r); err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
		}
	}
}

func pass(upstream *http.Client, model string, w http.ResponseWriter, r *http.Request) error {
	req, err := http.NewRequestWithContext(r.Context(), http.MethodPost, model, r.Body)
	if err != nil {
		return fmt.Errorf("pass through: %w", err)
	}
	res, err := upstream.Do(req)
	if err != nil {
		return fmt.Errorf("pass through: %w", err)
	}
	defer func() { _ = res.Body.Close() }() // ends the request to the model
	w.Header().Set("Content-Type", res.Header.Get("Content-Type"))
	flush := http.NewResponseController(w)
	buf := make([]byte, 4<<10)
	for {
		n, err := res.Body.Read(buf)
		if n > 0 {
			if _, werr := w.Write(buf[:n]); werr != nil {
				return nil // the client has disconnected
			}
			if flush.Flush() != nil {
				return nil
			}
		}
		if err != nil {
			return nil // the end of the answer
		}
	}
}
