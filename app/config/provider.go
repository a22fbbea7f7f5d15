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
		{name: "ID", doc: "Unique ID by which clients select the model.", set: text(&p.ID)},
		{name: "NAME", doc: "Name of the model as shown to users. Default: the ID.", set: text(&p.Name)},
		{name: "TYPE", doc: "openai (any compatible endpoint), anthropic, dify or scripted (a built-in model for trials).", set: text(&p.Type)},
		{
			name: "ENDPOINT", set: text(&p.Endpoint),
			doc: "Base URL, with or without its version, or the URL of the call itself (…/chat/completions, …/v1/messages, …/v1/chat-messages). A query is kept. " +
				"Azure: …/openai/v1, or …/openai/deployments/NAME/chat/completions?api-version=…. Default: the vendor's URL.",
		},
		{
			name: "INSECURE_HTTP", def: "off", set: onOff(&p.InsecureHTTP),
			doc: "on or off. On allows API_KEY and HEADERS to be sent to a public host by plain http. Otherwise a pod in production refuses such an endpoint.",
		},
		{name: "API_KEY", doc: "API key of the vendor.", secret: true, set: secret(&p.APIKey)},
		{name: "MODEL", doc: "Name of the model at the vendor. At Azure's /openai/v1 it is the name of the deployment.", set: text(&p.Model)},
		{name: "CONTINUE", doc: "prefix means that the model can continue an answer whose beginning is sent as its last message.", set: text(&p.Continue)},
	}, requestVariables(p)...)
}

// requestVariables is the part of the table about requests: their size, content,
// duration and price.
func requestVariables(p *llm.Provider) []variable {
	return []variable{
		{
			name: "CONTEXT", set: count(&p.Context, 256),
			doc: "Size of the model's context window in tokens, shared by prompt and answer. Earlier turns that do not fit are left out. " +
				"Default: the known window of a model with a small one, else 32768 even if the model accepts more.",
		},
		{
			name: "MAX_TOKENS", set: count(&p.MaxTokens, 1),
			doc: "Maximum length of an answer in tokens. As much of the window is kept free for it. Default: the vendor's own limit (anthropic: 8192, or less for an older model), " +
				"and a quarter of the window is kept free, at most 8192.",
		},
		{
			name: "FIRST_TOKEN_TIMEOUT", set: duration(&p.FirstTokenTimeout, 1),
			doc: "How long the model may take until its first text or reasoning. Default: 60 s, or LLM_IDLE_TIMEOUT if that is longer.",
		},
		{name: "IDLE_TIMEOUT", doc: "How long the model may send nothing during an answer. Default: LLM_IDLE_TIMEOUT.", set: duration(&p.IdleTimeout, 1)},
		{
			name: "HEADERS", secret: true, set: headers(&p.Headers),
			doc: "Additional headers of every request, which replace headers of the same name: Name: value pairs separated by commas, or a JSON object of strings. Never printed.",
		},
		{
			name: "EXTRA", set: extra(&p.Extra),
			doc: `JSON object merged into every request for an answer. Nested objects are merged, and null removes a field, as in {"temperature": 0.2, "stream_options": null}. ` +
				"A settings file may write it as a table. Do not put secrets here.",
		},
		{
			name: "ROLES", set: oneOf(&p.Roles, llm.RolesSystem, llm.RolesMerged),
			doc: "system sends the system prompt in its own role. merged puts it before the user's first message, for models without that role, such as Gemma. " +
				"Default: merged for models known to need it, else system. User and assistant always alternate.",
		},
		{
			name: "VISION", def: "off", set: onOff(&p.Vision),
			doc: "on or off. On says that the model sees pictures: the newest five of a conversation are sent to it as data. Otherwise it is told their name, type and size.",
		},
		{name: "TOOLS", def: "off", doc: "on or off. On says that the model calls tools. It has no effect yet.", set: onOff(&p.Tools)},
		{name: "PRICE_IN", doc: "Price of a million prompt tokens, such as 2.50. It has no effect yet.", set: price(&p.Price.In)},
		{name: "PRICE_OUT", doc: "Price of a million answer tokens. It has no effect yet.", set: price(&p.Price.Out)},
		{name: "PRICE_CACHED", doc: "Price of a million prompt tokens that the vendor has cached. It has no effect yet.", set: price(&p.Price.Cached)},
	}
}

// checkProvider returns the faults in a model's settings that depend on the
// settings of the pod.
func (c *Config) checkProvider(n int, p llm.Provider) []error {
	var faults []error
	bare := p.APIKey.Reveal() == "" && len(p.Headers) == 0
	if p.Type == llm.TypeOpenAI && p.Endpoint == "" && (bare || placeholder(p.APIKey.Reveal())) {
		faults = append(faults, fault(providerName(n, "API_KEY"), "is missing or a placeholder; the vendor's own endpoint needs a real key"))
	}
	if c.Env != Development && !bare && p.PlainPublic() && !p.InsecureHTTP {
		faults = append(faults, fault(providerName(n, "ENDPOINT"),
			"would send the key by plain http to a public host, where others in the network can read it: use https, or set "+providerName(n, "INSECURE_HTTP")+"=on"))
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
		return "", errors.New("has a value that is not JSON")
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
