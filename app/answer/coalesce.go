package answer

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"chatbox"
	"chatbox/internal/readwhen"
	"chatbox/internal/sleep"
)

// coalescing configures how a model's deltas are combined into pieces.
type coalescing struct {
	Window time.Duration // minimal time between pieces; text in between is combined
	Tick   time.Duration // pieces after the first are due at about multiples of it, so that those of many answers are sent together; 0: at any time
	// Stretch is added to the window while the pod has much to do; nil: never.
	Stretch  func() time.Duration
	MaxBytes int // per piece
	ReadOn   int // deltas buffered while the consumer is busy; then the provider waits
}

func defaultCoalesce() coalescing {
	return coalescing{Window: 40 * time.Millisecond, Tick: 10 * time.Millisecond, MaxBytes: 8 << 10, ReadOn: 256}
}

const (
	fewAnswers  = 20                    // with up to so many answers on a pod, pieces wait only for the window
	perAnswer   = time.Millisecond / 2  // each further one stretches it, because every piece costs the same
	mostStretch = 35 * time.Millisecond // to a length that readers do not notice
)

// coalescing returns how this pod combines text at the moment.
func (s *Service) coalescing() coalescing {
	cfg := defaultCoalesce()
	cfg.Stretch = func() time.Duration { return stretch(s.answering.Load()) }
	return cfg
}

// stretch returns by how much so many answers make the window longer.
func stretch(answers int64) time.Duration {
	return min(max(0, time.Duration(answers-fewAnswers)*perAnswer), mostStretch)
}

// coalesce yields the stream's deltas combined into fewer, larger ones. The
// first delta after a pause passes at once. Deltas within the window are
// combined, up to MaxBytes. Every text is valid UTF-8 and is cut between
// characters, even if the provider cuts inside one; invalid bytes become
// U+FFFD. A Replace passes at once and drops earlier text that was not yielded
// yet. Finish and Usage come with the last text. An error comes after all text
// before it. When ctx ends, its cause is yielded at once and nothing after it.
//
// While a piece is not due, the provider's connection is not read, so that events
// that arrive meanwhile are read together. They wait in the network's buffers.
//
// One goroutine reads the provider. It is started here and has ended when the
// iterator returns. For that, stream gets its own context, which is cancelled
// when the consumer breaks, returns or panics. A stream must end when its
// context does. A panic in it becomes an error.
func coalesce(
	ctx context.Context, stream func(context.Context) iter.Seq2[chatbox.Delta, error], cfg coalescing,
) iter.Seq2[chatbox.Delta, error] {
	return func(yield func(chatbox.Delta, error) bool) {
		rctx, stop := context.WithCancel(ctx)
		in := &inflow{
			arrivals: make(chan arrival, max(cfg.ReadOn, 1)), urgent: make(chan struct{}, 1),
			limit: int64(max(cfg.MaxBytes, utf8.UTFMax)), base: time.Now(),
		}
		go in.read(readwhen.With(rctx, in.wait), stream)
		defer func() {
			stop()
			for range in.arrivals { // until the reader has closed it
			}
		}()
		c := &coalescer{coalescing: cfg, limit: int(in.limit), yield: yield}
		c.run(ctx, in)
	}
}

// arrival is one result of the stream.
type arrival struct {
	delta chatbox.Delta
	err   error
}

// inflow is what the reader has passed to the consumer.
type inflow struct {
	arrivals chan arrival  // full: the reader waits; closed by the reader
	urgent   chan struct{} // has a token if the arrivals must not wait for the next piece's time
	limit    int64         // bytes that need not wait
	bytes    atomic.Int64  // in arrivals, at least
	base     time.Time
	due      atomic.Int64 // when the next piece is due: nanoseconds since base
}

// readAhead is how long before the next piece is due the provider is read.
const readAhead = 2 * time.Millisecond

// wait waits until it is time to read the provider's connection again.
func (in *inflow) wait(ctx context.Context) {
	sleep.For(ctx, time.Duration(in.due.Load())-time.Since(in.base)-readAhead)
}

// read passes on the stream's results; an error or a panic is the last one. It
// ends with the stream or with ctx, and closes arrivals last.
func (in *inflow) read(ctx context.Context, stream func(context.Context) iter.Seq2[chatbox.Delta, error]) {
	defer in.hurry()
	defer close(in.arrivals)
	defer func() {
		if p := recover(); p != nil {
			cause := fmt.Errorf("conversation: model stream panicked: %v\n%s", p, debug.Stack())
			in.pass(ctx, arrival{err: chatbox.NewError(chatbox.Internal, "The model could not answer.", cause)})
		}
	}()
	for d, err := range stream(ctx) {
		if !in.pass(ctx, arrival{delta: d, err: err}) || err != nil {
			return
		}
	}
}

// pass returns false if ctx has ended.
func (in *inflow) pass(ctx context.Context, a arrival) bool {
	select {
	case in.arrivals <- a:
	default:
		in.hurry()
		select {
		case in.arrivals <- a:
		case <-ctx.Done():
			return false
		}
	}
	if in.bytes.Add(int64(len(a.delta.Text))) >= in.limit || a.delta.Replace || a.delta.Finish != "" || a.err != nil {
		in.hurry()
	}
	return true
}

// hurry wakes the consumer before the next piece is due.
func (in *inflow) hurry() {
	select {
	case in.urgent <- struct{}{}:
	default: // it will wake
	}
}

