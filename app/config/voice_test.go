package config

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestLoad_Voice(t *testing.T) {
	c, err := Load(settings(), "")
	require.NoError(t, err)
	assert.Empty(t, c.Voice.Transcribe.Endpoint, "off")
	assert.Empty(t, c.Voice.Speech.Endpoint, "off")

	c, err = Load(settings("FILES_URL=file:///tmp/files", "TRANSCRIBE_ENDPOINT=https://api.openai.com/v1", "SPEECH_ENDPOINT=http://tts.svc:8000",
		"TRANSCRIBE_API_KEY=sk-canary-one", "SPEECH_API_KEY=sk-canary-two"), "")
	require.NoError(t, err)
	assert.Equal(t, "https://api.openai.com/v1", c.Voice.Transcribe.Endpoint)
	assert.Equal(t, "sk-canary-one", c.Voice.Transcribe.APIKey.Reveal())
	assert.Equal(t, "whisper-1", c.Voice.Transcribe.Model)
	assert.Equal(t, "http://tts.svc:8000", c.Voice.Speech.Endpoint)
	assert.Equal(t, "sk-canary-two", c.Voice.Speech.APIKey.Reveal())
	assert.Equal(t, []string{"tts-1", "alloy"}, []string{c.Voice.Speech.Model, c.Voice.SpeechVoice})
	assert.NotContains(t, fmt.Sprintf("%+v", c), "sk-canary")

	c, err = Load(settings("FILES_URL=file:///tmp/files", "SPEECH_ENDPOINT=https://api.openai.com", "SPEECH_MODEL=gpt-4o-mini-tts", "SPEECH_VOICE=sage"), "")
	require.NoError(t, err)
	assert.Equal(t, []string{"gpt-4o-mini-tts", "sage"}, []string{c.Voice.Speech.Model, c.Voice.SpeechVoice})
}

// Each fault names its variable and no secret.
func TestLoad_FaultsOfVoice(t *testing.T) {
	for variable, given := range map[string][]string{
		"TRANSCRIBE_ENDPOINT: ":                {"TRANSCRIBE_ENDPOINT=https://api.openai.com"},
		"SPEECH_ENDPOINT: ":                    {"SPEECH_ENDPOINT=https://api.openai.com", "TRANSCRIBE_MODEL=x"},
		"TRANSCRIBE_API_KEY: ":                 {"FILES_URL=file:///tmp/files", "TRANSCRIBE_API_KEY=hunter2"},
		"SPEECH_API_KEY: ":                     {"FILES_URL=file:///tmp/files", "SPEECH_API_KEY=hunter2"},
		"SPEECH_API_KEY: must":                 {"FILES_URL=file:///tmp/files", "SPEECH_ENDPOINT=https://api.openai.com", "SPEECH_API_KEY=hunter2 hunter2"},
		"TRANSCRIBE_ENDPOINT: ends in /speech": {"FILES_URL=file:///tmp/files", "TRANSCRIBE_ENDPOINT=https://x.example/v1/audio/speech"},
		"SPEECH_ENDPOINT: must":                {"FILES_URL=file:///tmp/files", "SPEECH_ENDPOINT=api.openai.com"},
		"SPEECH_ENDPOINT: must not":            {"FILES_URL=file:///tmp/files", "SPEECH_ENDPOINT=https://hunter2:hunter2@x.example"},
		"SPEECH_ENDPOINT: would send":          {"FILES_URL=file:///tmp/files", "SPEECH_ENDPOINT=http://x.example", "SPEECH_API_KEY=hunter2"},
	} {
		_, err := Load(settings(given...), "")
		require.ErrorContains(t, err, variable)
		assert.NotContains(t, err.Error(), "hunter2")
	}
}
