package config

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"chatbox/providers/llm"
)

// vendor is a complete model of type openai, with changes.
func vendor(change ...string) []string {
	return settings(append([]string{
		"LLM_PROVIDER_1_TYPE=openai", "LLM_PROVIDER_1_MODEL=m", "LLM_PROVIDER_1_ENDPOINT=https://llm.example.com", "LLM_PROVIDER_1_API_KEY=hunter2hunter2",
	}, change...)...)
}

func TestLoad_ModelSettings(t *testing.T) {
	c, err := Load(vendor(
		"LLM_PROVIDER_1_CONTEXT=4096", "LLM_PROVIDER_1_MAX_TOKENS=512", "LLM_PROVIDER_1_FIRST_TOKEN_TIMEOUT=2m", "LLM_PROVIDER_1_IDLE_TIMEOUT=45",
		"LLM_PROVIDER_1_HEADERS=X-Team: blue, X-Key: hunter3hunter3", `LLM_PROVIDER_1_EXTRA={"temperature": 0.2, "stream_options": null}`,
		"LLM_PROVIDER_1_ROLES=merged", "LLM_PROVIDER_1_VISION=on", "LLM_PROVIDER_1_TOOLS=yes",
		"LLM_PROVIDER_1_PRICE_IN=2.50", "LLM_PROVIDER_1_PRICE_OUT=10", "LLM_PROVIDER_1_PRICE_CACHED=0",
	), "")
	require.NoError(t, err)
	p := c.LLM.Providers[0]
	assert.Equal(t, 4096, p.Context)
	assert.Equal(t, 512, p.MaxTokens)
	assert.Equal(t, 2*time.Minute, p.FirstTokenTimeout)
	assert.Equal(t, 45*time.Second, p.IdleTimeout)
	assert.Equal(t, "hunter3hunter3", p.Headers["X-Key"].Reveal())
	assert.Equal(t, llm.Extra{"temperature": json.Number("0.2"), "stream_options": nil}, p.Extra)
	assert.Equal(t, llm.RolesMerged, p.Roles)
	assert.True(t, p.Vision && p.Tools)
	assert.InDelta(t, 2.5, *p.Price.In, 0)
	assert.InDelta(t, 10, *p.Price.Out, 0)
	assert.Zero(t, *p.Price.Cached)

	c, err = Load(vendor(), "")
	require.NoError(t, err)
	assert.Nil(t, c.LLM.Providers[0].Price.In, "a price that is not known is no price of zero")
	assert.Empty(t, c.LLM.Providers[0].Extra)
}

func TestLoad_FaultsOfModelSettings(t *testing.T) {
	for setting, about := range map[string]string{
		"CONTEXT=0": "whole number of tokens", "CONTEXT=-1": "whole number", "CONTEXT=4k": "whole number", "CONTEXT=255": "from 256", "CONTEXT=999999999": "to 100000000",
		"MAX_TOKENS=0": "whole number", "MAX_TOKENS=1.5": "whole number", "MAX_TOKENS=40000": "less than the window of 32768",
		"FIRST_TOKEN_TIMEOUT=0s": "1ms to 24h", "FIRST_TOKEN_TIMEOUT=soon": "duration", "IDLE_TIMEOUT=-1s": "1ms to 24h",
		"HEADERS=hunter3hunter3": "pairs", "HEADERS=Host: x": "Host", `HEADERS={"A": 1}`: "JSON", "HEADERS=X-A: 1, X-A: 2": "twice",
		"EXTRA=temperature": "JSON object", "EXTRA=[1]": "JSON object", `EXTRA={"stream": false}`: "stream", `EXTRA={"messages": null}`: "messages",
		"ROLES=strict": "one of", "VISION=maybe": "on or off", "TOOLS=2": "on or off", "INSECURE_HTTP=perhaps": "on or off",
		"PRICE_IN=-1": "not negative", "PRICE_OUT=1e3": "decimal", "PRICE_CACHED=0,15": "decimal", "PRICE_IN=NaN": "decimal", "PRICE_OUT=Inf": "decimal", "PRICE_IN=0x1": "decimal", "PRICE_IN=$2": "decimal",
		"PRICE=1": "not a known variable", "CONTEXT_WINDOW=1": "not a known variable", "HEADER=X: 1": "not a known variable",
		"ENDPOINT=llm.example.com": "http", "ENDPOINT=https://me:hunter3hunter3@llm.example.com/v1": "it would call https://llm.example.com/v1/chat/completions",
		"ENDPOINT=https://llm.example.com/v1?api_key=hunter3hunter3": "credential", "ENDPOINT=https://llm.example.com/v1/responses": "would call https://llm.example.com/v1/responses/chat/completions",
		"ENDPOINT=https://x.openai.azure.com/openai/deployments/d": "api-version",
		"ENDPOINT=http://llm.example.com":                          "LLM_PROVIDER_1_INSECURE_HTTP=on",
	} {
		t.Run(setting, func(t *testing.T) {
			_, err := Load(vendor("LLM_PROVIDER_1_"+setting), "")
			require.Error(t, err)
			assert.NotContains(t, err.Error(), "\n", "one fault")
			name, _, _ := strings.Cut(setting, "=")
			assert.True(t, strings.HasPrefix(err.Error(), "LLM_PROVIDER_1_"+name+": "), err.Error())
			require.ErrorContains(t, err, about)
			assert.NotContains(t, err.Error(), "hunter3")
		})
	}
}

