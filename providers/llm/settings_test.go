package llm

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"chatbox"
)

func TestSettings_WhatIsKnown(t *testing.T) {
	for model, want := range map[string]struct {
		window int
		roles  string
	}{
		"": {assumedWindow, RolesSystem}, "anything": {assumedWindow, RolesSystem}, "gpt-4o": {assumedWindow, RolesSystem}, "gpt-4.1-mini": {assumedWindow, RolesSystem},
		"gpt-5": {assumedWindow, RolesSystem}, "gpt-4-turbo": {assumedWindow, RolesSystem}, "GPT-4": {8192, RolesSystem}, "gpt-4-0613": {8192, RolesSystem}, "openai/gpt-4": {8192, RolesSystem},
		"gpt-4-32k": {assumedWindow, RolesSystem}, "gpt-3.5-turbo": {16385, RolesSystem}, "gpt-3.5-turbo-0613": {4096, RolesSystem}, "gpt-35-turbo": {16385, RolesSystem},
		"o1-mini": {assumedWindow, RolesMerged}, "o1": {assumedWindow, RolesSystem}, "claude-sonnet-4-5": {assumedWindow, RolesSystem},
		"gemma": {8192, RolesMerged}, "gemma:7b": {8192, RolesMerged}, "google/gemma-7b-it": {8192, RolesMerged}, "google/gemma-2-9b-it": {8192, RolesMerged}, "gemma2:9b": {8192, RolesMerged},
		"gemma-3-27b-it": {32768, RolesMerged}, "gemma3:12b": {32768, RolesMerged}, "gemma3n:e4b": {32768, RolesMerged}, "gemma-4-27b": {assumedWindow, RolesSystem},
		"meta-llama/Llama-2-7b-chat-hf": {4096, RolesSystem}, "llama2:13b": {4096, RolesSystem}, "meta-llama/Meta-Llama-3-8B-Instruct": {8192, RolesSystem}, "llama3": {8192, RolesSystem}, "llama3:70b": {8192, RolesSystem},
		"llama-3.1-8b-instant": {assumedWindow, RolesSystem}, "llama3.2": {assumedWindow, RolesSystem}, "mistralai/Mistral-7B-Instruct-v0.2": {32768, RolesMerged},
		"mistralai/Mistral-7B-Instruct-v0.3": {assumedWindow, RolesSystem}, "microsoft/Phi-3-mini-4k-instruct": {4096, RolesSystem}, "microsoft/Phi-3-mini-128k-instruct": {assumedWindow, RolesSystem},
	} {
		got := Provider{Type: TypeOpenAI, Model: model}.settings()
		assert.Equal(t, want.window, got.window, model)
		assert.Equal(t, want.roles, got.roles, model)
		assert.Less(t, got.answer, got.window, model)
		assert.Positive(t, got.budget(), model)
	}
	told := Provider{Type: TypeOpenAI, Model: "gemma-2-9b-it", Context: 100_000, MaxTokens: 2000, Roles: RolesSystem}.settings()
	assert.Equal(t, 98_000, told.budget(), "what is configured goes before what is known")
	assert.Equal(t, RolesSystem, told.roles)
	assert.Equal(t, 24_576, Provider{Type: TypeOpenAI, Model: "m"}.Room())
	assert.Equal(t, 3072, Provider{Type: TypeOpenAI, Model: "m", Context: 4096}.Room())
	assert.Equal(t, 4096, Provider{Type: TypeAnthropic, Model: "claude-3-haiku-20240307"}.settings().answer)
	assert.Equal(t, usualAnswer, Provider{Type: TypeAnthropic, Model: "claude-sonnet-4-5"}.settings().answer)
}

