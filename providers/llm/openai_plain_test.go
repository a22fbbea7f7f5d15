package llm

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const plainEvent = `{"id":"chatcmpl-9","object":"chat.completion.chunk","created":1700000000,"model":"gpt","system_fingerprint":null,` +
	`"choices":[{"index":0,"delta":{"role":"assistant","content":"TEXT"},"logprobs":null,"finish_reason":null}],"usage":null}`

// chunks are events of many forms; the second field tells whether the short way
// reads them.
func chunks() map[string]bool {
	return map[string]bool{
		plainEvent: true,
		strings.Replace(plainEvent, "TEXT", `a \"word\"\n\t\\ \/`, 1):                                       true,
		strings.Replace(plainEvent, "TEXT", "größer 語 🙂", 1):                                                true,
		strings.ReplaceAll(plainEvent, ",", " ,\n "):                                                        true,
		`{"choices":[{"delta":{"content":"x"}}]}`:                                                           true,
		strings.Replace(plainEvent, "TEXT", `\u00e9`, 1):                                                    false,
		strings.Replace(plainEvent, "TEXT", `\ud83d`, 1):                                                    false,
		strings.Replace(plainEvent, "TEXT", "\xe2\x82", 1):                                                  false,
		strings.Replace(plainEvent, "TEXT", "", 1):                                                          false,
		strings.Replace(plainEvent, `"index":0`, `"index":1`, 1):                                            false,
		strings.Replace(plainEvent, `_reason":null`, `_reason":"x"`, 1):                                     false,
		strings.Replace(plainEvent, `"usage":null`, `"usage":{"prompt_tokens":3,"completion_tokens":4}`, 1): false,
		strings.Replace(plainEvent, `"usage"`, `"error"`, 1):                                                false,
		strings.Replace(plainEvent, `"content"`, `"Content"`, 1):                                            false,
		`{"choices":[{"delta":{"content":"x","reasoning_content":"y"}}]}`:                                   false,
		`{"choices":[{"delta":{"content":"x"}},{"index":1,"delta":{"content":"y"}}]}`:                       false,
		`{"choices":[{"delta":{"content":"x","content":"y"}}]}`:                                             false,
		`{"choices":[{"delta":{"content":"x"}}],"choices":[]}`:                                              false,
		`{"choices":[{"delta":{"content":[{"type":"text","text":"x"}]}}]}`:                                  false,
		`{"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":4}}`:                                  false,
		`{"choices":[{"delta":{}}]}`:                                                                        false,
		`{}`:                                                                                                false,
	}
}

func TestOnlyText_ReadsAsTheGeneralDecoder(t *testing.T) {
	t.Parallel()
	for data, short := range chunks() {
		text := onlyText(sseEvent{data: []byte(data), objects: objectsIn([]byte(data))})
		assert.Equal(t, short, text != "", data)
		sameStep(t, data)
	}
}

func FuzzOnlyText(f *testing.F) {
	for data := range chunks() {
		f.Add(data)
	}
	f.Fuzz(sameStep)
}

// sameStep checks that the short way reads an event as the general decoder.
func sameStep(t *testing.T, data string) {
	t.Helper()
	ev := sseEvent{data: []byte(data), objects: objectsIn([]byte(data))}
	text := onlyText(ev)
	if text == "" {
		return
	}
	s := openaiStream{events: newEvents(strings.NewReader(""))}
	want, err := s.step(ev)
	require.NoError(t, err, data)
	assert.Equal(t, want, step{text: text}, data)
	assert.NoError(t, s.doubt)
}

func BenchmarkOpenAIStream(b *testing.B) {
	body := strings.Repeat("data: "+plainEvent+"\n\n", b.N)
	s := openaiStream{events: newEvents(strings.NewReader(body))}
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		if st, err := s.next(); err != nil || st.text != "TEXT" {
			b.Fatal(st, err)
		}
	}
}
