package llm

import (
	"context"
	"errors"
	"iter"
	"log/slog"
	"math/rand/v2"
	"time"

	"chatbox"
	"chatbox/internal/sleep"
)

const (
	maxRetries      = 2
	maxEmptyRetries = 1
)

// stream requests an answer from the model. It retries as long as a retry may
// help and nothing of the answer was yielded. It yields deltas as the LLM port
// specifies. No goroutine is left when it returns, since the timers' functions
// only cancel a context.
func (m *model) stream(parent context.Context, p chatbox.Prompt, log *slog.Logger) iter.Seq2[chatbox.Delta, error] {
	return func(yield func(chatbox.Delta, error) bool) {
		ctx, cancel := context.WithCancelCause(parent)
		defer cancel(nil)
		w := &watch{cancel: cancel}
		defer w.stop()
		if !m.sees {
			p = p.Blind()
		}
		for try := 0; ; try++ {
			a := &asking{model: m, watch: w, parent: parent, yield: yield, prefixed: p.Prefix != ""}
			err := a.ask(ctx, p)
			if err == nil || errors.Is(err, errBroken) {
				return
			}
			switch {
			case a.began:
			case m.again(ctx, err, try, log):
				continue
			case m.blames(ctx, err, p, log):
				p = p.Blind()
				continue
			}
			a.fail(explain(ctx, m.key, err))
			return
		}
	}
}

// blames reports whether the pictures of a prompt may be why the vendor refused it.
// They are left out then. Otherwise a picture that the vendor does not accept would
// fail every later answer of the conversation. Some servers report pictures that
// their model cannot see as an internal error (llama.cpp without a projector), so
// such an error counts once retries have not helped.
func (m *model) blames(ctx context.Context, err error, p chatbox.Prompt, log *slog.Logger) bool {
	f, ok := errors.AsType[*failure](err)
	if !ok || ctx.Err() != nil || f.empty || len(p.Pictures()) == 0 {
		return false
	}
	switch f.reason() {
	case reasonConnection, reasonBusy, reasonKey, reasonQuota:
		return false
	default:
	}
	level := slog.LevelDebug
	if m.blinded.CompareAndSwap(false, true) {
		level = slog.LevelWarn
	}
	log.Log(ctx, level, "model refuses a prompt with pictures, asking without them", "model", m.id, "error", f)
	return true
}

// again waits before a retry. It returns false if a retry cannot help or if no
// time is left.
func (m *model) again(ctx context.Context, err error, try int, log *slog.Logger) bool {
	wait, again := backoff(m.key, err, try)
	if deadline, ok := ctx.Deadline(); !again || ctx.Err() != nil || ok && time.Until(deadline) < wait {
		return false
	}
	log.WarnContext(ctx, "model request failed, trying again",
		"model", m.id, "reason", asFailure(m.key, err).Error(), "wait_ms", wait.Milliseconds())
	return sleep.For(ctx, wait)
}

const (
	firstBackoff = 250 * time.Millisecond
	maxBackoff   = 10 * time.Second // if the vendor asks for a longer delay, the request is not retried
)

// backoff reports whether to retry, and after which delay. The delay is at least
// the one that the vendor requested. Jitter prevents pods from retrying at the
// same time.
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