// sent asks once and returns the request's header and fields.
func sent(t *testing.T, kind string, p chatbox.Prompt, change func(*Provider)) (http.Header, map[string]any) {
	t.Helper()
	var header http.Header
	var fields map[string]any
	v := newVendor(t, func(w http.ResponseWriter, r *http.Request, _ int) {
		if isStop(w, r) {
			return
		}
		header, fields = r.Header.Clone(), map[string]any{}
		d := json.NewDecoder(r.Body)
		d.UseNumber()
		if err := d.Decode(&fields); err != nil {
			t.Error(err)
		}
		switch kind {
		case TypeOpenAI:
			say(w, "data: {\"choices\":[{\"delta\":{\"content\":\"Hello\"},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n")
		case TypeAnthropic:
			say(w, dialects()[0].begin, dialects()[0].hello, dialects()[0].end)
		default:
			say(w, dialects()[1].begin, dialects()[1].hello, dialects()[1].end)
		}
	})
	r, log := newTestRouter(t, kind, v.URL, func(c *Config) {
		c.Providers[0].Continue = ""
		if change != nil {
			change(&c.Providers[0])
		}
	})
	a := collect(t, r.Stream(t.Context(), p))
	require.NoError(t, a.err)
	require.Equal(t, "Hello", a.text)
	require.NotContains(t, log.String(), canary)
	r.Close()
	return header, fields
}

func TestMaxTokens(t *testing.T) {
	_, f := sent(t, TypeOpenAI, prompt("Hi"), nil)
	assert.NotContains(t, f, fieldTokens)
	assert.NotContains(t, f, fieldCompletion)
	_, f = sent(t, TypeOpenAI, prompt("Hi"), func(p *Provider) { p.MaxTokens = 700 })
	assert.Equal(t, json.Number("700"), f[fieldTokens])
	_, f = sent(t, TypeAnthropic, prompt("Hi"), func(p *Provider) { p.MaxTokens = 700 })
	assert.Equal(t, json.Number("700"), f[fieldTokens])

	for endpoint, want := range map[string]string{
		"": fieldCompletion, "https://api.openai.com/v1": fieldCompletion, "https://api.mistral.ai/v1": fieldTokens,
		"https://x.openai.azure.com/openai/v1": fieldTokens, "http://127.0.0.1:8000/v1": fieldTokens,
	} {
		set := Provider{Type: TypeOpenAI, Model: "gpt-4o", Endpoint: endpoint, MaxTokens: 5}.settings()
		assert.Equal(t, want, set.answerField, endpoint)
		req, err := json.Marshal(openaiRequest("gpt-4o", set, prompt("Hi")))
		require.NoError(t, err)
		assert.Contains(t, string(req), `"`+want+`":5`)
	}
	for _, model := range []string{"o3-mini", "gpt-5-mini", "o1"} {
		assert.Equal(t, fieldCompletion, Provider{Type: TypeOpenAI, Model: model, Endpoint: "https://x.openai.azure.com/openai/v1"}.settings().answerField)
	}
}

// A message that alone fills a known window leaves less for the answer.
func TestMaxTokens_OfALongMessage(t *testing.T) {
	long := prompt(strings.Repeat("x", 3*3500))
	_, f := sent(t, TypeOpenAI, long, func(p *Provider) { p.Context, p.MaxTokens = 4096, 1000 })
	n, err := f[fieldTokens].(json.Number).Int64()
	require.NoError(t, err)
	assert.LessOrEqual(t, int(n)+chatbox.TokensOf(long.Messages...), 4096)
	assert.Greater(t, n, int64(500))
	_, f = sent(t, TypeOpenAI, prompt(strings.Repeat("x", 3*9000)), func(p *Provider) { p.Context, p.MaxTokens = 4096, 1000 })
	assert.Equal(t, json.Number(fmt.Sprint(minAnswer)), f[fieldTokens], "the vendor is asked all the same")
}

func TestStreamOptions_NotToMistral(t *testing.T) {
	for endpoint, want := range map[string]bool{"https://api.mistral.ai": false, "https://api.openai.com": true, "http://127.0.0.1": true} {
		req, err := json.Marshal(openaiRequest("m", Provider{Type: TypeOpenAI, Endpoint: endpoint}.settings(), prompt("Hi")))
		require.NoError(t, err)
		assert.Equal(t, want, strings.Contains(string(req), "stream_options"), endpoint)
	}
}

