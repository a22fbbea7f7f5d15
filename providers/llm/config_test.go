package llm

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"chatbox/providers/internal/vendorapi"
)

func TestValidate_ReportsAllFaultsTogether(t *testing.T) {
	cfg := Config{
		Providers: []Provider{
			{ID: "a", Type: "openai", Model: "m", Endpoint: "ftp://host"},
			{ID: "a", Type: "parrot", Model: "m"},
			{ID: "b c", Type: "openai", Endpoint: "https://user:" + canary + "@host/v1", APIKey: NewSecret(canary + "\n")},
			{ID: "d", Type: "scripted", Endpoint: "scripted://?speed=9", Continue: "magic"},
			{ID: "e", Type: "openai", Model: "m", Endpoint: "https:///v1"},
			{ID: "f", Type: "openai", Model: "m", Endpoint: "https://host/v1?key=" + canary},
			{ID: "g", Type: "openai", Model: "m", Name: strings.Repeat("x", 201)},
			{ID: "h", Type: "anthropic", Model: "m"},
			{ID: "i", Type: "dify", APIKey: NewSecret(canary), Continue: ContinuePrefix},
		},
		Default: "z", Fallback: "y", HeaderTimeout: -1,
	}
	err := cfg.Validate()
	require.Error(t, err)
	for _, want := range []string{
		`provider 1 ("a"): ENDPOINT: must begin with http`,
		`provider 2 ("a"): TYPE "parrot" is unknown`,
		`provider 2 ("a"): the id is taken`,
		`provider 3 ("b c"): ID must be`,
		`provider 3 ("b c"): API_KEY must be`,
		`provider 3 ("b c"): MODEL is required`,
		`provider 3 ("b c"): ENDPOINT: must not carry user`,
		`provider 4 ("d"): CONTINUE "magic" is unknown`,
		`provider 4 ("d"): ENDPOINT: has the unknown option "speed"`,
		`provider 5 ("e"): ENDPOINT: names no host`,
		`provider 6 ("f"): ENDPOINT: must not carry a credential in its query`,
		`provider 7 ("g"): NAME must be`,
		`provider 8 ("h"): API_KEY is required`,
		`provider 9 ("i"): CONTINUE: a Dify application`,
		`default "z" is not among`,
		`fallback "y" is not among`,
		"stream timeout must be positive",
		"idle timeout must be positive",
		"header timeout must not be negative",
	} {
		assert.Contains(t, err.Error(), want)
	}
	assert.NotContains(t, err.Error(), canary)

	_, err = New(cfg, slog.New(slog.DiscardHandler))
	require.Error(t, err)
	require.ErrorContains(t, Config{}.Validate(), "no provider is configured")
}

func TestValidate_AcceptsWhatWorks(t *testing.T) {
	cfg := DefaultConfig()
	for i, p := range []Provider{
		{Type: TypeOpenAI, Model: "m"},
		{Type: TypeOpenAI, Model: "m", Endpoint: "http://127.0.0.1:11434", Continue: ContinuePrefix},
		{Type: TypeOpenAI, Model: "m", Endpoint: "https://[::1]:8000/v1/", APIKey: NewSecret(canary), Name: "Großes Modell"},
		{Type: TypeScripted},
		{Type: TypeAnthropic, Model: "m", APIKey: NewSecret(canary), Continue: ContinuePrefix},
		{Type: TypeDify, Endpoint: "https://dify.test/v1", APIKey: NewSecret(canary)},
		{Type: TypeScripted, Endpoint: "scripted://?delay=0s"},
	} {
		p.ID = fmt.Sprintf("vendor/model-%d:1", i)
		cfg.Providers = append(cfg.Providers, p)
	}
	cfg.Default, cfg.Fallback = cfg.Providers[1].ID, cfg.Providers[3].ID
	require.NoError(t, cfg.Validate())
	r, err := New(cfg, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	r.Close()
}

func TestSecret_NeverShows(t *testing.T) {
	s := NewSecret(canary)
	require.Equal(t, canary, s.Reveal())
	type hidden struct{ key Secret }
	shown := []string{s.String(), slog.AnyValue(s).Resolve().String()}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%T %[1]v"} {
		shown = append(shown,
			fmt.Sprintf(verb, s), fmt.Sprintf(verb, &s), fmt.Sprintf(verb, hidden{s}), fmt.Sprintf(verb, Config{Providers: []Provider{{APIKey: s}}}))
	}
	marshalled, err := json.Marshal(Provider{ID: "a", APIKey: s})
	require.NoError(t, err)
	log := &logBuffer{}
	log.logger().InfoContext(t.Context(), "configuration", "provider", Provider{APIKey: s}, "key", s, "hidden", hidden{s})
	for _, text := range append(shown, string(marshalled), log.String()) {
		assert.NotContains(t, text, canary)
		assert.NotContains(t, text, fmt.Sprintf("%x", canary))
	}
	assert.Contains(t, string(marshalled), vendorapi.Redacted)

	var read Secret
	require.NoError(t, read.UnmarshalText([]byte(canary)))
	assert.Equal(t, canary, read.Reveal())
	assert.Empty(t, Secret{}.String())
	assert.Empty(t, NewSecret("").Reveal())
}
