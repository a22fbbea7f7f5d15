package llm

import (
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// The provider types.
const (
	TypeOpenAI    = "openai"    // OpenAI and every compatible server
	TypeAnthropic = "anthropic" // the Messages API
	TypeDify      = "dify"      // a Dify chat application
	TypeScripted  = "scripted"  // answers made here: development, tests, demos
)

// ContinuePrefix as Provider.Continue says that the model takes up an answer
// where it broke off when the partial text is its own last message.
const ContinuePrefix = "prefix"

const (
	maxProviderID   = 128
	maxProviderName = 200
)

// Config is which models there are and how long they may take. Start from
// DefaultConfig.
type Config struct {
	Providers []Provider
	Default   string // a provider's ID; empty: the first
	Fallback  string // asked where another fails before its first word; empty: none

	StreamTimeout time.Duration // a whole answer, retries included
	HeaderTimeout time.Duration // until the provider begins to respond; zero: as long as its first word
	IdleTimeout   time.Duration // between two signs of life of the provider
}

// Provider is one model that users may choose.
type Provider struct {
	ID       string // what clients select; unique
	Name     string // what people read; empty: the ID
	Type     string
	Endpoint string // empty: the vendor's own; see resolve
	APIKey   Secret
	Model    string // the vendor's name of the model; a Dify application has its own
	Continue string // "" or ContinuePrefix

	Context   int // tokens of the model's window; zero: what is known of the model
	MaxTokens int // the longest answer, in tokens; zero: the vendor's own limit

	FirstTokenTimeout time.Duration // from the request to the first sign of an answer; zero: the config's
	IdleTimeout       time.Duration // between two signs of life; zero: the config's

	Headers Headers // sent with every request, over those of the dialect
	Extra   Extra   // merged into every request for an answer
	Roles   string  // RolesSystem, RolesMerged; empty: what is known of the model

	// InsecureHTTP: the operator wants plain http to a public host; see PlainPublic.
	InsecureHTTP bool

	Vision bool // the model sees pictures; without effect so far
	Tools  bool // the model calls tools; without effect so far
	Price  Price
}

// Price is what a million tokens cost, nil where it is not known; without
// effect so far.
type Price struct{ In, Out, Cached *float64 }

// DefaultConfig has the timeouts and no provider.
func DefaultConfig() Config {
	return Config{StreamTimeout: 120 * time.Second, IdleTimeout: 30 * time.Second}
}

// Validate reports every fault at once, each naming its provider. No fault
// shows a key.
func (c Config) Validate() error {
	var faults []error
	if len(c.Providers) == 0 {
		faults = append(faults, errors.New("llm: no provider is configured"))
	}
	known := make(map[string]bool, len(c.Providers))
	for i, p := range c.Providers {
		for _, fault := range p.faults() {
			faults = append(faults, fmt.Errorf("llm: provider %d (%q): %w", i+1, p.ID, fault))
		}
		if p.ID != "" && known[p.ID] {
			faults = append(faults, fmt.Errorf("llm: provider %d (%q): the id is taken by an earlier one", i+1, p.ID))
		}
		known[p.ID] = true
	}
	if c.Default != "" && !known[c.Default] {
		faults = append(faults, fmt.Errorf("llm: default %q is not among the configured providers", c.Default))
	}
	if c.Fallback != "" && !known[c.Fallback] {
		faults = append(faults, fmt.Errorf("llm: fallback %q is not among the configured providers", c.Fallback))
	}
	return errors.Join(append(faults, c.timeoutFaults()...)...)
}

func (c Config) timeoutFaults() []error {
	var faults []error
	if c.StreamTimeout <= 0 {
		faults = append(faults, errors.New("llm: the stream timeout must be positive"))
	}
	if c.IdleTimeout <= 0 {
		faults = append(faults, errors.New("llm: the idle timeout must be positive"))
	}
	if c.HeaderTimeout < 0 {
		faults = append(faults, errors.New("llm: the header timeout must not be negative"))
	}
	return faults
}

func (p Provider) faults() []error {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	if !validName(p.ID, maxProviderID) || strings.ContainsFunc(p.ID, unicode.IsSpace) {
		fault("ID must be 1-%d printable characters without spaces", maxProviderID)
	}
	if p.Name != "" && !validName(p.Name, maxProviderName) {
		fault("NAME must be at most %d printable characters", maxProviderName)
	}
	if p.Continue != "" && p.Continue != ContinuePrefix {
		fault("CONTINUE %q is unknown: leave it empty or say %q", p.Continue, ContinuePrefix)
	}
	if p.APIKey.Reveal() == "" && len(p.Headers) == 0 && (p.Type == TypeAnthropic || p.Type == TypeDify) {
		fault("API_KEY is required")
	}
	if strings.ContainsFunc(p.APIKey.Reveal(), func(r rune) bool { return r <= ' ' || r > '~' }) {
		fault("API_KEY must be one word of ASCII characters")
	}
	switch p.Type {
	case TypeOpenAI, TypeAnthropic:
		if p.Model == "" {
			fault("MODEL is required")
		}
	case TypeDify:
		if p.Continue != "" {
			fault("CONTINUE: a Dify application cannot take up an answer")
		}
	case TypeScripted:
		if _, err := scriptedDelay(p.Endpoint); err != nil {
			fault("ENDPOINT: %w", err)
		}
		return faults
	default:
		fault("TYPE %q is unknown: one of %s, %s, %s, %s", p.Type, TypeOpenAI, TypeAnthropic, TypeDify, TypeScripted)
		return faults
	}
	if _, err := resolve(p.Type, p.Endpoint); err != nil {
		fault("ENDPOINT: %w", err)
	}
	return append(faults, p.settingFaults()...)
}

func validName(s string, limit int) bool {
	return s != "" && utf8.ValidString(s) && utf8.RuneCountInString(s) <= limit &&
		!strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) })
}
