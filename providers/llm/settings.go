package llm

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"chatbox"
)

const (
	// assumedWindow is the window of a model of which nothing is known, and the
	// most of a known one that is used without being asked: a larger prompt
	// costs with every message.
	assumedWindow = 32_768
	// usualAnswer is the room that is kept for an answer in a large window;
	// in a small one it is a quarter.
	usualAnswer = 8_192
	minAnswer   = 16  // tokens, beside what a prompt alone leaves
	minContext  = 256 // tokens
)

// settings are what a provider's requests go by: what is configured, else what
// is known of the vendor and the model, else what suits most.
type settings struct {
	window int  // tokens
	answer int  // tokens of the window that are kept free for the answer
	strict bool // the window is the model's own, not assumed

	send        bool // the request says how long the answer may be
	answerField string
	roles       string
	usage       bool // stream_options asks for the usage
}

func (p Provider) settings() settings {
	to, _ := resolve(p.Type, p.Endpoint) // a fault of its own
	model, vendor := modelNamed(p.Model), knownHost(to.host())
	s := settings{
		window:      p.Context,
		strict:      p.Context > 0 || model.window > 0,
		answerField: cmp.Or(vendor.answerField, fieldTokens),
		roles:       cmp.Or(p.Roles, model.roles, RolesSystem),
		usage:       !vendor.noUsage,
		send:        p.MaxTokens > 0 || p.Type == TypeAnthropic,
	}
	if s.window == 0 {
		s.window = min(assumedWindow, cmp.Or(model.window, assumedWindow))
	}
	if to.azure && reasons(p.Model) {
		s.answerField = fieldCompletion
	}
	s.answer = cmp.Or(p.MaxTokens, min(usualAnswer, s.window/4, cmp.Or(model.answer, usualAnswer)))
	return s
}

// budget is how many tokens a prompt may have.
func (s settings) budget() int { return max(s.window-s.answer, 1) }

// answerFor is how long the answer to the prompt may be. A prompt that fills
// more than its share, since its newest message alone does, leaves less: a
// server that adds both up would refuse it for nothing.
func (s settings) answerFor(t talk) int {
	if !s.strict {
		return s.answer
	}
	spent := chatbox.TokensOf(t.lines...)
	if t.system != "" {
		spent += chatbox.TokensOf(chatbox.PromptMessage{Content: t.system})
	}
	return min(s.answer, max(s.window-spent, minAnswer))
}

// opener sends one request; see model.
type opener func(ctx context.Context, p chatbox.Prompt) (source, error)

// maxShorter is how often a prompt is shortened that the vendor finds too long.
const maxShorter = 3

// fitted cuts every prompt to the model's budget. The conversation builds
// prompts for the model that it asks; the fallback's window may be smaller.
//
// Budgets are estimates, and windows may be other than assumed: a prompt that
// the vendor refuses as too long is halved, and in the end reduced to its
// newest message, so that a long session never fails for good. tooLong is told
// of each refusal.
func (s settings) fitted(open opener, tooLong func(ctx context.Context, budget int)) opener {
	return func(ctx context.Context, p chatbox.Prompt) (source, error) {
		for budget, try := s.budget(), 0; ; try++ {
			fit := p.Fit(budget)
			src, err := open(ctx, fit)
			f, ok := errors.AsType[*failure](err)
			if !ok || f.reason() != reasonLength || len(fit.Messages) == len(p.Fit(0).Messages) {
				return src, err
			}
			tooLong(ctx, budget)
			budget = chatbox.TokensOf(fit.Messages...) / 2
			if try == maxShorter-1 {
				budget = 0
			}
		}
	}
}

// limitsOf are the limits of one provider's requests: its own before the
// config's.
func (c Config) limitsOf(p Provider) limits {
	c.IdleTimeout = cmp.Or(p.IdleTimeout, c.IdleTimeout)
	l := c.limits()
	if p.FirstTokenTimeout > 0 {
		l.first = p.FirstTokenTimeout
		l.header = cmp.Or(c.HeaderTimeout, l.first)
	}
	return l
}

// Budget is how many tokens a prompt for the model may have, as
// chatbox.TokensOf counts them; for a model that is not offered, the default's.
func (r *Router) Budget(modelID string) int {
	m, ok := r.model(modelID)
	if !ok {
		m = r.standard
	}
	return m.budget
}

// Room is how many tokens a prompt for the provider may have.
func (p Provider) Room() int { return p.settings().budget() }

// settingFaults checks what belongs together; single values are checked where
// they are read, and here once more for other callers.
func (p Provider) settingFaults() []error {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	if p.Context != 0 && p.Context < minContext {
		fault("CONTEXT must be at least %d tokens", minContext)
	}
	if p.MaxTokens < 0 {
		fault("MAX_TOKENS must be positive")
	}
	if s := p.settings(); p.MaxTokens >= s.window {
		fault("MAX_TOKENS must be less than the window of %d tokens, which prompt and answer share: set CONTEXT", s.window)
	}
	if p.FirstTokenTimeout < 0 {
		fault("FIRST_TOKEN_TIMEOUT must be positive")
	}
	if p.IdleTimeout < 0 {
		fault("IDLE_TIMEOUT must be positive")
	}
	if p.Roles != "" && p.Roles != RolesSystem && p.Roles != RolesMerged {
		fault("ROLES %q is unknown: one of %s, %s", p.Roles, RolesSystem, RolesMerged)
	}
	if field := p.Extra.taken(p.Type); field != "" {
		fault("EXTRA must not change %s: the answer depends on it", field)
	}
	return faults
}
