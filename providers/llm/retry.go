package llm

import (
	"context"
	"errors"
	"iter"
	"log/slog"
	"time"

	"chatbox"
	"chatbox/internal/sleep"
	"chatbox/providers/internal/vendorapi"
)

// stream requests an answer from the model. It retries as long as a retry may
// help and nothing of the answer was yielded. It yields deltas as the LLM port
// specifies. No goroutine is left when it returns, since the timers' functions
// only cancel a context.
func (m *model) stream(parent context.Context, p chatbox.Prompt, log *slog.Logger) iter.Seq2[chatbox.Delta, error] {
	return func(yield func(chatbox.Delta, error) bool) {
		ctx, cancel := context.WithCancelCause(parent)
		defer cancel(nil)
		w := vendorapi.NewWatch(cancel)
		defer w.Stop()
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
	f, ok := errors.AsType[*vendorapi.Failure](err)
	if !ok || ctx.Err() != nil || f.Empty || len(p.Pictures()) == 0 {
		return false
	}
	switch f.Reason() {
	case vendorapi.ReasonConnection, vendorapi.ReasonBusy, vendorapi.ReasonKey, vendorapi.ReasonQuota:
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
	wait, again := vendorapi.Backoff(m.key, err, try)
	if deadline, ok := ctx.Deadline(); !again || ctx.Err() != nil || ok && time.Until(deadline) < wait {
		return false
	}
	log.WarnContext(ctx, "model request failed, trying again",
		"model", m.id, "reason", vendorapi.AsFailure(m.key, err).Error(), "wait_ms", wait.Milliseconds())
	return sleep.For(ctx, wait)
}
