package llm

import (
	"context"
	"errors"
	"io"
	"iter"
	"log/slog"
	"math/rand/v2"
	"strings"
	"time"

	"chatbox"
)

// step is one thing a provider said. An empty one is a sign of life.
type step struct {
	text     string
	replace  bool           // text stands in place of all text before it
	thinks   bool           // the model works on the answer, in words that are not the answer's
	finish   chatbox.Finish // why the answer is whole
	ended    bool           // it is whole, for a cause that is not known or was not told: stop, if the stream ends well
	usage    *chatbox.Usage // what was told of it so far
	terminal bool           // the provider said that nothing follows
}

// source is a provider's response under way. next waits for the next step
// until the request's context ends; io.EOF is the end of the response. close
// ends the vendor's request if it has not ended by itself.
type source struct {
	next  func() (step, error)
	close func()
}

// model is one configured provider. open sends one request and returns when
// the provider begins to respond.
type model struct {
	id, name  string
	continues bool
	key       Secret
	limits    limits
	budget    int // of a prompt, in tokens
	open      func(ctx context.Context, p chatbox.Prompt) (source, error)
}

// limits are the patience with one request.
type limits struct {
	header time.Duration // until the response begins
	first  time.Duration // until the model begins to speak or to think; signs of life do not prolong it
	idle   time.Duration // between two signs of life, from then on
}

// defaultFirst is how long a model may take for its first word, unless the idle
// timeout is longer: large models on busy servers read a long prompt for as
// long.
const defaultFirst = 60 * time.Second

func (c Config) limits() limits {
	first := max(defaultFirst, c.IdleTimeout)
	l := limits{header: c.HeaderTimeout, first: first, idle: c.IdleTimeout}
	if l.header == 0 {
		l.header = first
	}
	return l
}

// afterFinish is how long the provider may take for its usage, once it said
// that the answer is whole. Signs of life do not prolong it, more words do.
const afterFinish = 3 * time.Second

const (
	maxRetries      = 2
	maxEmptyRetries = 1
)

// stream asks the model, again while that may help and nothing was heard of the
// answer; what it yields is as the LLM port says. No goroutine is left when it
// returns: the timers' functions only cancel.
func (m *model) stream(parent context.Context, p chatbox.Prompt, log *slog.Logger) iter.Seq2[chatbox.Delta, error] {
	return func(yield func(chatbox.Delta, error) bool) {
		ctx, cancel := context.WithCancelCause(parent)
		defer cancel(nil)
		w := &watch{cancel: cancel}
		defer w.stop()
		for try := 0; ; try++ {
			a := &asking{model: m, watch: w, parent: parent, yield: yield, prefixed: p.Prefix != ""}
			err := a.ask(ctx, p)
			if err == nil || errors.Is(err, errBroken) {
				return
			}
			if a.began || !m.again(ctx, err, try, log) {
				a.fail(explain(ctx, m.key, err))
				return
			}
		}
	}
}

// again waits until the model may be asked once more; false where that cannot
// help or no time is left.
func (m *model) again(ctx context.Context, err error, try int, log *slog.Logger) bool {
	wait, again := backoff(m.key, err, try)
	if deadline, ok := ctx.Deadline(); !again || ctx.Err() != nil || ok && time.Until(deadline) < wait {
		return false
	}
	log.WarnContext(ctx, "model request failed, trying again",
		"model", m.id, "reason", asFailure(m.key, err).Error(), "wait_ms", wait.Milliseconds())
	select {
	case <-ctx.Done():
		return false
	case <-time.After(wait):
		return true
	}
}

const (
	firstBackoff = 250 * time.Millisecond
	maxBackoff   = 10 * time.Second // a vendor that asks for more is believed, not waited for
)

// backoff says whether to try again, and after how long: at least what the
// vendor asked for, and never in step with other pods.
func backoff(key Secret, err error, try int) (time.Duration, bool) {
	if _, ok := errors.AsType[*chatbox.Error](err); ok {
		return 0, false
	}
	f := asFailure(key, err)
	most := maxRetries
	if f.empty {
		most = maxEmptyRetries
	}
	if !f.transient() || try >= most || f.retryAfter > maxBackoff {
		return 0, false
	}
	step := firstBackoff << try
	return f.retryAfter + step/2 + rand.N(step), true //nolint:gosec // jitter, not a secret
}

// asking is one request and what came of it. It belongs to one goroutine.
type asking struct {
	model    *model
	watch    *watch
	parent   context.Context //nolint:containedctx // lives as long as one request
	yield    func(chatbox.Delta, error) bool
	prefixed bool // the answer has a beginning already

	pairing pairing
	blank   string         // white space before the first word
	began   bool           // something was yielded
	spoken  bool           // there is text of the answer, perhaps withdrawn since
	text    bool           // there is text that stands
	thought bool           // the model began to speak or to think
	ended   bool           // whole, without a cause that is known
	last    chatbox.Delta  // what was said of the whole answer
	told    *chatbox.Usage // as it was yielded last
}

var errBroken = errors.New("the consumer has seen enough")

// ask sends one request and yields the answer; errBroken: the consumer has seen
// enough.
func (a *asking) ask(ctx context.Context, p chatbox.Prompt) error {
	lim := a.model.limits
	sent := time.Now()
	cause := TimeoutFirst
	if lim.header < lim.first {
		cause = TimeoutHeader
	}
	a.watch.start(min(lim.header, lim.first), cause)
	src, err := a.model.open(ctx, p)
	a.watch.stop()
	if err != nil {
		return err
	}
	defer src.close()
	end := a.relay(src, sent.Add(lim.first))
	if errors.Is(end, errBroken) {
		return end
	}
	return a.conclude(ctx, end)
}