func TestLoad_PlainHTTPToAPublicHost(t *testing.T) {
	const plain = "LLM_PROVIDER_1_ENDPOINT=http://llm.example.com/v1"
	for name, change := range map[string][]string{
		"allowed":           {plain, "LLM_PROVIDER_1_INSECURE_HTTP=on"},
		"development":       {plain, "CHATBOX_ENV=development"},
		"without a key":     {plain, "LLM_PROVIDER_1_API_KEY="},
		"this machine":      {"LLM_PROVIDER_1_ENDPOINT=http://127.0.0.1:11434"},
		"a private network": {"LLM_PROVIDER_1_ENDPOINT=http://10.0.0.7:8000/v1"},
		"a service":         {"LLM_PROVIDER_1_ENDPOINT=http://vllm.models.svc.cluster.local:8000/v1"},
		"https":             {"LLM_PROVIDER_1_ENDPOINT=https://llm.example.com/v1"},
	} {
		_, err := Load(vendor(change...), "")
		require.NoError(t, err, name)
	}
	for name, change := range map[string][]string{
		"openai":     {plain},
		"a header":   {plain, "LLM_PROVIDER_1_API_KEY=", "LLM_PROVIDER_1_HEADERS=X-Key: hunter3hunter3"},
		"anthropic":  {plain, "LLM_PROVIDER_1_TYPE=anthropic"},
		"dify":       {plain, "LLM_PROVIDER_1_TYPE=dify"},
		"an address": {"LLM_PROVIDER_1_ENDPOINT=http://8.8.8.8/v1"},
	} {
		_, err := Load(vendor(change...), "")
		require.ErrorContains(t, err, "LLM_PROVIDER_1_ENDPOINT: would send the key by plain http", name)
		assert.NotContains(t, err.Error(), "hunter")
	}
}

func TestLoad_ASystemPromptThatFillsTheWindow(t *testing.T) {
	long := "LLM_SYSTEM_PROMPT=" + strings.Repeat("Be brief. ", 1000)
	_, err := Load(vendor(long), "")
	require.NoError(t, err)
	_, err = Load(vendor(long, "LLM_PROVIDER_1_CONTEXT=4096"), "")
	require.ErrorContains(t, err, "LLM_PROVIDER_1_CONTEXT: leaves 3072 tokens for a prompt, and LLM_SYSTEM_PROMPT alone takes about 3338")
	_, err = Load(settings(long), "")
	require.NoError(t, err, "the scripted model has no window")
}

func TestLoad_HeadersAndExtraFromFiles(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	want := llm.Extra{"temperature": json.Number("0.5"), "stop": []any{"a,b"}, "reasoning": map[string]any{"effort": "low", "1": true}, "stream_options": nil}
	yaml := write("c.yaml", `
llm:
  provider:
    1:
      headers: {X-Team: "blue, green", X-Key: hunter3hunter3}
      extra: {temperature: 0.5, stop: ["a,b"], reasoning: {effort: low, 1: true}, stream_options: null}
`)
	c, err := Load(vendor(), yaml)
	require.NoError(t, err)
	assert.Equal(t, want, c.LLM.Providers[0].Extra)
	assert.Equal(t, "blue, green", c.LLM.Providers[0].Headers["X-Team"].Reveal())

	toml := write("c.toml", "[llm.provider.1]\nheaders = [\"X-Team: blue\", \"X-Key: hunter3hunter3\"]\n[llm.provider.1.extra]\ntemperature = 0.5\n[llm.provider.1.extra.reasoning]\neffort = \"low\"\n")
	c, err = Load(vendor(), toml)
	require.NoError(t, err)
	assert.Equal(t, llm.Extra{"temperature": json.Number("0.5"), "reasoning": map[string]any{"effort": "low"}}, c.LLM.Providers[0].Extra)
	assert.Len(t, c.LLM.Providers[0].Headers, 2)

	c, err = Load(vendor("LLM_PROVIDER_1_HEADERS_FILE="+write("headers", "X-Team: blue\nX-Key: hunter3hunter3\n")), "")
	require.NoError(t, err)
	assert.Equal(t, "hunter3hunter3", c.LLM.Providers[0].Headers["X-Key"].Reveal())
	for _, printed := range []string{fmt.Sprint(c), fmt.Sprintf("%+v", c), fmt.Sprintf("%#v", c)} {
		assert.NotContains(t, printed, "hunter3")
	}
}