// talkOf is a long talk of short turns.
func talkOf(turns int) chatbox.Prompt {
	p := chatbox.Prompt{Messages: []chatbox.PromptMessage{{Role: chatbox.RoleSystem, Content: "Be brief."}}}
	for i := range turns {
		p.Messages = append(p.Messages,
			chatbox.PromptMessage{Role: chatbox.RoleUser, Content: fmt.Sprintf("question %d %s", i, strings.Repeat("x", 300))},
			chatbox.PromptMessage{Role: chatbox.RoleAssistant, Content: fmt.Sprintf("answer %d %s", i, strings.Repeat("y", 300))})
	}
	p.Messages = append(p.Messages, chatbox.PromptMessage{Role: chatbox.RoleUser, Content: "and now?"})
	return p
}

// A prompt fits the window of the model that receives it. For the fallback that is
// its own window and not the first model's.
func TestBudget_OfEachModel(t *testing.T) {
	got := make(chan []chatbox.PromptMessage, 8)
	v := newVendor(t, func(w http.ResponseWriter, r *http.Request, _ int) {
		var body struct {
			Model    string
			Messages []chatbox.PromptMessage
		}
		_ = json.NewDecoder(r.Body).Decode(&body)
		got <- body.Messages
		if body.Model == "large" {
			http.Error(w, "down", http.StatusBadRequest)
			return
		}
		say(w, "data: {\"choices\":[{\"delta\":{\"content\":\"Hello\"},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n")
	})
	r, _ := newTestRouter(t, TypeOpenAI, v.URL, func(c *Config) {
		c.Providers[0].Model, c.Providers[0].Context = "large", 100_000
		c.Providers = append(c.Providers, Provider{ID: "m2", Type: TypeOpenAI, Endpoint: v.URL, Model: "small", Context: 2048, MaxTokens: 512})
		c.Fallback = "m2"
	})
	assert.Equal(t, 100_000-usualAnswer, r.Budget("m1"))
	assert.Equal(t, 2048-512, r.Budget("m2"))
	assert.Equal(t, r.Budget("m1"), r.Budget(""))
	assert.Equal(t, r.Budget("m1"), r.Budget("unknown"))

	p := talkOf(100)
	collect(t, r.Stream(t.Context(), p))
	large := <-got
	require.Len(t, large, len(p.Messages))
	p.ModelID = "m2"
	a := collect(t, r.Stream(t.Context(), p))
	require.NoError(t, a.err)
	for len(got) > 0 {
		small := <-got
		assert.LessOrEqual(t, chatbox.TokensOf(small...), 2048-512)
		assert.Equal(t, "and now?", small[len(small)-1].Content)
		assert.Equal(t, chatbox.RoleSystem, small[0].Role)
		assert.Greater(t, len(small), 5)
	}
}

// A server whose window is smaller than anybody said, or whose vocabulary needs
// more tokens than estimated, is asked with less of the talk until it answers.
func TestFitted_APromptThatIsTooLongIsShortened(t *testing.T) {
	for _, said := range []string{
		`{"object":"error","message":"This model's maximum context length is 600 tokens. However, you requested 9000 tokens in the messages, please reduce the length of max_tokens or messages.","type":"BadRequestError","code":400}`,
		`{"error":{"message":"too long","type":"invalid_request_error","param":"messages","code":"context_length_exceeded"}}`,
		`{"error":{"code":400,"message":"the request exceeds the available context size. try increasing the context size or enable context shift","type":"exceed_context_size_error"}}`,
	} {
		var sizes, answers []int
		v := newVendor(t, func(w http.ResponseWriter, r *http.Request, _ int) {
			var body struct {
				Messages  []chatbox.PromptMessage
				MaxTokens int `json:"max_tokens"`
			}
			_ = json.NewDecoder(r.Body).Decode(&body)
			sizes, answers = append(sizes, chatbox.TokensOf(body.Messages...)), append(answers, body.MaxTokens)
			if sizes[len(sizes)-1] > 600 {
				w.WriteHeader(http.StatusBadRequest)
				_, _ = io.WriteString(w, said)
				return
			}
			say(w, "data: {\"choices\":[{\"delta\":{\"content\":\"Hello\"},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n")
		})
		r, log := newTestRouter(t, TypeOpenAI, v.URL, func(c *Config) { c.Providers[0].MaxTokens = 100 })
		for range 2 {
			a := collect(t, r.Stream(t.Context(), talkOf(60)))
			require.NoError(t, a.err)
		}
		assert.LessOrEqual(t, len(sizes), 2*(maxShorter+2))
		assert.IsNonIncreasing(t, sizes[:len(sizes)/2])
		assert.Equal(t, 1, strings.Count(log.String(), "level=WARN"), log.String())
		assert.NotContains(t, answers, 0, "max_tokens stays")

		sizes = nil
		a := collect(t, r.Stream(t.Context(), prompt(strings.Repeat("x", 9000))))
		requireCode(t, chatbox.ModelRefused, a.err, log)
		assert.Len(t, sizes, 1, "nothing is left to cut")
	}
}

