package answer

import (
	"iter"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"chatbox"
	"chatbox/cluster"
)

func TestBill_TotalIsWhatWasToldElseAnEstimate(t *testing.T) {
	p := chatbox.Prompt{Messages: []chatbox.PromptMessage{{Role: chatbox.RoleUser, Content: "four"}}} // 1 and 4 for the line
	text := strings.Repeat("word", 10)                                                                // 10
	for name, tt := range map[string]struct {
		told  *chatbox.Usage
		text  string
		whole bool
		want  chatbox.Usage
	}{
		"told":                         {&chatbox.Usage{Prompt: 7, Completion: 3}, text, true, chatbox.Usage{Prompt: 7, Completion: 3}},
		"told nothing":                 {nil, text, true, chatbox.Usage{Prompt: 5, Completion: 10, Estimated: true}},
		"told the answer alone":        {&chatbox.Usage{Completion: 3}, text, true, chatbox.Usage{Prompt: 5, Completion: 3, Estimated: true}},
		"told the prompt alone":        {&chatbox.Usage{Prompt: 7}, text, true, chatbox.Usage{Prompt: 7, Completion: 10, Estimated: true}},
		"stopped, told at the start":   {&chatbox.Usage{Prompt: 7, Completion: 1}, text, false, chatbox.Usage{Prompt: 7, Completion: 10, Estimated: true}},
		"stopped, told more than said": {&chatbox.Usage{Prompt: 7, Completion: 90}, text, false, chatbox.Usage{Prompt: 7, Completion: 90}},
		"stopped before a word":        {&chatbox.Usage{Prompt: 7}, "", false, chatbox.Usage{Prompt: 7}},
	} {
		t.Run(name, func(t *testing.T) {
			var b bill
			b.ask(p)
			if tt.told != nil {
				stream := b.overhear(func(yield func(chatbox.Delta, error) bool) { yield(chatbox.Delta{Usage: tt.told}, nil) })
				for range stream { //nolint:errcheck // it yields none
				}
			}
			assert.Equal(t, tt.want, b.total(tt.text, tt.whole))
		})
	}
}

func TestBill_OverheardStreamIsTheSame(t *testing.T) {
	var b bill
	var all iter.Seq2[chatbox.Delta, error] = func(yield func(chatbox.Delta, error) bool) {
		_ = yield(chatbox.Delta{Text: "a"}, nil) && yield(chatbox.Delta{}, chatbox.ModelFailed) && yield(chatbox.Delta{Text: "never"}, nil)
	}
	var got []chatbox.Delta
	for d, err := range b.overhear(all) {
		if got = append(got, d); err != nil {
			break
		}
	}
	assert.Equal(t, []chatbox.Delta{{Text: "a"}, {}}, got)
}

// An answer that another pod closes knows of its cost what its last piece told.
func TestBill_OfAnAnswerThatIsClosed(t *testing.T) {
	text := strings.Repeat("word", 10)
	assert.Equal(t, chatbox.Usage{Prompt: 7, Completion: 10, Estimated: true},
		billOf(cluster.OpenAnswer{Text: text, Spent: chatbox.Usage{Prompt: 7}}))
	assert.Equal(t, chatbox.Usage{}, billOf(cluster.OpenAnswer{Index: -1}), "nothing is known: nothing is told")
}

func TestEstimateTokens(t *testing.T) {
	for text, want := range map[string]int{"": 0, "a": 1, "four": 1, "fives": 2, "你好": 2, "你好吗": 2, "wörld": 2, "\xff\xff\xff": 2} {
		assert.Equal(t, want, estimateTokens(text), "%q", text)
	}
}
