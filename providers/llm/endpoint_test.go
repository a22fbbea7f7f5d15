package llm

import (
	"testing"

	"chatbox/test/fuzz"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// understood is what people write as an endpoint, and what is called.
func understood() map[string]map[string]string {
	return map[string]map[string]string{
		TypeOpenAI: {
			"":                             "https://api.openai.com/v1/chat/completions",
			"https://api.openai.com":       "https://api.openai.com/v1/chat/completions",
			"https://api.openai.com/":      "https://api.openai.com/v1/chat/completions",
			"https://api.openai.com/v1":    "https://api.openai.com/v1/chat/completions",
			"https://api.openai.com/v1/":   "https://api.openai.com/v1/chat/completions",
			"https://api.openai.com//v1//": "https://api.openai.com/v1/chat/completions",
			"https://api.openai.com/v1/chat/completions":  "https://api.openai.com/v1/chat/completions",
			"https://api.openai.com/v1/chat/completions/": "https://api.openai.com/v1/chat/completions",
			"HTTPS://API.OpenAI.com/v1":                   "https://api.openai.com/v1/chat/completions",

			"http://127.0.0.1:11434":              "http://127.0.0.1:11434/v1/chat/completions",
			"http://[::1]:8000/v1":                "http://[::1]:8000/v1/chat/completions",
			"http://127.0.0.1:8000/proxy/v1":      "http://127.0.0.1:8000/proxy/v1/chat/completions",
			"http://vllm.svc:8000":                "http://vllm.svc:8000/v1/chat/completions",
			"https://host/vendor":                 "https://host/vendor/v1/chat/completions",
			"https://host/chat":                   "https://host/chat/v1/chat/completions",
			"https://host/openai":                 "https://host/openai/v1/chat/completions",
			"https://host/api/paas/v4":            "https://host/api/paas/v4/chat/completions",
			"https://host/v1beta/openai":          "https://host/v1beta/openai/chat/completions",
			"https://host/v1?team=blue":           "https://host/v1/chat/completions?team=blue",
			"https://host/?a=1&b=2":               "https://host/v1/chat/completions?a=1&b=2",
			"https://host/a%2Fb/v1":               "https://host/a%2Fb/v1/chat/completions",
			"https://gw/chat/completions":         "https://gw/chat/completions",
			"https://gw/llm/chat/completions?x=1": "https://gw/llm/chat/completions?x=1",

			"https://models.github.ai/inference":                                                "https://models.github.ai/inference/chat/completions",
			"https://models.github.ai/inference/":                                               "https://models.github.ai/inference/chat/completions",
			"https://models.github.ai":                                                          "https://models.github.ai/inference/chat/completions",
			"https://models.github.ai/orgs/acme/inference":                                      "https://models.github.ai/orgs/acme/inference/chat/completions",
			"https://models.github.ai/inference/chat/completions":                               "https://models.github.ai/inference/chat/completions",
			"https://models.inference.ai.azure.com":                                             "https://models.inference.ai.azure.com/chat/completions",
			"https://api.fireworks.ai/inference/v1":                                             "https://api.fireworks.ai/inference/v1/chat/completions",
			"https://api.fireworks.ai":                                                          "https://api.fireworks.ai/inference/v1/chat/completions",
			"https://api.perplexity.ai":                                                         "https://api.perplexity.ai/chat/completions",
			"https://api.mistral.ai":                                                            "https://api.mistral.ai/v1/chat/completions",
			"https://api.deepseek.com":                                                          "https://api.deepseek.com/v1/chat/completions",
			"https://api.deepseek.com/beta":                                                     "https://api.deepseek.com/beta/chat/completions",
			"https://api.groq.com":                                                              "https://api.groq.com/openai/v1/chat/completions",
			"https://api.groq.com/openai/v1":                                                    "https://api.groq.com/openai/v1/chat/completions",
			"https://openrouter.ai":                                                             "https://openrouter.ai/api/v1/chat/completions",
			"https://openrouter.ai/api":                                                         "https://openrouter.ai/api/v1/chat/completions",
			"https://openrouter.ai/api/v1/":                                                     "https://openrouter.ai/api/v1/chat/completions",
			"https://api.deepinfra.com/v1/openai":                                               "https://api.deepinfra.com/v1/openai/chat/completions",
			"https://generativelanguage.googleapis.com/v1beta/openai/":                          "https://generativelanguage.googleapis.com/v1beta/openai/chat/completions",
			"https://generativelanguage.googleapis.com":                                         "https://generativelanguage.googleapis.com/v1beta/openai/chat/completions",
			"https://dashscope.aliyuncs.com/compatible-mode/v1":                                 "https://dashscope.aliyuncs.com/compatible-mode/v1/chat/completions",
			"https://api.cohere.ai/compatibility/v1":                                            "https://api.cohere.ai/compatibility/v1/chat/completions",
			"https://api.cloudflare.com/client/v4/accounts/acc/ai/v1":                           "https://api.cloudflare.com/client/v4/accounts/acc/ai/v1/chat/completions",
			"https://api.cloudflare.com/client/v4/accounts/acc/ai":                              "https://api.cloudflare.com/client/v4/accounts/acc/ai/v1/chat/completions",
			"https://gateway.ai.cloudflare.com/v1/acc/gw/openai":                                "https://gateway.ai.cloudflare.com/v1/acc/gw/openai/chat/completions",
			"https://ws.cloud.databricks.com/serving-endpoints":                                 "https://ws.cloud.databricks.com/serving-endpoints/chat/completions",
			"https://ws.cloud.databricks.com/serving-endpoints/m/invocations":                   "https://ws.cloud.databricks.com/serving-endpoints/m/invocations",
			"https://us-aiplatform.googleapis.com/v1/projects/p/locations/us/endpoints/openapi": "https://us-aiplatform.googleapis.com/v1/projects/p/locations/us/endpoints/openapi/chat/completions",

			"https://x.openai.azure.com/openai/deployments/d/chat/completions?api-version=2024-10-21": "https://x.openai.azure.com/openai/deployments/d/chat/completions?api-version=2024-10-21",
			"https://x.openai.azure.com/openai/deployments/d/?api-version=2024-10-21":                 "https://x.openai.azure.com/openai/deployments/d/chat/completions?api-version=2024-10-21",
			"https://gw.corp.example/openai/deployments/d?api-version=2024-10-21":                     "https://gw.corp.example/openai/deployments/d/chat/completions?api-version=2024-10-21",
			"https://x.openai.azure.com":                                            "https://x.openai.azure.com/openai/v1/chat/completions",
			"https://x.openai.azure.com/openai/":                                    "https://x.openai.azure.com/openai/v1/chat/completions",
			"https://x.openai.azure.com/openai/v1/":                                 "https://x.openai.azure.com/openai/v1/chat/completions",
			"https://x.openai.azure.com/v1":                                         "https://x.openai.azure.com/openai/v1/chat/completions",
			"https://x.openai.azure.com/openai/v1?api-version=preview":              "https://x.openai.azure.com/openai/v1/chat/completions?api-version=preview",
			"https://x.services.ai.azure.com/models?api-version=2024-05-01-preview": "https://x.services.ai.azure.com/models/chat/completions?api-version=2024-05-01-preview",
			"https://x.services.ai.azure.com/api/projects/p":                        "https://x.services.ai.azure.com/api/projects/p/openai/v1/chat/completions",
		},
		TypeAnthropic: {
			"":                                      "https://api.anthropic.com/v1/messages",
			"https://api.anthropic.com":             "https://api.anthropic.com/v1/messages",
			"https://api.anthropic.com/v1/":         "https://api.anthropic.com/v1/messages",
			"https://api.anthropic.com/v1/messages": "https://api.anthropic.com/v1/messages",
			"https://api.anthropic.com/v1/messages/?beta=true": "https://api.anthropic.com/v1/messages?beta=true",
			"https://api.deepseek.com/anthropic":               "https://api.deepseek.com/anthropic/v1/messages",
			"https://openrouter.ai/api":                        "https://openrouter.ai/api/v1/messages",
			"https://x.services.ai.azure.com/anthropic":        "https://x.services.ai.azure.com/anthropic/v1/messages",
		},
		TypeDify: {
			"":                                   "https://api.dify.ai/v1/chat-messages",
			"https://dify.example":               "https://dify.example/v1/chat-messages",
			"https://dify.example/v1":            "https://dify.example/v1/chat-messages",
			"http://dify.svc/v1/chat-messages":   "http://dify.svc/v1/chat-messages",
			"http://dify.svc/v1/chat-messages/":  "http://dify.svc/v1/chat-messages",
			"https://dify.example/sub/v1?team=a": "https://dify.example/sub/v1/chat-messages?team=a",
		},
	}
}

func TestResolve_WhatIsCalled(t *testing.T) {
	for kind, table := range understood() {
		for raw, want := range table {
			got, err := resolveAnswers(kind, raw)
			require.NoError(t, err, "%s %s", kind, raw)
			assert.Equal(t, want, got.String(), "%s %s", kind, raw)
			again, err := resolveAnswers(kind, want)
			require.NoError(t, err, want)
			assert.Equal(t, want, again.String(), "the URL of the call means itself")
		}
	}
}

func TestResolve_Refusals(t *testing.T) {
	for _, tt := range []struct{ kind, raw, says, calls string }{
		{TypeOpenAI, "api.openai.com/v1", "must begin with http", ""},
		{TypeOpenAI, "localhost:11434", "must begin with http", ""},
		{TypeOpenAI, "ftp://host/v1", "must begin with http", ""},
		{TypeOpenAI, "https:///v1", "no host", ""},
		{TypeOpenAI, "https://host:0/v1", "no valid port", ""},
		{TypeOpenAI, "https://host:99999/v1", "no valid port", ""},
		{TypeOpenAI, "https://<resource>.openai.azure.com", "", ""},
		{TypeOpenAI, "https://YOUR_RESOURCE.openai.azure.com/openai/v1", "placeholder", ""},
		{TypeOpenAI, "https://host/accounts/{account}/v1", "placeholder", ""},
		{TypeOpenAI, "https://host/v1/../admin", "climb", ""},
		{TypeOpenAI, "https://me:" + canary + "@host/v1", "user and password", "https://host/v1/chat/completions"},
		{TypeOpenAI, "https://" + canary + "@host/v1", "user and password", "https://host/v1/chat/completions"},
		{TypeOpenAI, "https://host/v1?key=" + canary, "credential", "https://host/v1/chat/completions?…"},
		{TypeOpenAI, "https://host/v1?api_key=" + canary, "credential", ""},
		{TypeOpenAI, "https://host/v1?access_token=" + canary, "credential", ""},
		{TypeOpenAI, "https://host/v1?subscription-key=" + canary, "credential", ""},
		{TypeOpenAI, "https://host/v1?apiKey=" + canary, "credential", ""},
		{TypeOpenAI, "https://host/v1?accessToken=" + canary, "credential", ""},
		{TypeOpenAI, "https://host/v1?" + canary, "name=value", "https://host/v1/chat/completions?…"},
		{TypeOpenAI, "https://host/v1#" + canary, "fragment", "https://host/v1/chat/completions"},
		{TypeOpenAI, "https://host/v1?a=%zz", "query that cannot be read", ""},
		{TypeOpenAI, "https://host/v1/responses", "another call", "https://host/v1/responses/chat/completions"},
		{TypeOpenAI, "https://host/v1/completions", "another call", "https://host/v1/completions/chat/completions"},
		{TypeOpenAI, "https://host/v1/embeddings", "another call", ""},
		{TypeOpenAI, "https://host/v1/models", "another call", ""},
		{TypeOpenAI, "https://host/v1/chat", "another call", ""},
		{TypeOpenAI, "https://api.anthropic.com/v1/messages", "another call", "https://api.anthropic.com/v1/messages/chat/completions"},
		{TypeOpenAI, "http://127.0.0.1:11434/api/chat", "another call", "http://127.0.0.1:11434/api/chat/v1/chat/completions"},
		{TypeOpenAI, "http://127.0.0.1:11434/api/generate", "another call", ""},
		{TypeOpenAI, "https://generativelanguage.googleapis.com/v1beta/models/gemini:generateContent", "another call", ""},
		{TypeOpenAI, "https://chatgpt.com", "web page", ""},
		{TypeOpenAI, "https://x.openai.azure.com/openai/deployments/d/chat/completions", "api-version", "https://x.openai.azure.com/openai/deployments/d/chat/completions"},
		{TypeOpenAI, "https://x.openai.azure.com/openai/deployments?api-version=2024-10-21", "no deployment", "?api-version=2024-10-21"},
		{TypeOpenAI, "https://x.openai.azure.com/openai/deployments/d/completions?api-version=2024-10-21", "no deployment", ""},
		{TypeOpenAI, "https://x.openai.azure.com/openai/responses", "no URL of Azure's", ""},
		{TypeOpenAI, "https://x.openai.azure.com/openai/v1?api-key=" + canary, "credential", ""},
		{TypeAnthropic, "https://api.openai.com/v1/chat/completions", "another call", "https://api.openai.com/v1/chat/completions/messages"},
		{TypeAnthropic, "https://api.anthropic.com/v1/complete", "another call", ""},
		{TypeAnthropic, "https://api.anthropic.com/v1/messages/count_tokens", "another call", ""},
		{TypeAnthropic, "https://r.googleapis.com/v1/publishers/anthropic/models/c:streamRawPredict", "another call", ""},
		{TypeAnthropic, "https://console.anthropic.com", "web page", ""},
		{TypeDify, "https://api.dify.ai/v1/workflows/run", "another call", "https://api.dify.ai/v1/workflows/run/chat-messages"},
		{TypeDify, "https://api.dify.ai/v1/completion-messages", "another call", ""},
		{TypeDify, "https://cloud.dify.ai/app/x/develop", "web page", ""},
	} {
		_, err := resolveAnswers(tt.kind, tt.raw)
		require.Error(t, err, tt.raw)
		require.ErrorContains(t, err, tt.says, tt.raw)
		require.ErrorContains(t, err, tt.calls, tt.raw)
		assert.NotContains(t, err.Error(), canary, tt.raw)
	}
}

func FuzzResolve(f *testing.F) {
	for kind, table := range understood() {
		for raw := range table {
			f.Add(kind, raw)
		}
	}
	f.Add(TypeOpenAI, "https://user:"+canary+"@host/v1?key="+canary+"#"+canary)
	fuzz.Run(f, func(t fuzz.T, kind, raw string) {
		e, err := resolveAnswers(kind, raw)
		if err != nil {
			return
		}
		again, err := resolveAnswers(kind, e.String())
		if err != nil || again.String() != e.String() {
			t.Errorf("%q calls %q, which would call %q, %v", raw, e, again, err)
		}
	})
}

func TestPlainPublic(t *testing.T) {
	for _, private := range []string{
		"", "https://api.openai.com/v1", "http://localhost:1", "http://LOCALHOST", "http://localhost.:1", "http://a.localhost", "http://127.0.0.1:1",
		"http://127.9.9.9", "http://[::1]:1", "http://10.1.2.3", "http://172.16.0.1", "http://192.168.1.1:8000/v1", "http://169.254.1.1",
		"http://100.64.0.9", "http://[fd00::1]", "http://[fe80::1%25eth0]", "http://[::ffff:10.0.0.1]", "http://vllm", "http://vllm:8000/v1", "http://vllm.models.svc",
		"http://vllm.models.svc.cluster.local:80", "http://host.docker.internal:11434", "http://box.local", "http://box.lan", "http://box.home.arpa",
	} {
		assert.False(t, Provider{Endpoint: private}.PlainPublic(), private)
	}
	for _, public := range []string{
		"http://api.example.com/v1", "HTTP://api.example.com", "http://8.8.8.8", "http://[2001:4860:4860::8888]", "http://[::ffff:8.8.8.8]", "http://134744072",
		"http://0x08080808", "http://172.32.0.1", "http://100.128.0.1", "http://local", "http://localhost.example.com", "http://mylocal.example", "http://svc.example.org",
	} {
		want := public != "http://local" // a machine of that name
		assert.Equal(t, want, Provider{Endpoint: public}.PlainPublic(), public)
	}
}
