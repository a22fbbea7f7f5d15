package llm

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"chatbox"
)

func textEvent(text string) string {
	quoted, _ := json.Marshal(text)
	return event(`{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":` + string(quoted) + `}}`)
}

func stopEvent(reason string) string {
	return event(`{"type":"message_delta","delta":{"stop_reason":"`+reason+`"},"usage":{"output_tokens":3}}`) + event(`{"type":"message_stop"}`)
}

func TestAnthropic_Request(t *testing.T) {
	var body map[string]any
	v := newVendor(t, func(w http.ResponseWriter, r *http.Request, _ int) {
		assert.Equal(t, canary, r.Header.Get("X-Api-Key"))
		assert.Equal(t, anthropicVersion, r.Header.Get("Anthropic-Version"))
		assert.Empty(t, r.Header.Get("Authorization"))
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			t.Error(err)
		}
		say(w, textEvent("ok"), stopEvent("end_turn"))
	})
	r, _ := newTestRouter(t, TypeAnthropic, v.URL+"/v1", nil)
	a := collect(t, r.Stream(t.Context(), chatbox.Prompt{Messages: []chatbox.PromptMessage{
		{Role: chatbox.RoleSystem, Content: "Be brief."},
		{Role: chatbox.RoleAssistant, Content: "Ana (support): hi"},
		{Role: chatbox.RoleUser, Content: "one"},
		{Role: chatbox.RoleUser, Content: "two"},
		{Role: chatbox.RoleAssistant, Content: " \n"},
		{Role: chatbox.RoleUser, Content: "three"},
		{Role: chatbox.RoleAssistant, Content: "four"},
		{Role: chatbox.RoleUser, Content: " "},
	}}))
	require.NoError(t, a.err)
	assert.Equal(t, map[string]any{
		"model": "vendor-model", "max_tokens": float64(usualAnswer), "stream": true, "system": "Be brief.",
		"messages": []any{
			map[string]any{"role": "user", "content": earlierText},
			map[string]any{"role": "assistant", "content": "Ana (support): hi"},
			map[string]any{"role": "user", "content": "one\n\ntwo\n\nthree"},
			map[string]any{"role": "assistant", "content": "four"},
			map[string]any{"role": "user", "content": emptyText},
		},
	}, body)
}

func TestAnthropic_Finishes(t *testing.T) {
	for reason, want := range map[string]chatbox.Finish{
		"end_turn": chatbox.FinishStop, "stop_sequence": chatbox.FinishStop, "max_tokens": chatbox.FinishLength,
		"refusal": chatbox.FinishFilter, "tool_use": "", "pause_turn": "",
	} {
		v := newVendor(t, func(w http.ResponseWriter, _ *http.Request, _ int) { say(w, textEvent("Hello"), stopEvent(reason)) })
		r, log := newTestRouter(t, TypeAnthropic, v.URL, nil)
		a := collect(t, r.Stream(t.Context(), prompt("Hi")))
		assert.Equal(t, want, a.last.Finish, reason)
		if want == "" {
			requireCode(t, chatbox.ModelFailed, a.err, log)
		}
	}
}

// The API refuses white space at the end of a prefill, and the model then
// tends to begin with it: what clients see must not have it twice.
func TestAnthropic_Prefix(t *testing.T) {
	tests := map[string]struct {
		prefix, sent string
		says         []string
		want         string
	}{
		"between words":           {"Once upon", "Once upon", []string{" a", " time"}, " a time"},
		"after a space, repeated": {"Once upon ", "Once upon", []string{" a"}, "a"},
		"after a space, not":      {"Once upon ", "Once upon", []string{"a"}, "a"},
		"after a paragraph":       {"One.\n\n", "One.", []string{"\n", "\nTwo."}, "Two."},
		"after half of one":       {"One.\n", "One.", []string{"\n\nTwo."}, "\nTwo."},
		"only white space":        {"\n", "", []string{"\nOne."}, "One."},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var body anthropicRequest
			v := newVendor(t, func(w http.ResponseWriter, r *http.Request, _ int) {
				if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
					t.Error(err)
				}
				lines := []string{}
				for _, s := range tt.says {
					lines = append(lines, textEvent(s))
				}
				say(w, append(lines, stopEvent("end_turn"))...)
			})
			r, _ := newTestRouter(t, TypeAnthropic, v.URL, nil)
			p := prompt("Hi")
			p.Prefix = tt.prefix
			a := collect(t, r.Stream(t.Context(), p))
			require.NoError(t, a.err)
			assert.Equal(t, tt.want, a.text)
			last := body.Messages[len(body.Messages)-1]
			if tt.sent == "" {
				assert.Equal(t, chatbox.RoleUser, last.Role)
				return
			}
			assert.Equal(t, anthropicMessage{Role: chatbox.RoleAssistant, Content: tt.sent}, last)
		})
	}
}