// A provider's own limits go before those of all.
func TestLimitsOf(t *testing.T) {
	c := DefaultConfig()
	assert.Equal(t, c.limits(), c.limitsOf(Provider{}))
	assert.Equal(t, limits{header: 5 * time.Second, first: 5 * time.Second, idle: 2 * time.Second},
		c.limitsOf(Provider{FirstTokenTimeout: 5 * time.Second, IdleTimeout: 2 * time.Second}))
	assert.Equal(t, limits{header: 5 * time.Minute, first: 5 * time.Minute, idle: c.IdleTimeout}, c.limitsOf(Provider{FirstTokenTimeout: 5 * time.Minute}))
	c.HeaderTimeout = time.Second
	assert.Equal(t, time.Second, c.limitsOf(Provider{FirstTokenTimeout: 5 * time.Minute}).header)
}

func TestLimitsOf_AProviderAreItsOwn(t *testing.T) {
	v := newVendor(t, func(_ http.ResponseWriter, r *http.Request, _ int) { <-r.Context().Done() })
	r, log := newTestRouter(t, TypeOpenAI, v.URL, func(c *Config) {
		c.HeaderTimeout = 0
		c.Providers[0].FirstTokenTimeout = 50 * time.Millisecond
	})
	a := collect(t, r.Stream(t.Context(), prompt("Hi")))
	requireCode(t, chatbox.ModelTimeout, a.err, log)
	require.ErrorIs(t, a.err, TimeoutFirst)
}

func TestHeaders_AreSentAndNeverShown(t *testing.T) {
	h, err := ParseHeaders(`X-Team: blue, Authorization: Bearer ` + canary + `,anthropic-beta: a-1`)
	require.NoError(t, err)
	for _, kind := range []string{TypeOpenAI, TypeAnthropic, TypeDify} {
		got, _ := sent(t, kind, prompt("Hi"), func(p *Provider) { p.APIKey, p.Headers = NewSecret("sk-another-one-12345"), h })
		assert.Equal(t, "blue", got.Get("X-Team"))
		assert.Equal(t, "Bearer "+canary, got.Get("Authorization"), "they go before the dialect's own")
		assert.Equal(t, "a-1", got.Get("Anthropic-Beta"))
	}
	p := Provider{ID: "a", Headers: h}
	shown, err := json.Marshal(p)
	require.NoError(t, err)
	for _, text := range []string{fmt.Sprint(p), fmt.Sprintf("%+v %#v", p, p), string(shown)} {
		assert.NotContains(t, text, canary)
	}
}

// A vendor may repeat in an error what it was sent.
func TestHeaders_AreHiddenInFailures(t *testing.T) {
	v := newVendor(t, func(w http.ResponseWriter, _ *http.Request, _ int) {
		http.Error(w, `{"error":{"code":"`+canary+`","type":"x-`+canary+`"}}`, http.StatusForbidden)
	})
	for _, value := range []string{canary, "Bearer " + canary} {
		r, log := newTestRouter(t, TypeOpenAI, v.URL, func(c *Config) {
			c.Providers[0].APIKey = Secret{}
			c.Providers[0].Headers = Headers{"Authorization": NewSecret(value)}
		})
		a := collect(t, r.Stream(t.Context(), prompt("Hi")))
		require.Error(t, a.err)
		assert.NotContains(t, a.err.Error()+log.String(), canary)
	}
}

