// Package llm requests answers from language models. A Router offers all
// configured models through one interface. A vendor or its SDK may stall, break
// off, send invalid data or panic. In every case the caller gets text followed by
// a finish, or an error with a code and a message for users.
package llm

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"net/http"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"chatbox"
	"chatbox/providers/internal/vendorapi"
)

// Router answers prompts with the configured models. It is safe for concurrent
// use. Streams run in their consumers' goroutines.
type Router struct {
	models    []*model // in configured order
	byID      map[string]*model
	standard  *model // the default model
	fallback  *model // nil: none
	total     time.Duration
	transport *http.Transport
	logger    *slog.Logger
	after     sync.WaitGroup // waits for requests that stop answers; see newDify
}

// New returns a router for the configuration, or the error of Validate. It opens
// no connections.
func New(cfg Config, logger *slog.Logger) (*Router, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	r := &Router{
		byID:      make(map[string]*model, len(cfg.Providers)),
		total:     cfg.StreamTimeout,
		transport: vendorapi.NewTransport(),
		logger:    logger,
	}
	for _, p := range cfg.Providers {
		m, err := r.newModel(p, cfg.limitsOf(p))
		if err != nil {
			return nil, fmt.Errorf("llm: provider %q: %w", p.ID, err)
		}
		r.models = append(r.models, m)
		r.byID[m.id] = m
	}
	r.standard = r.models[0]
	if cfg.Default != "" {
		r.standard = r.byID[cfg.Default]
	}
	r.fallback = r.byID[cfg.Fallback]
	return r, nil
}

func (r *Router) newModel(p Provider, l limits) (*model, error) {
	p.APIKey = p.APIKey.With(p.Headers.values()...)
	g := newGuard(r.transport, p.APIKey)
	g.optional.found = func(field string) {
		r.logger.Warn("model provider refuses a field of requests, leaving it out", "model", p.ID, "field", field)
	}
	set := p.settings()
	m := &model{
		id: p.ID, name: p.Name, continues: p.Continue == ContinuePrefix, sees: p.Vision, key: p.APIKey, limits: l, budget: set.budget(),
	}
	if m.name == "" {
		m.name = p.ID
	}
	var err error
	switch p.Type {
	case TypeOpenAI:
		m.open, err = newOpenAI(p, g)
	case TypeAnthropic:
		m.open, err = newAnthropic(p, g)
	case TypeDify:
		m.open, err = newDify(p, g, &r.after)
	case TypeScripted:
		m.open, err = newScripted(p)
	default:
		err = fmt.Errorf("type %q is unknown", p.Type)
	}
	if err == nil {
		m.open = set.fitted(m.open, r.tooLong(p.ID))
	}
	return m, err
}

// tooLong returns a function that logs that a model's window is smaller than
// configured. It logs a warning once, and at debug level after that.
func (r *Router) tooLong(id string) func(ctx context.Context, budget int) {
	var warned atomic.Bool
	return func(ctx context.Context, budget int) {
		level := slog.LevelDebug
		if warned.CompareAndSwap(false, true) {
			level = slog.LevelWarn
		}
		r.logger.Log(ctx, level, "model refuses a prompt as too long, asking with less of the talk: set its CONTEXT", "model", id, "tokens", budget)
	}
}

// Close waits for requests that stop answers, a few seconds at most, and closes
// idle connections. It must be called after the last stream has ended.
func (r *Router) Close() {
	r.after.Wait()
	r.transport.CloseIdleConnections()
}

// Models returns the models that users may select, in configured order. See
// Default.
func (r *Router) Models() []chatbox.Model {
	list := make([]chatbox.Model, len(r.models))
	for i, m := range r.models {
		list[i] = chatbox.Model{ID: m.id, Name: m.name}
	}
	return list
}

// Default returns the ID of the model for prompts that select none.
func (r *Router) Default() string { return r.standard.id }

// Continues reports whether the model can continue an answer after a prefix.
func (r *Router) Continues(modelID string) bool {
	m, ok := r.model(modelID)
	return ok && m.continues
}

// Sees reports whether the model accepts pictures. Stream sends none to a model that
// does not.
func (r *Router) Sees(modelID string) bool {
	m, ok := r.model(modelID)
	return ok && m.sees
}

func (r *Router) model(id string) (*model, bool) {
	if id == "" {
		return r.standard, true
	}
	m, ok := r.byID[id]
	return m, ok
}

