package llm

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"chatbox"
	"chatbox/providers/internal/vendorapi"
)

// Origin returns scheme and host of the provider's requests; "" for a model that
// needs no server. The provider must be valid.
func (p Provider) Origin() (string, error) {
	if p.Type == TypeScripted {
		return "", nil
	}
	to, err := resolveAnswers(p.Type, p.Endpoint)
	if err != nil {
		return "", fmt.Errorf("llm: endpoint: %w", err)
	}
	return to.Origin(), nil
}

// Try asks the provider for an answer of one token, or of its usual length if the
// model is told to think first. It returns nil once the
// vendor has begun to answer. The error is for operators: it says in plain words
// why the vendor refuses, and contains no key. The time-outs are those of cfg.
func Try(ctx context.Context, cfg Config, p Provider) error {
	if _, thinks := p.Extra["thinking"]; !thinks { // whose budget must be below the maximum
		p.MaxTokens = 1
	}
	cfg.Providers, cfg.Default, cfg.Fallback = []Provider{p}, "", ""
	r, err := New(cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	defer r.Close()
	question := chatbox.Prompt{Messages: []chatbox.PromptMessage{{Role: chatbox.RoleUser, Content: "Say OK."}}}
	for _, err = range r.Stream(ctx, question) {
		break // the first delta or the error is enough
	}
	f, failed := errors.AsType[*vendorapi.Failure](err)
	switch {
	case failed && f.Empty: // a model that reasons first uses up the token
		return nil
	case failed:
		return fmt.Errorf("%s (%w)", plainly(f), f)
	default:
		return err
	}
}

// plainly says why a vendor failed, and where known which setting is at fault.
func plainly(f *vendorapi.Failure) string {
	switch f.Reason() {
	case vendorapi.ReasonConnection:
		return "the vendor cannot be reached: check ENDPOINT and the network"
	case vendorapi.ReasonBusy:
		return "the vendor is busy or limits the rate: try again later"
	case vendorapi.ReasonDown:
		return "the vendor is temporarily broken: try again later"
	case vendorapi.ReasonKey:
		return "the vendor refuses the key: correct API_KEY"
	case vendorapi.ReasonModel:
		return "the vendor does not have the model: correct MODEL"
	case vendorapi.ReasonQuota:
		return "the quota or the credit at the vendor is used up: raise it there"
	default:
		return "the vendor refuses the request: check TYPE, ENDPOINT, MODEL and EXTRA"
	}
}
