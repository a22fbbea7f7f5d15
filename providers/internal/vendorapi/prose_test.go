package vendorapi

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestProse_LeavesOutTheEcho(t *testing.T) {
	for sentence, want := range map[string]string{
		"This model's maximum context length is 4096 tokens.": "this model's maximum context length is 4096 tokens.",
		"model 'm' not found":                                     "model not found",
		"The model `m`  does not exist":                           "the model does not exist",
		`Invalid "a \" b" here`:                                   "invalid here",
		"the users' quota":                                        "the users' quota",
		"'it's mine' is refused":                                  "is refused",
		`bad: {"a":{"b":1}} and [1, [2]] too`:                     "bad: and too",
		`unfinished "quota exceeded`:                              "unfinished",
		"wrong, got: my api key":                                  "wrong,",
		"Request: quota exceeded":                                 "",
		"The request was refused, prompt is too long: 9 > 8":      "the request was refused, prompt is too long: 9 > 8",
		"fehlerhaft: „quota exceeded” im Text":                    "fehlerhaft: im text",
		"no requests left, see your quota at https://x.example/a": "no requests left, see your quota at https://x.example/a",
	} {
		assert.Equal(t, want, proseOf(sentence), sentence)
	}
}

func TestProse_WordsAreWhole(t *testing.T) {
	assert.True(t, says("the rate limit, please", "rate limit"))
	assert.True(t, says("model x does not exist", "model & does not exist"))
	assert.True(t, says("错误：余额不足。", "余额不足"))
	assert.False(t, says("separate limits", "rate limit"))
	assert.False(t, says("the api keyboard", "api key"))
	assert.False(t, says("remodel: does not exist", "model & does not exist"))
}

func TestProse_PagesAreNoSentence(t *testing.T) {
	for page, want := range map[string]bool{
		"\n <!DOCTYPE HTML>": true, "\uFEFF<html>": true, "<head>": true, "rate limit": false, "<think>": false, "": false,
	} {
		assert.Equal(t, want, IsPage([]byte(page)), page)
	}
}

func TestNamedIn_NotInTheEcho(t *testing.T) {
	fields := []string{"max_tokens", "stream_options", "temperature"}
	for body, want := range map[string][]string{
		`{"error":{"message":"temperature is not supported","param":"temperature"}}`:                                           {"temperature"},
		`{"error":{"param":"max_tokens","message":"x"}}`:                                                                       {"max_tokens"},
		`{"detail":[{"loc":["body","temperature"],"msg":"x","input":{"max_tokens":1,"messages":[]}}]}`:                         {"temperature"},
		`{"message":"[{'type': 'extra_forbidden', 'loc': ('body', 'temperature'), 'msg': 'no', 'input': {'max_tokens': 1}}]"}`: {"temperature"},
		`{"message":"bad request: {\"messages\":[],\"max_tokens\":1,\"temperature\":0}"}`:                                      nil,
		`{"error":{"message":"roles must alternate"},"request":{"max_tokens":1}}`:                                              nil,
		`{"message":{"detail":[{"loc":["body","stream_options","include_usage"]}]}}`:                                           {"stream_options"},
		`unknown field temperature`: {"temperature"},
	} {
		got := namedIn([]byte(body), 400, fields)
		assert.ElementsMatch(t, want, got, body)
	}
}
