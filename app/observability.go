package app

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"slices"
)

// NewLogger makes the pod's logger: JSON or text on w, from the level on, with
// the attributes that the context of each line carries.
func NewLogger(w io.Writer, cfg LogConfig) *slog.Logger {
	opts := &slog.HandlerOptions{Level: cfg.Level, ReplaceAttr: shortTime}
	var h slog.Handler = slog.NewJSONHandler(w, opts)
	if cfg.Format == "text" {
		h = slog.NewTextHandler(w, opts)
	}
	return slog.New(contextHandler{next: h})
}

// shortTime logs spans of time as people read them.
func shortTime(_ []string, a slog.Attr) slog.Attr {
	if a.Value.Kind() == slog.KindDuration {
		a.Value = slog.StringValue(fmt.Sprint(a.Value.Duration()))
	}
	return a
}

type attrsKey struct{}

// WithLogAttrs adds attributes to every line that is logged with the context
// or one made from it. The earlier ones stay as they are.
func WithLogAttrs(ctx context.Context, attrs ...slog.Attr) context.Context {
	before, _ := ctx.Value(attrsKey{}).([]slog.Attr)
	return context.WithValue(ctx, attrsKey{}, slices.Concat(before, attrs))
}

// contextHandler adds the context's attributes at the top level of each line.
// Loggers derived from it by With and WithGroup still do.
type contextHandler struct {
	next slog.Handler
	// open are the groups and attributes given since the first group: they are
	// replayed per line, for a group that next has been told of would swallow
	// the context's attributes too.
	open []scope
}

// scope is one WithGroup, or one WithAttrs inside a group.
type scope struct {
	group string
	attrs []slog.Attr
}

// Enabled is the wrapped handler's.
func (h contextHandler) Enabled(ctx context.Context, l slog.Level) bool {
	return h.next.Enabled(ctx, l)
}

// Handle writes the line.
func (h contextHandler) Handle(ctx context.Context, r slog.Record) error {
	attrs, _ := ctx.Value(attrsKey{}).([]slog.Attr)
	if len(h.open) == 0 {
		if len(attrs) > 0 {
			r = r.Clone()
			r.AddAttrs(attrs...)
		}
		return h.next.Handle(ctx, r)
	}
	next := h.next
	if len(attrs) > 0 {
		next = next.WithAttrs(attrs)
	}
	for _, s := range h.open {
		if s.group != "" {
			next = next.WithGroup(s.group)
		} else {
			next = next.WithAttrs(s.attrs)
		}
	}
	return next.Handle(ctx, r)
}

// WithAttrs keeps the wrapping.
func (h contextHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	if len(attrs) == 0 {
		return h
	}
	if len(h.open) == 0 {
		return contextHandler{next: h.next.WithAttrs(attrs)}
	}
	return contextHandler{next: h.next, open: append(slices.Clip(h.open), scope{attrs: attrs})}
}

// WithGroup keeps the wrapping.
func (h contextHandler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	return contextHandler{next: h.next, open: append(slices.Clip(h.open), scope{group: name})}
}
