// Package outage logs the outage of a dependency: at once, then once a minute,
// and once more when it ends. A loop that retries reports each outcome here
// instead of logging it.
package outage

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"
)

const (
	remindEvery = time.Minute
	maxPerSpan  = 4 // lines within remindEvery: not every change of a flapping dependency is logged
)

// Outage tracks one dependency. It is safe for concurrent use. A nil Outage
// does nothing.
type Outage struct {
	log  *slog.Logger
	name string

	mu       sync.Mutex // guards following
	kind     Kind       // of the latest failure; "" while the dependency works
	err      error
	since    time.Time // the first failure
	failures int       // since the first one
	logged   Kind      // the kind in the latest line; "": none
	lines    [maxPerSpan]time.Time
	unlogged int // outages that began and ended without a line
}

// New returns an Outage; name identifies the dependency in its lines.
func New(name string, log *slog.Logger) *Outage { return &Outage{name: name, log: log} }

// Note reports an outcome; nil means that the dependency works. The kind of a
// failure is KindOf(err).
func (o *Outage) Note(ctx context.Context, err error) {
	o.NoteAs(ctx, KindOf(err), err)
}

// NoteAs is Note with a known kind; err is only logged.
func (o *Outage) NoteAs(ctx context.Context, kind Kind, err error) {
	if o == nil || errors.Is(err, context.Canceled) { // cancelled by the caller, so the dependency is not to blame
		return
	}
	o.mu.Lock()
	line := o.noteLocked(time.Now(), kind, err)
	o.mu.Unlock()
	if line != nil {
		line(ctx)
	}
}

// Kind returns why the dependency does not work; "" if it works.
func (o *Outage) Kind() Kind {
	if o == nil {
		return ""
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.kind
}

// noteLocked returns a func that writes the line, if one is due. It is called
// without the lock.
func (o *Outage) noteLocked(now time.Time, kind Kind, err error) func(ctx context.Context) {
	if kind != "" && o.kind == "" {
		o.since, o.failures = now, 0
	}
	if kind == "" && o.kind != "" && o.logged == "" {
		o.unlogged++
	}
	o.kind, o.err = kind, err
	if kind != "" {
		o.failures++
	}
	last := o.lines[0]
	due := o.kind != o.logged || o.kind != "" && now.Sub(last) >= remindEvery
	if !due || now.Sub(o.lines[maxPerSpan-1]) < remindEvery {
		return nil
	}
	copy(o.lines[1:], o.lines[:maxPerSpan-1])
	o.lines[0] = now
	return o.lineLocked(now)
}

func (o *Outage) lineLocked(now time.Time) func(ctx context.Context) {
	attrs := []slog.Attr{slog.String("dependency", o.name)}
	level, message := slog.LevelWarn, "dependency is away"
	switch {
	case o.kind == "":
		level, message = slog.LevelInfo, "dependency is back"
		attrs = append(attrs, slog.Duration("away", now.Sub(o.since).Round(time.Millisecond)))
	case o.logged != "":
		message = "dependency is still away"
		attrs = append(attrs, slog.Duration("away", now.Sub(o.since).Round(time.Millisecond)), slog.Int("failures", o.failures))
	}
	if o.kind != "" {
		attrs = append(attrs, slog.String("cause", string(o.kind)), slog.Any("error", o.err))
	}
	if o.unlogged > 0 {
		attrs = append(attrs, slog.Int("more_outages", o.unlogged))
	}
	o.logged, o.unlogged = o.kind, 0
	return func(ctx context.Context) { o.log.LogAttrs(ctx, level, message, attrs...) } //nolint:sloglint // one of three constants
}
