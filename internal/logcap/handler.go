// Package logcap keeps a loop that fails from flooding the log: of lines with
// one message only so many pass within a minute.
package logcap

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

const (
	span        = time.Minute
	maxMessages = 1000 // messages that are told apart; they are static, so there are far fewer
)

// Handler passes lines on; of warnings and errors with the same message at most
// a number within a minute, whatever their attributes are. The first line of a
// later minute says in "held_back" how many were not written.
type Handler struct {
	slog.Handler

	counts *counts // of all handlers made from one another
}

// NewHandler caps what goes to next at most lines per message and minute.
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

// WithAttrs wraps itself again, or its lines would not be counted.
func (h Handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return Handler{h.Handler.WithAttrs(attrs), h.counts}
}

// WithGroup likewise.
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
			message = "" // those beyond share one count
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