// Stream yields the answer of the prompt's model, or of the default model if the
// prompt names none. The last delta contains Finish, and Usage if the provider
// reported it. Earlier deltas contain the usage reported by then. An error ends
// the sequence: chatbox.ModelTimeout (which wraps a Timeout),
// chatbox.ModelFailed, chatbox.ModelRefused, chatbox.ModelFiltered,
// chatbox.InvalidArgument for an unknown model, or the cause of a cancelled ctx.
// The request to the vendor ends when the consumer breaks off or ctx ends.
//
// If a request fails before the first word, Stream retries it if that may help.
// It then tries the fallback model, if one is configured. Deltas of the fallback
// contain its ModelID.
func (r *Router) Stream(ctx context.Context, p chatbox.Prompt) iter.Seq2[chatbox.Delta, error] {
	return func(yield func(chatbox.Delta, error) bool) {
		m, err := r.choose(p)
		if err != nil {
			yield(chatbox.Delta{}, err)
			return
		}
		ctx, cancel := context.WithTimeoutCause(ctx, r.total, TimeoutTotal)
		defer cancel()
		for m != nil {
			began, err := r.ask(ctx, m, p, yield)
			next := r.instead(ctx, m, p, began, err)
			if err != nil && next == nil {
				yield(chatbox.Delta{}, err)
			}
			if next != nil {
				r.logger.WarnContext(ctx, "model failed, asking the fallback", "model", m.id, "fallback", next.id, "error", err)
			}
			m = next
		}
	}
}

func (r *Router) choose(p chatbox.Prompt) (*model, error) {
	m, ok := r.model(p.ModelID)
	switch {
	case !ok:
		return nil, chatbox.Invalid("model_id", "is not an offered model")
	case p.Prefix != "" && !m.continues:
		return nil, chatbox.NewError(chatbox.Internal, "The answer could not be continued.",
			fmt.Errorf("llm: model %q does not continue at a prefix", m.id))
	}
	return m, nil
}

// ask relays one model's answer. It returns an error instead of yielding it, and
// reports whether it has yielded anything.
func (r *Router) ask(ctx context.Context, m *model, p chatbox.Prompt, yield func(chatbox.Delta, error) bool) (bool, error) {
	began := false
	asked, _ := r.model(p.ModelID)
	for d, err := range r.contain(ctx, m, m.stream(ctx, p, r.logger)) {
		if err != nil {
			return began, err
		}
		began = true
		if m != asked {
			d.ModelID = m.id
		}
		if !yield(d, nil) {
			return began, nil
		}
	}
	return began, nil
}

// instead returns the fallback model if it should be tried after m failed, or
// nil.
func (r *Router) instead(ctx context.Context, m *model, p chatbox.Prompt, began bool, err error) *model {
	helps := false
	for _, code := range []chatbox.Code{chatbox.ModelFailed, chatbox.ModelTimeout, chatbox.ModelRefused, chatbox.Internal} {
		helps = helps || errors.Is(err, code)
	}
	if err == nil || began || !helps || ctx.Err() != nil || m == r.fallback || r.fallback == nil {
		return nil
	}
	if p.Prefix != "" && !r.fallback.continues {
		return nil
	}
	return r.fallback
}

// contain converts a panic of the provider to an error and logs its stack. It
// does not recover a panic of the consumer.
func (r *Router) contain(ctx context.Context, m *model, seq iter.Seq2[chatbox.Delta, error]) iter.Seq2[chatbox.Delta, error] {
	return func(yield func(chatbox.Delta, error) bool) {
		consuming, stopped := false, false
		err := func() (err error) {
			defer func() {
				if consuming {
					return
				}
				if p := recover(); p != nil {
					reason := vendorapi.Clip(vendorapi.Hide(fmt.Sprint(p), m.key), vendorapi.MaxFailureText)
					r.logger.ErrorContext(ctx, "model provider panicked", "model", m.id, "panic", reason, "stack", string(debug.Stack()))
					err = chatbox.NewError(chatbox.Internal, "The model could not answer.", errors.New("llm: panic: "+reason))
				}
			}()
			seq(func(d chatbox.Delta, err error) bool {
				consuming = true
				stopped = !yield(d, err)
				consuming = false
				return !stopped
			})
			return nil
		}()
		if err != nil && !stopped {
			yield(chatbox.Delta{}, err)
		}
	}
}
