package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"chatbox"
	"chatbox/providers/llm"
)

const providerPrefix = "LLM_PROVIDER_"

// providerName returns the full name of a model's variable.
func providerName(n int, suffix string) string {
	return providerPrefix + strconv.Itoa(n) + "_" + suffix
}

// mostTokens is the largest number of tokens that a setting accepts.
const mostTokens = 100_000_000

// providerVariables is the table of one model's settings.
func providerVariables(p *llm.Provider) []variable {
	return append([]variable{
		{name: "ID", doc: "What clients select the model by; unique.", set: text(&p.ID)},
		{name: "NAME", doc: "What people read. Without it: the ID.", set: text(&p.Name)},
		{name: "TYPE", doc: "openai (any compatible endpoint), anthropic, dify or scripted (answers by itself, for trying out).", set: text(&p.Type)},
		{
			name: "ENDPOINT", set: text(&p.Endpoint),
			doc: "Base URL, with or without its version, or the URL of the call itself (…/chat/completions, …/v1/messages, …/v1/chat-messages); a query is kept. " +
				"Azure: …/openai/v1, or …/openai/deployments/NAME/chat/completions?api-version=…. Without it: the vendor's.",
		},
		{
			name: "INSECURE_HTTP", def: "off", set: onOff(&p.InsecureHTTP),
			doc: "on or off. On lets API_KEY and HEADERS go to a public host by plain http, which production refuses otherwise.",
		},
		{name: "API_KEY", doc: "The vendor's key.", secret: true, set: secret(&p.APIKey)},
		{name: "MODEL", doc: "The vendor's name of the model; at Azure's /openai/v1 that of the deployment.", set: text(&p.Model)},
		{name: "CONTINUE", doc: "prefix: the model continues an answer whose beginning is its own last message.", set: text(&p.Continue)},
	}, requestVariables(p)...)
}

// requestVariables is the part of the table about requests: their size, content,
// duration and price.
func requestVariables(p *llm.Provider) []variable {
	return []variable{
		{
			name: "CONTEXT", set: count(&p.Context, 256),
			doc: "Tokens of the model's window, which prompt and answer share: earlier turns are left out as far as they do not fit. " +
				"Without it: that of a model which is known to have a small one, else 32768, also where the model could take more.",
		},
		{
			name: "MAX_TOKENS", set: count(&p.MaxTokens, 1),
			doc: "The longest answer in tokens. So much of the window is kept free for it. Without it: the vendor's own limit (anthropic: 8192, or less for an older model), " +
				"and a quarter of the window is kept free, at most 8192.",
		},
		{
			name: "FIRST_TOKEN_TIMEOUT", set: duration(&p.FirstTokenTimeout, 1),
			doc: "How long the model may take until it begins to speak or to think. Without it: 60 s, or LLM_IDLE_TIMEOUT where that is longer.",
		},
		{name: "IDLE_TIMEOUT", doc: "How long the model may be silent within an answer. Without it: LLM_IDLE_TIMEOUT.", set: duration(&p.IdleTimeout, 1)},
		{
			name: "HEADERS", secret: true, set: headers(&p.Headers),
			doc: "Headers of every request, over those sent otherwise: Name: value pairs separated by commas, or a JSON object of texts. Never printed.",
		},
		{
			name: "EXTRA", set: extra(&p.Extra),
			doc: `JSON object merged into every request for an answer: objects are merged, null leaves a field out, as in {"temperature": 0.2, "stream_options": null}. ` +
				"In a file it may be written as a table. No place for secrets.",
		},
		{
			name: "ROLES", set: oneOf(&p.Roles, llm.RolesSystem, llm.RolesMerged),
			doc: "system: the system prompt is sent in its own role. merged: in front of the user's first line, for models without that role, such as Gemma. " +
				"Without it: what is known of the model, else system. User and assistant always alternate.",
		},
		{name: "VISION", def: "off", doc: "on or off. On says that the model sees pictures. It has no effect yet.", set: onOff(&p.Vision)},
		{name: "TOOLS", def: "off", doc: "on or off. On says that the model calls tools. It has no effect yet.", set: onOff(&p.Tools)},
		{name: "PRICE_IN", doc: "What a million tokens of a prompt cost, such as 2.50. It has no effect yet.", set: price(&p.Price.In)},
		{name: "PRICE_OUT", doc: "What a million tokens of an answer cost. It has no effect yet.", set: price(&p.Price.Out)},
		{name: "PRICE_CACHED", doc: "What a million tokens of a prompt cost that the vendor had cached. It has no effect yet.", set: price(&p.Price.Cached)},
	}
}

