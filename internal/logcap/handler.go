// Package logcap keeps a failing loop from flooding the log: it limits the
// lines per message and minute.
package logcap

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

const (
	span        = time.Minute
	maxMessages = 1000 // distinct messages; they are static, so there are far fewer
)

// Handler limits warnings and errors to a number of lines per message and
// minute, with any attributes. The first line of a later minute reports the
// number of dropped lines in "held_back". Other levels pass.
type Handler struct {
	slog.Handler

	counts *counts // shared by all derived handlers
}

// NewHandler returns a handler that passes at most most lines per message and
// minute to next.
func NewHandler(next slog.Handler, most int) Handler {
	return Handler{next, &counts{most: most, seen: map[string]*count{}}}
}

// Handle writes the line or counts it.
func (h Handler) Handle(ctx context.Context, r slog.Record) error {
	if r.Level < slog.LevelWarn {
		return h.Handler.Handle(ctx, r)
	}
	held, pass := h.counts.pass(r.Message, time.Now())
	if !pass {
		return nil
	}
	if held > 0 {
		r = r.Clone()
		r.AddAttrs(slog.Int("held_back", held))
	}
	return h.Handler.Handle(ctx, r)
}

// WithAttrs returns a Handler with the same limits.
func (h Handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return Handler{h.Handler.WithAttrs(attrs), h.counts}
}

// WithGroup returns a Handler with the same limits.
func (h Handler) WithGroup(name string) slog.Handler {
	return Handler{h.Handler.WithGroup(name), h.counts}
}

type counts struct {
	most int

	mu   sync.Mutex // guards seen
	seen map[string]*count
}

type count struct {
	since    time.Time
	passed   int
	heldBack int
}

func (c *counts) pass(message string, now time.Time) (held int, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := c.seen[message]
	if n == nil {
		if len(c.seen) >= maxMessages {
			message = "" // all further messages share one count
			n = c.seen[message]
		}
		if n == nil {
			n = &count{since: now}
			c.seen[message] = n
		}
	}
	if now.Sub(n.since) >= span {
		held = n.heldBack
		n.since, n.passed, n.heldBack = now, 0, 0
	}
	if n.passed >= c.most {
		n.heldBack++
		return 0, false
	}
	n.passed++
	return held, true
}