func TestParseHeaders(t *testing.T) {
	for text, want := range map[string]map[string]string{
		"":                                  {},
		"X-A: 1":                            {"X-A": "1"},
		" x-a :1 , x-b:  2 3 ,":             {"X-A": "1", "X-B": "2 3"},
		"X-A: http://h:1\nX-B: 2\r\nX-C: 3": {"X-A": "http://h:1", "X-B": "2", "X-C": "3"},
		`{"X-A": "1, 2", "x-b": "3"}`:       {"X-A": "1, 2", "X-B": "3"},
		`{"HTTP-Referer": "https://chat.example/"}`: {"Http-Referer": "https://chat.example/"},
	} {
		got, err := ParseHeaders(text)
		require.NoError(t, err, text)
		shown := map[string]string{}
		for name, value := range got {
			shown[name] = value.Reveal()
		}
		assert.Equal(t, want, shown, text)
	}
	for text, says := range map[string]string{
		canary: "pairs", "X-A: 1, " + canary: "pairs", `{"X-A": 1}`: "JSON object", `{"X-A": "` + canary: "JSON object", "X A: 1": "no header's", ": 1": "no header's",
		"X-A:": "empty", "X-A: 1, x-a: 2": "twice", "Host: h": "Host", "content-length: 1": "Content-Length", "Transfer-Encoding: chunked": "itself",
		`{"X-A": "` + canary + `\r\nX-B: 2"}`: "no header's", `{"X-A": "ü"}`: "no header's", `{"X-A": "` + strings.Repeat("x", maxHeaderValue+1) + `"}`: "too long",
	} {
		_, err := ParseHeaders(text)
		require.ErrorContains(t, err, says, text)
		assert.NotContains(t, err.Error(), canary)
	}
}

func TestExtra_IsMerged(t *testing.T) {
	for text, want := range map[string]string{
		`{"a":1}`:                               `{"a":1,"o":{"x":1,"y":{"z":true}},"s":"t"}`,
		`{"s":null}`:                            `{"o":{"x":1,"y":{"z":true}}}`,
		`{"none":null}`:                         `{"o":{"x":1,"y":{"z":true}},"s":"t"}`,
		`{"o":{"x":null,"w":2}}`:                `{"o":{"w":2,"y":{"z":true}},"s":"t"}`,
		`{"o":{"y":{"z":null}}}`:                `{"o":{"x":1,"y":{}},"s":"t"}`,
		`{"o":[1,null]}`:                        `{"o":[1,null],"s":"t"}`,
		`{"s":{"deep":{"new":1,"not":null}}}`:   `{"o":{"x":1,"y":{"z":true}},"s":{"deep":{"new":1}}}`,
		`{"big":12345678901234567890,"f":0.10}`: `{"big":12345678901234567890,"f":0.10,"o":{"x":1,"y":{"z":true}},"s":"t"}`,
	} {
		extra, err := ParseExtra(text)
		require.NoError(t, err)
		before := fmt.Sprint(extra)
		request := map[string]any{"s": "t", "o": map[string]any{"x": 1, "y": map[string]any{"z": true}}}
		for range 2 {
			merged, err := extra.into(request)
			require.NoError(t, err)
			got, err := json.Marshal(merged)
			require.NoError(t, err)
			assert.Equal(t, want, string(got), text)
		}
		assert.Equal(t, before, fmt.Sprint(extra), "what is configured stays as it is")
	}
	for _, text := range []string{"", "1", "null", "[]", `"x"`, `{"a":1`, `{"a":1} {}`, `{"a":1}x`, "{a: 1}"} {
		_, err := ParseExtra(text)
		require.Error(t, err, text)
	}
}

