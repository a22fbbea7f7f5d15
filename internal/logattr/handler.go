// Package logattr carries log attributes in contexts, so that every line
// caused by a request or a socket has them.
package logattr

import (
	"context"
	"log/slog"
	"slices"
	"time"
)

type contextKey struct{}

// With adds attributes to every line that is logged with the context or one
// derived from it. Earlier attributes are kept.
func With(ctx context.Context, attrs ...slog.Attr) context.Context {
	before, _ := ctx.Value(contextKey{}).([]slog.Attr)
	return context.WithValue(ctx, contextKey{}, slices.Concat(before, attrs))
}

// Detached returns a context that has the attributes of ctx and nothing else: no
// other value, no deadline, and no end. It is for work that outlives a request
// by so much that the request's context would be a burden.
func Detached(ctx context.Context, attrs ...slog.Attr) context.Context {
	before, _ := ctx.Value(contextKey{}).([]slog.Attr)
	return detached{attrs: slices.Concat(before, attrs)}
}

type detached struct{ attrs []slog.Attr }

func (detached) Deadline() (at time.Time, ok bool) { return time.Time{}, false }
func (detached) Done() <-chan struct{}             { return nil }
func (detached) Err() error                        { return nil }

func (d detached) Value(key any) any {
	if key == (contextKey{}) {
		return d.attrs
	}
	return nil
}

// NewHandler returns a handler that writes to next.
func NewHandler(next slog.Handler) Handler { return Handler{next: next} }

// Handler adds the context's attributes at the top level of each line. So do
// loggers derived from it by With and WithGroup.
type Handler struct {
	next slog.Handler
	// open are the groups and attributes added since the first group. They are
	// replayed for each line: if next knew the group, the context's attributes
	// would be added inside it.
	open []scope
}

// scope is one WithGroup, or one WithAttrs inside a group.
type scope struct {
	group string
	attrs []slog.Attr
}

// Enabled asks the wrapped handler.
func (h Handler) Enabled(ctx context.Context, l slog.Level) bool {
	return h.next.Enabled(ctx, l)
}

// Handle writes the line.
func (h Handler) Handle(ctx context.Context, r slog.Record) error {
	attrs, _ := ctx.Value(contextKey{}).([]slog.Attr)
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

// WithAttrs returns a Handler with the attributes.
func (h Handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	if len(attrs) == 0 {
		return h
	}
	if len(h.open) == 0 {
		return Handler{next: h.next.WithAttrs(attrs)}
	}
	return Handler{next: h.next, open: append(slices.Clip(h.open), scope{attrs: attrs})}
}

// WithGroup returns a Handler with the group.
func (h Handler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	return Handler{next: h.next, open: append(slices.Clip(h.open), scope{group: name})}
}
