package voice

import (
	"fmt"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"chatbox/providers/internal/vendorapi"
)

func TestEndpoints(t *testing.T) {
	for raw, want := range map[string]string{
		"https://api.openai.com":                 "https://api.openai.com/v1/audio/speech",
		"https://api.openai.com/v1/":             "https://api.openai.com/v1/audio/speech",
		"https://api.openai.com/v1/audio/speech": "https://api.openai.com/v1/audio/speech",
		"http://whisper.svc:8000":                "http://whisper.svc:8000/v1/audio/speech",
		"https://api.groq.com":                   "https://api.groq.com/openai/v1/audio/speech",
		"https://x.openai.azure.com/openai/v1":   "https://x.openai.azure.com/openai/v1/audio/speech",
		"https://x.openai.azure.com/openai/deployments/tts?api-version=2025-03-01-preview": "https://x.openai.azure.com/openai/deployments/tts/audio/speech?api-version=2025-03-01-preview",
	} {
		to, err := vendorapi.Resolve(speech(), raw)
		require.NoError(t, err, raw)
		assert.Equal(t, want, to.String(), raw)
	}
	for _, raw := range []string{
		"https://api.openai.com/v1/audio/transcriptions", "https://api.openai.com/v1/chat/completions", "ftp://x", "https://user:" + canary + "@x.example",
		"https://x.example/v1?key=" + canary, "https://platform.openai.com",
	} {
		err := CheckSpeech(raw)
		require.Error(t, err, raw)
		assert.NotContains(t, err.Error(), canary)
	}
	require.NoError(t, CheckTranscriptions("https://api.openai.com/v1/audio/transcriptions"))
	require.Error(t, CheckTranscriptions("https://api.openai.com/v1/audio/speech"))
}

func TestNew_RefusesFaults(t *testing.T) {
	good := Config{Endpoint: "https://api.openai.com", Model: "m", APIKey: vendorapi.NewSecret(canary)}
	for name, change := range map[string]func(*Config){
		"endpoint": func(c *Config) { c.Endpoint = "x" },
		"model":    func(c *Config) { c.Model = "" },
		"key":      func(c *Config) { c.APIKey = vendorapi.NewSecret(canary + "\n") },
	} {
		cfg := good
		change(&cfg)
		_, err := NewTranscriber(cfg, slog.New(slog.DiscardHandler))
		require.ErrorContains(t, err, name)
		assert.NotContains(t, err.Error(), canary)
	}
	_, err := NewSpeaker(good, "", slog.New(slog.DiscardHandler))
	require.ErrorContains(t, err, "voice")
	assert.NotContains(t, fmt.Sprintf("%+v %#v", good, good), canary)
}

func TestPlainPublic(t *testing.T) {
	assert.True(t, Config{Endpoint: "http://api.example.com"}.PlainPublic())
	assert.False(t, Config{Endpoint: "http://whisper.svc"}.PlainPublic())
	assert.False(t, Config{Endpoint: "https://api.example.com"}.PlainPublic())
}