func TestExtra_InEveryDialect(t *testing.T) {
	extra := func(text string) func(*Provider) {
		return func(p *Provider) {
			var err error
			p.Extra, err = ParseExtra(text)
			require.NoError(t, err)
		}
	}
	_, f := sent(t, TypeOpenAI, prompt("Hi"), nil)
	assert.Contains(t, f, "stream_options")
	_, f = sent(t, TypeOpenAI, prompt("Hi"), extra(`{"temperature":0.2,"stream_options":null,"chat_template_kwargs":{"enable_thinking":false}}`))
	assert.NotContains(t, f, "stream_options")
	assert.Equal(t, json.Number("0.2"), f["temperature"])
	assert.Equal(t, map[string]any{"enable_thinking": false}, f["chat_template_kwargs"])
	_, f = sent(t, TypeAnthropic, prompt("Hi"), extra(`{"thinking":{"type":"disabled"},"max_tokens":99}`))
	assert.Equal(t, json.Number("99"), f["max_tokens"])
	assert.Equal(t, map[string]any{"type": "disabled"}, f["thinking"])
	_, f = sent(t, TypeDify, prompt("Hi"), extra(`{"inputs":{"lang":"de"},"user":"pod","auto_generate_name":null}`))
	assert.Equal(t, map[string]any{"system": "Be brief.", "lang": "de"}, f["inputs"])
	assert.Equal(t, "pod", f["user"])
	assert.NotContains(t, f, "auto_generate_name")
}

func TestAzure_TakesItsKeyInItsOwnHeader(t *testing.T) {
	var header http.Header
	v := newVendor(t, func(w http.ResponseWriter, r *http.Request, _ int) {
		header = r.Header.Clone()
		assert.Equal(t, "/openai/deployments/d/chat/completions?api-version=2024-10-21", r.URL.String())
		say(w, "data: {\"choices\":[{\"delta\":{\"content\":\"Hello\"},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n")
	})
	r, _ := newTestRouter(t, TypeOpenAI, v.URL+"/openai/deployments/d?api-version=2024-10-21", nil)
	require.NoError(t, collect(t, r.Stream(t.Context(), prompt("Hi"))).err)
	assert.Equal(t, canary, header.Get("Api-Key"))
	assert.Empty(t, header.Get("Authorization"))
}

func TestValidate_Settings(t *testing.T) {
	for says, p := range map[string]Provider{
		"CONTEXT must be at least":                                {Context: 10},
		"MAX_TOKENS must be positive":                             {MaxTokens: -1},
		"MAX_TOKENS must be less than the window of 4096 tokens":  {Context: 4096, MaxTokens: 4096},
		"MAX_TOKENS must be less than the window of 8192 tokens":  {Model: "gpt-4", MaxTokens: 9000},
		"MAX_TOKENS must be less than the window of 32768 tokens": {MaxTokens: 40_000},
		"FIRST_TOKEN_TIMEOUT must be positive":                    {FirstTokenTimeout: -time.Second},
		"IDLE_TIMEOUT must be positive":                           {IdleTimeout: -time.Second},
		`ROLES "own" is unknown`:                                  {Roles: "own"},
		"EXTRA must not change stream":                            {Extra: Extra{"stream": false}},
		"EXTRA must not change messages":                          {Extra: Extra{"messages": nil}},
	} {
		p.ID, p.Type = "a", TypeOpenAI
		if p.Model == "" {
			p.Model = "m"
		}
		cfg := DefaultConfig()
		cfg.Providers = []Provider{p}
		require.ErrorContains(t, cfg.Validate(), says)
	}
	cfg := DefaultConfig()
	cfg.Providers = []Provider{{ID: "d", Type: TypeDify, APIKey: NewSecret(canary), Extra: Extra{"query": "x"}}}
	require.ErrorContains(t, cfg.Validate(), "EXTRA must not change query")
	cfg.Providers = []Provider{{ID: "d", Type: TypeAnthropic, Model: "m", Headers: Headers{"Authorization": NewSecret(canary)}}}
	require.NoError(t, cfg.Validate(), "a header may stand in for the key")
}
