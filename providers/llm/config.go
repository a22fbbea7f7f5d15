package llm

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
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
	Endpoint string // empty: the vendor's own; with or without the trailing /v1
	APIKey   Secret
	Model    string // the vendor's name of the model; a Dify application has its own
	Continue string // "" or ContinuePrefix
}

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
	if p.APIKey.Reveal() == "" && (p.Type == TypeAnthropic || p.Type == TypeDify) {
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
	if p.Endpoint != "" {
		if _, err := parseEndpoint(p.Endpoint); err != nil {
			fault("ENDPOINT: %w", err)
		}
	}
	return faults
}

func validName(s string, limit int) bool {
	return s != "" && utf8.ValidString(s) && utf8.RuneCountInString(s) <= limit &&
		!strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) })
}

// parseEndpoint refuses what cannot be an API's base. Its errors do not show
// the endpoint: somebody may have put a key into it.
func parseEndpoint(endpoint string) (*url.URL, error) {
	u, err := url.Parse(endpoint)
	switch {
	case err != nil:
		return nil, errors.New("is not a URL")
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, errors.New("must begin with http:// or https://")
	case u.Hostname() == "":
		return nil, errors.New("names no host")
	case u.User != nil:
		return nil, errors.New("must not carry user and password; use API_KEY")
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return nil, errors.New("must not carry a query or a fragment")
	}
	return u, nil
}

// version matches the segment of a path that names an API's version.
const version = `/v[0-9]+[a-z0-9]*(/|$)`

// baseURL is the endpoint up to and including its version. "/v1" is added
// where the path names none, so both spellings of an endpoint work, and so do
// other vendors' bases, as /api/paas/v4 or /v1beta/openai.
func baseURL(endpoint, vendors string) (string, error) {
	if endpoint == "" {
		endpoint = vendors
	}
	u, err := parseEndpoint(endpoint)
	if err != nil {
		return "", err
	}
	base := strings.TrimRight(u.String(), "/")
	if !regexp.MustCompile(version).MatchString(u.Path) {
		base += "/v1"
	}
	return base, nil
}
