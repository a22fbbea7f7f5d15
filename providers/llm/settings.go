package llm

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"chatbox"
	"chatbox/providers/internal/vendorapi"
)

const (
	// assumedWindow is the window of an unknown model in tokens. It is also the
	// largest part of a known window that is used without CONTEXT, since every
	// message of a larger prompt costs money.
	assumedWindow = 32_768
	// usualAnswer is the number of tokens reserved for an answer in a large window.
	// In a small window a quarter is reserved.
	usualAnswer = 8_192
	minAnswer   = 16  // tokens; reserved even if the prompt fills the window
	minContext  = 256 // tokens
)

// settings are the parameters of a provider's requests. Each is the configured
// value, the known value of the vendor or the model, or a default.
type settings struct {
	window int  // tokens
	answer int  // tokens of the window that are reserved for the answer
	strict bool // the window is configured or known, not assumed

	send        bool // the request limits the length of the answer
	answerField string
	roles       string
	usage       bool // the request contains stream_options, which ask for the usage
}

func (p Provider) settings() settings {
	to, _ := resolveAnswers(p.Type, p.Endpoint) // Validate reports the fault
	model, vendor := modelNamed(p.Model), knownHost(to.Host())
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
	if to.Azure && reasons(p.Model) {
		s.answerField = fieldCompletion
	}
	s.answer = cmp.Or(p.MaxTokens, min(usualAnswer, s.window/4, cmp.Or(model.answer, usualAnswer)))
	return s
}

// budget returns the maximum number of tokens of a prompt.
func (s settings) budget() int { return max(s.window-s.answer, 1) }

// answerFor returns the maximum length of the answer to a prompt in tokens. If
// the newest message alone exceeds the budget, the answer gets less. Otherwise a
// server that adds prompt and answer would refuse the request unnecessarily.
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

// maxShorter is the maximum number of times a prompt is shortened after the
// vendor refused it as too long.
const maxShorter = 3

// fitted returns an opener that cuts every prompt to the model's budget. The
// conversation builds prompts for the selected model, and the fallback's window
// may be smaller.
//
// Budgets are estimates, and the real window may differ. If the vendor refuses a
// prompt as too long, it is halved, and in the end reduced to its newest message.
// A long session thus never fails permanently. tooLong is called for each
// refusal.
func (s settings) fitted(open opener, tooLong func(ctx context.Context, budget int)) opener {
	return func(ctx context.Context, p chatbox.Prompt) (source, error) {
		for budget, try := s.budget(), 0; ; try++ {
			fit := p.Fit(budget)
			src, err := open(ctx, fit)
			f, ok := errors.AsType[*vendorapi.Failure](err)
			if !ok || f.Reason() != vendorapi.ReasonLength || len(fit.Messages) == len(p.Fit(0).Messages) {
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

// limitsOf returns the timeouts of a provider's requests. The provider's own
// timeouts override those of c.
func (c Config) limitsOf(p Provider) limits {
	c.IdleTimeout = cmp.Or(p.IdleTimeout, c.IdleTimeout)
	l := c.limits()
	if p.FirstTokenTimeout > 0 {
		l.first = p.FirstTokenTimeout
		l.header = cmp.Or(c.HeaderTimeout, l.first)
	}
	return l
}

// Budget returns the maximum number of tokens of a prompt for the model, as
// chatbox.TokensOf counts them. For an unknown model it returns the budget of the
// default model.
func (r *Router) Budget(modelID string) int {
	m, ok := r.model(modelID)
	if !ok {
		m = r.standard
	}
	return m.budget
}

// Room returns the maximum number of tokens of a prompt for the provider.
func (p Provider) Room() int { return p.settings().budget() }

// settingFaults checks the combination of settings. It also checks single values,
// for callers other than package config.
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