// relay passes text on until the source ends, and returns the error that ended
// it. The watch runs only while the provider is waited for, never while the
// consumer works.
func (a *asking) relay(src source, firstBy time.Time) error {
	var lastBy time.Time // zero: the answer may go on
	for {
		switch {
		case !lastBy.IsZero() && time.Until(lastBy) <= 0:
			return timeoutFinish
		case !lastBy.IsZero():
			a.watch.start(time.Until(lastBy), timeoutFinish)
		case a.thought:
			a.watch.start(a.model.limits.idle, TimeoutIdle)
		default:
			a.watch.start(time.Until(firstBy), TimeoutFirst)
		}
		st, err := src.next()
		a.watch.stop()
		if !a.note(st) {
			return errBroken
		}
		if a.whole() && (lastBy.IsZero() || st.text != "" || st.replace) {
			lastBy = time.Now().Add(min(a.model.limits.idle, afterFinish))
		}
		if err == nil && st.terminal {
			err = io.EOF
		}
		if err != nil {
			return err
		}
	}
}

// whole reports whether the provider said that the answer is.
func (a *asking) whole() bool { return a.last.Finish != "" || a.ended }

// note takes in one step; false when the consumer has enough.
func (a *asking) note(st step) bool {
	if st.usage != nil {
		a.last.Usage = st.usage
	}
	if st.finish != "" {
		a.last.Finish = st.finish
	}
	a.ended = a.ended || st.ended
	a.thought = a.thought || st.thinks || st.text != ""
	if st.replace {
		return a.replace(st.text)
	}
	return a.say(a.pairing.join(st.text))
}

// say yields text, white space before the first word with that word.
func (a *asking) say(text string) bool {
	if text == "" {
		return true
	}
	if text = a.blank + text; !a.text && !a.prefixed && strings.TrimSpace(text) == "" {
		a.blank = text
		return true
	}
	a.blank, a.text, a.spoken = "", true, true
	return a.emit(chatbox.Delta{Text: text})
}

// replace withdraws what was said; where nothing was, the text is the first.
func (a *asking) replace(text string) bool {
	a.pairing, a.blank = pairing{}, ""
	text = a.pairing.join(text)
	a.text = text != ""
	if !a.spoken && !a.prefixed {
		if text == "" {
			return true
		}
		a.spoken = true
		return a.emit(chatbox.Delta{Text: text})
	}
	a.spoken = true
	return a.emit(chatbox.Delta{Text: text, Replace: true})
}

// emit yields a delta with what is news of the usage.
func (a *asking) emit(d chatbox.Delta) bool {
	a.began = true
	if u := a.last.Usage; u != nil && (a.told == nil || *u != *a.told) {
		d.Usage, a.told = u, u
	}
	return a.yield(d, nil)
}

// fail ends the answer, with what was told of its usage.
func (a *asking) fail(err error) {
	if u := a.last.Usage; a.began && u != nil && (a.told == nil || *u != *a.told) {
		if !a.yield(chatbox.Delta{Usage: u}, nil) {
			return
		}
	}
	a.yield(chatbox.Delta{}, err)
}

// conclude judges how the stream ended: success is strict. Patience that ran
// out spoils no answer that the provider called whole.
func (a *asking) conclude(ctx context.Context, end error) error {
	late := isTimeout(end) || isTimeout(context.Cause(ctx))
	if a.last.Finish == "" && a.ended && (late || errors.Is(end, io.EOF)) {
		a.last.Finish = chatbox.FinishStop
	}
	stopped := a.parent.Err()
	if late && errors.Is(stopped, context.DeadlineExceeded) {
		stopped = nil // the total time ended
	}
	switch {
	case stopped != nil, a.last.Finish == "", reported(end):
		return truncation(end)
	case !a.say(a.pairing.rest()):
		return errBroken
	case a.text || a.prefixed && !a.spoken:
		a.yield(a.last, nil)
		return nil
	case a.last.Finish == chatbox.FinishFilter || a.spoken && a.began:
		return a.withdrawn()
	default:
		return &failure{text: "the provider ended the answer with no word of it", empty: true, why: reasonUnknown}
	}
}

// withdrawn ends an answer of which nothing is left.
func (a *asking) withdrawn() error {
	if !a.began {
		return &failure{text: "the provider's filter left nothing of the answer", why: reasonContent}
	}
	a.last.Finish = chatbox.FinishFilter
	a.yield(a.last, nil)
	return nil
}

// reported tells a failure that the provider declared from a connection that
// ended: after the finish, only the former spoils the answer.
func reported(err error) bool {
	f, ok := errors.AsType[*failure](err)
	return ok && f.declared
}

// truncation names the end of a stream that ended without a finish.
func truncation(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return &failure{text: "the stream ended before the answer did", why: reasonConnection}
	}
	return err
}

// watch cancels a request whose provider is silent for too long. It belongs to
// one goroutine; only its timer's function runs elsewhere.
type watch struct {
	cancel context.CancelCauseFunc
	timer  *time.Timer
	cause  Timeout
}

// start gives the provider so much time from now on.
func (w *watch) start(patience time.Duration, cause Timeout) {
	if w.timer != nil && w.cause == cause {
		w.timer.Reset(patience)
		return
	}
	w.stop()
	w.cause = cause
	w.timer = time.AfterFunc(patience, func() { w.cancel(cause) })
}

func (w *watch) stop() {
	if w.timer != nil {
		w.timer.Stop()
	}
}