// checkProvider returns the faults in a model's settings that depend on the
// settings of the pod.
func (c *Config) checkProvider(n int, p llm.Provider) []error {
	var faults []error
	bare := p.APIKey.Reveal() == "" && len(p.Headers) == 0
	if p.Type == llm.TypeOpenAI && p.Endpoint == "" && (bare || placeholder(p.APIKey.Reveal())) {
		faults = append(faults, fault(providerName(n, "API_KEY"), "is missing or a placeholder; the vendor's own endpoint takes a real one"))
	}
	if c.Env != Development && !bare && p.PlainPublic() && !p.InsecureHTTP {
		faults = append(faults, fault(providerName(n, "ENDPOINT"),
			"would send the key by plain http to a public host, where anybody on the way reads it: use https, or set "+providerName(n, "INSECURE_HTTP")+"=on"))
	}
	const leastQuestion = 64 // tokens
	if told := chatbox.TokensOf(chatbox.PromptMessage{Content: c.Prompt.System}); c.Prompt.System != "" && p.Type != llm.TypeScripted && told+leastQuestion > p.Room() {
		faults = append(faults, fault(providerName(n, "CONTEXT"),
			fmt.Sprintf("leaves %d tokens for a prompt, and LLM_SYSTEM_PROMPT alone takes about %d", p.Room(), told)))
	}
	return faults
}

// count reads a number of tokens.
func count(into *int, least int) func(string) error {
	return func(s string) error {
		n, err := strconv.Atoi(s)
		if err != nil || n < least || n > mostTokens {
			return fmt.Errorf("must be a whole number of tokens, from %d to %d", least, mostTokens)
		}
		*into = n
		return nil
	}
}

// price reads a decimal number that is not negative.
func price(into **float64) func(string) error {
	plain := regexp.MustCompile(`^[0-9]{1,9}(\.[0-9]{1,9})?$`)
	return func(s string) error {
		v, err := strconv.ParseFloat(s, 64)
		if err != nil || !plain.MatchString(s) {
			return errors.New("must be a decimal number that is not negative, such as 0.15")
		}
		*into = &v
		return nil
	}
}

func headers(into *llm.Headers) func(string) error {
	return func(s string) (err error) {
		*into, err = llm.ParseHeaders(s)
		return err
	}
}

func extra(into *llm.Extra) func(string) error {
	return func(s string) (err error) {
		*into, err = llm.ParseExtra(s)
		return err
	}
}

// objectSetting reports whether a setting is a JSON object, which a file may
// contain as a table.
func objectSetting(name string) bool {
	rest, ok := strings.CutPrefix(name, providerPrefix)
	_, suffix, _ := strings.Cut(rest, "_")
	return ok && (suffix == "EXTRA" || suffix == "HEADERS")
}

// inObject reports whether a name from a file is a key inside an object setting.
func inObject(name string) bool {
	rest, ok := strings.CutPrefix(name, providerPrefix)
	_, suffix, _ := strings.Cut(rest, "_")
	return ok && (strings.HasPrefix(suffix, "EXTRA_") || strings.HasPrefix(suffix, "HEADERS_"))
}

// object encodes a table of a file as JSON.
func object(table any) (string, error) {
	raw, err := json.Marshal(textKeys(table))
	if err != nil {
		return "", errors.New("holds something that is no JSON")
	}
	return string(raw), nil
}

// textKeys converts all keys to strings, since YAML allows keys of other types.
func textKeys(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for key, e := range v {
			out[key] = textKeys(e)
		}
		return out
	case map[any]any:
		out := make(map[string]any, len(v))
		for key, e := range v {
			out[fmt.Sprint(key)] = textKeys(e)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = textKeys(e)
		}
		return out
	default:
		return v
	}
}
