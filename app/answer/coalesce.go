package answer

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"runtime/debug"
	"strings"
	"time"
	"unicode/utf8"

	"chatbox"
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
// One goroutine reads the provider. It is started here and has ended when the
// iterator returns. For that, stream gets its own context, which is cancelled
// when the consumer breaks, returns or panics. A stream must end when its
// context does. A panic in it becomes an error.
func coalesce(
	ctx context.Context, stream func(context.Context) iter.Seq2[chatbox.Delta, error], cfg coalescing,
) iter.Seq2[chatbox.Delta, error] {
	return func(yield func(chatbox.Delta, error) bool) {
		rctx, stop := context.WithCancel(ctx)
		arrivals := make(chan arrival, max(cfg.ReadOn, 1)) // full: the reader waits; closed by the reader
		go read(rctx, stream, arrivals)
		defer func() {
			stop()
			for range arrivals { // until the reader has closed it
			}
		}()
		c := &coalescer{coalescing: cfg, limit: max(cfg.MaxBytes, utf8.UTFMax), yield: yield}
		c.run(ctx, arrivals)
	}
}

// arrival is one result of the stream.
type arrival struct {
	delta chatbox.Delta
	err   error
}

// read passes on the stream's results; an error or a panic is the last one. It
// ends with the stream or with ctx, and closes arrivals last.
func read(ctx context.Context, stream func(context.Context) iter.Seq2[chatbox.Delta, error], arrivals chan<- arrival) {
	defer close(arrivals)
	pass := func(a arrival) bool {
		select {
		case arrivals <- a:
			return true
		case <-ctx.Done():
			return false
		}
	}
	defer func() {
		if p := recover(); p != nil {
			cause := fmt.Errorf("conversation: model stream panicked: %v\n%s", p, debug.Stack())
			pass(arrival{err: chatbox.NewError(chatbox.Internal, "The model could not answer.", cause)})
		}
	}()
	for d, err := range stream(ctx) {
		if !pass(arrival{delta: d, err: err}) || err != nil {
			return
		}
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

func (c *coalescer) run(ctx context.Context, arrivals <-chan arrival) {
	timer := time.NewTimer(c.Window)
	timer.Stop()
	defer timer.Stop()
	waiting := false
	for {
		select {
		case <-ctx.Done():
			c.yield(chatbox.Delta{}, stopped(ctx))
			return
		case <-timer.C:
			waiting = false
			if !c.flush(ctx) {
				return
			}
		case a, ok := <-arrivals:
			if !ok || a.err != nil || a.delta.Finish != "" {
				c.end(ctx, a)
				return
			}
			c.add(a.delta)
			wait := time.Until(c.quiet)
			switch {
			case c.replace || wait <= 0 || len(c.text) >= c.limit:
				if !c.flush(ctx) {
					return
				}
			case !waiting && len(c.text) > 0:
				timer.Reset(wait)
				waiting = true
			}
		}
	}
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