// coalescer combines text for one consumer. All of it runs in the consumer's
// goroutine.
type coalescer struct {
	coalescing

	limit   int
	yield   func(chatbox.Delta, error) bool
	text    []byte    // received but not yet yielded
	replace bool      // text replaces everything that was yielded
	quiet   time.Time // nothing is yielded before
	model   string    // the answering model
	usage   *chatbox.Usage
}

func (c *coalescer) run(ctx context.Context, in *inflow) {
	timer := time.NewTimer(c.Window)
	defer timer.Stop()
	for {
		var arrivals <-chan arrival
		if wait := time.Until(c.quiet); wait > 0 {
			timer.Reset(wait)
		} else {
			timer.Stop()
			arrivals = in.arrivals
		}
		more := true
		select {
		case <-ctx.Done():
			c.yield(chatbox.Delta{}, stopped(ctx))
			return
		case <-timer.C:
			more = c.drain(ctx, in)
		case <-in.urgent:
			if arrivals == nil {
				more = c.drain(ctx, in)
			}
		case a, ok := <-arrivals:
			in.bytes.Store(0)
			more = c.take(ctx, a, ok)
		}
		if !more || !c.showDue(ctx) {
			return
		}
		in.due.Store(int64(c.quiet.Sub(in.base)))
	}
}

// drain takes all arrivals that are there. It returns false after the last one.
func (c *coalescer) drain(ctx context.Context, in *inflow) bool {
	in.bytes.Store(0)
	for {
		select {
		case a, ok := <-in.arrivals:
			if !c.take(ctx, a, ok) {
				return false
			}
		default:
			return true
		}
	}
}

// take adds one arrival and yields what need not wait. It returns false after the
// last one, or if the consumer stops.
func (c *coalescer) take(ctx context.Context, a arrival, ok bool) bool {
	if !ok || a.err != nil || a.delta.Finish != "" {
		c.end(ctx, a)
		return false
	}
	c.add(a.delta)
	if c.replace || len(c.text) >= c.limit {
		return c.flush(ctx)
	}
	return true
}

// showDue yields the text if it is due. It returns false if the consumer stops.
func (c *coalescer) showDue(ctx context.Context) bool {
	return time.Until(c.quiet) > 0 || c.flush(ctx)
}

func stopped(ctx context.Context) error {
	return fmt.Errorf("conversation: answer stopped: %w", context.Cause(ctx))
}

func (c *coalescer) add(d chatbox.Delta) {
	if d.Replace {
		c.text, c.replace = c.text[:0], true
	}
	c.text = append(c.text, d.Text...)
	c.model = cmp.Or(d.ModelID, c.model)
	if d.Usage != nil {
		c.usage = d.Usage
	}
}

// flush yields all complete characters. It returns false if the consumer
// stops.
func (c *coalescer) flush(ctx context.Context) bool {
	n := wholeRunes(c.text)
	if n == 0 && !c.replace {
		return true
	}
	rest, ok := c.emit(ctx, validText(c.text[:n]))
	if ok = ok && c.say(ctx, chatbox.Delta{Text: rest}); !ok {
		return false
	}
	c.text = append(c.text[:0], c.text[n:]...)
	c.quiet = c.next(time.Now()) // counted from when the consumer is ready again
	return true
}

// next returns when the next piece is due after one at now.
func (c *coalescer) next(now time.Time) time.Time {
	wait := c.Window
	if c.Stretch != nil {
		wait += c.Stretch()
	}
	due := now.Add(wait)
	if c.Tick > 0 {
		// The wall clock says only which answers are due together.
		off := time.Duration(due.UnixNano()) % c.Tick
		if off > c.Tick/2 {
			off -= c.Tick
		}
		due = due.Add(-off)
	}
	return due
}

// end yields the remaining text and how the stream ended: a finish, an error,
// or neither, which the consumer must judge.
func (c *coalescer) end(ctx context.Context, a arrival) {
	c.add(a.delta)
	rest, ok := c.emit(ctx, validText(c.text))
	last := chatbox.Delta{Text: rest, Finish: a.delta.Finish, Usage: c.usage}
	if last == (chatbox.Delta{}) && !c.replace || ok && c.say(ctx, last) {
		if ok && a.err != nil {
			c.yield(chatbox.Delta{}, a.err)
		}
	}
}

// emit yields the text except its last piece, which it returns.
func (c *coalescer) emit(ctx context.Context, text string) (rest string, ok bool) {
	for len(text) > c.limit {
		n := c.limit
		for !utf8.RuneStart(text[n]) {
			n--
		}
		if !c.say(ctx, chatbox.Delta{Text: text[:n]}) {
			return "", false
		}
		text = text[n:]
	}
	return text, true
}

func (c *coalescer) say(ctx context.Context, d chatbox.Delta) bool {
	if ctx.Err() != nil {
		c.yield(chatbox.Delta{}, stopped(ctx))
		return false
	}
	d.Replace, d.ModelID, c.replace = c.replace, c.model, false
	return c.yield(d, nil)
}

// validText returns b as a string with invalid bytes replaced by U+FFFD.
func validText(b []byte) string {
	if utf8.Valid(b) {
		return string(b)
	}
	return strings.ToValidUTF8(string(b), "\uFFFD")
}

// wholeRunes returns the length of b without an incomplete character at its
// end.
func wholeRunes(b []byte) int {
	for i := len(b) - 1; i >= max(0, len(b)-utf8.UTFMax+1); i-- {
		if utf8.RuneStart(b[i]) {
			if !utf8.FullRune(b[i:]) {
				return i
			}
			break
		}
	}
	return len(b)
}
