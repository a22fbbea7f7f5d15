package llm

import (
	"regexp"
	"strings"
)

// vendorHost holds the known properties of a vendor's host.
type vendorHost struct {
	answerField string // name of the request's field for the answer's length
	noUsage     bool   // the vendor refuses stream_options and always reports the usage
}

// knownHost returns the properties of a host.
func knownHost(host string) vendorHost {
	switch host {
	case "api.openai.com":
		// "max_tokens is deprecated in favor of max_completion_tokens, and is not
		// compatible with o-series models" (API reference, Create chat completion).
		return vendorHost{answerField: fieldCompletion}
	case "api.mistral.ai":
		// 422 extra_forbidden for stream_options and for max_completion_tokens
		// (avante.nvim#2347, eca#231).
		return vendorHost{noUsage: true}
	default:
		return vendorHost{}
	}
}

// The request fields for the length of the answer.
const (
	fieldTokens     = "max_tokens"
	fieldCompletion = "max_completion_tokens"
)

// knownModel holds the known properties of a model, which do not depend on its
// host.
type knownModel struct {
	name   *regexp.Regexp
	window int    // tokens
	answer int    // maximum length of an answer in tokens; zero: a share of the window
	roles  string // how the model takes the system prompt; empty: as a separate role
}

// modelNamed returns the properties of a model, or the zero value for an unknown
// name. The list contains only models with a window smaller than the assumed one,
// and models with other special requirements. A directory, as in
// "google/gemma-2-9b-it", and a tag after a colon are ignored.
func modelNamed(name string) knownModel {
	name = strings.ToLower(name)
	for _, m := range []knownModel{
		// platform.openai.com/docs/models
		{name: is(`gpt-4(-0314|-0613)?`), window: 8_192},
		{name: is(`gpt-3\.5-turbo-(0301|0613)`), window: 4_096},
		{name: is(`gpt-(3\.5|35)-turbo(-16k)?(-0613|-1106|-0125)?`), window: 16_385, answer: 4_096},
		{name: is(`gpt-4-(turbo|1106|0125|vision).*`), window: 128_000, answer: 4_096},
		{name: is(`o1-(mini|preview).*`), window: 128_000, roles: RolesMerged}, // "does not support 'system'"
		// docs.anthropic.com/en/docs/about-claude/models: the first generation of
		// Claude 3, and older models.
		{name: is(`claude-3-(opus|sonnet|haiku).*`), window: 200_000, answer: 4_096},
		{name: is(`claude-(2|instant).*`), window: 100_000, answer: 4_096},
		// The models' cards and chat templates at huggingface.co. Gemma's templates
		// have no system role; the template of the third generation moves the system
		// prompt into the first message. Mistral's templates before v0.3 have no system
		// role either.
		{name: is(`(code)?gemma(-1\.1)?(-[27]b.*|:.*)?|gemma-?2([-:.].*)?`), window: 8_192, roles: RolesMerged},
		{name: is(`gemma-?3n?([-:.].*)?`), window: 32_768, roles: RolesMerged},
		{name: is(`mistral-7b-instruct-v0\.[12].*|mixtral-8x7b-instruct-v0\.1.*`), window: 32_768, roles: RolesMerged},
		{name: is(`(meta-)?llama-?2([-:.].*)?`), window: 4_096},
		{name: is(`(meta-)?llama-?3(-(8b|70b).*|:.*)?`), window: 8_192},
		{name: is(`tinyllama.*`), window: 2_048},
		{name: is(`phi-3(\.5)?-[a-z]+-4k.*`), window: 4_096},
		{name: is(`phi-2.*`), window: 2_048},
		{name: is(`vicuna-(7b|13b)-v1\.5`), window: 4_096},
	} {
		if m.name.MatchString(name) {
			return m
		}
	}
	return knownModel{}
}

// is returns a pattern for a whole name with optional directories before it.
func is(pattern string) *regexp.Regexp { return regexp.MustCompile(`^(.*/)?(` + pattern + `)$`) }

// reasons reports whether the model is one of OpenAI's models that refuse
// max_tokens.
func reasons(name string) bool {
	return is(`(o[1-9]|gpt-[5-9]).*`).MatchString(strings.ToLower(name))
}
