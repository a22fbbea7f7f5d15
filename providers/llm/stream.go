package llm

import (
	"context"
	"errors"
	"io"
	"iter"
	"log/slog"
	"math/rand/v2"
	"time"

	"chatbox"
)

// step is one thing a provider said. An empty one is a sign of life.
type step struct {
	text   string
	finish chatbox.Finish
	usage  *chatbox.Usage
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
	open      func(ctx context.Context, p chatbox.Prompt) (source, error)
}

// limits are the patience with one answer.
type limits struct{ header, idle time.Duration }

// afterFinish is how long the provider may take for its usage, once it said
// that the answer is whole.
const afterFinish = 3 * time.Second

const maxRetries = 2

// stream asks the model once; what it yields is as the LLM port says. No
// goroutine is left when it returns: the timers' functions only cancel.
func (m *model) stream(parent context.Context, lim limits, p chatbox.Prompt, log *slog.Logger) iter.Seq2[chatbox.Delta, error] {
	return func(yield func(chatbox.Delta, error) bool) {
		ctx, cancel := context.WithCancelCause(parent)
		defer cancel(nil)
		w := &watch{cancel: cancel}
		defer w.stop()
		src, err := m.connect(ctx, w, lim, p, log)
		if err != nil {
			yield(chatbox.Delta{}, explain(ctx, m.key, err))
			return
		}
		defer src.close()
		last, err := relay(src, w, lim.idle, func(text string) bool { return yield(chatbox.Delta{Text: text}, nil) })
		switch {
		case errors.Is(err, errBroken):
		case parent.Err() == nil && last.Finish != "" && !reported(err):
			yield(last, nil)
		default:
			yield(chatbox.Delta{}, explain(ctx, m.key, truncation(err)))
		}
	}
}

var errBroken = errors.New("the consumer has seen enough")

// relay passes text on until the source ends, and returns what the provider
// said of the whole answer with the error that ended it. The watch runs only
// while the provider is waited for, never while the consumer works.
func relay(src source, w *watch, idle time.Duration, emit func(string) bool) (chatbox.Delta, error) {
	var last chatbox.Delta
	for {
		w.start(idle, TimeoutIdle)
		st, err := src.next()
		w.stop()
		if st.text != "" && !emit(st.text) {
			return last, errBroken
		}
		if st.finish != "" {
			last.Finish = st.finish
			idle = min(idle, afterFinish)
		}
		if st.usage != nil {
			last.Usage = st.usage
		}
		if err != nil {
			return last, err
		}
	}
}

// reported tells a failure that the provider declared from a connection that
// ended: after the finish, only the former spoils the answer.
func reported(err error) bool {
	f, ok := errors.AsType[*failure](err)
	return ok && f.declared
}

// truncation names the end of a stream that ended without a finish.
func truncation(err error) error {
	if errors.Is(err, io.EOF) {
		return &failure{text: "the stream ended before the answer did"}
	}
	return err
}

// connect opens the stream, trying again while that may help and time is left.
// Only here is anything repeated: no word has been seen yet.
func (m *model) connect(ctx context.Context, w *watch, lim limits, p chatbox.Prompt, log *slog.Logger) (source, error) {
	for try := 0; ; try++ {
		w.start(lim.header, TimeoutHeader)
		src, err := m.open(ctx, p)
		w.stop()
		if err == nil {
			return src, nil
		}
		wait, again := backoff(err, try)
		if deadline, ok := ctx.Deadline(); !again || ctx.Err() != nil || ok && time.Until(deadline) < wait {
			return source{}, err
		}
		log.WarnContext(ctx, "model request failed, trying again",
			"model", m.id, "reason", asFailure(m.key, err).Error(), "wait_ms", wait.Milliseconds())
		select {
		case <-ctx.Done():
			return source{}, err
		case <-time.After(wait):
		}
	}
}

const (
	firstBackoff = 250 * time.Millisecond
	maxBackoff   = 10 * time.Second // a vendor that asks for more is believed, not waited for
)

// backoff says whether to try again, and after how long: at least what the
// vendor asked for, and never in step with other pods.
func backoff(err error, try int) (time.Duration, bool) {
	f, ok := errors.AsType[*failure](err)
	if !ok || !f.transient() || try >= maxRetries || f.retryAfter > maxBackoff {
		return 0, false
	}
	step := firstBackoff << try
	return f.retryAfter + step/2 + rand.N(step), true //nolint:gosec // jitter, not a secret
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
