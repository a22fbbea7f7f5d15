package answer

import (
	"iter"
	"sync/atomic"

	"chatbox"
)

// bill is what an answer has cost so far: as its provider tells, else as it is
// estimated. Zero stands for not known.
type bill struct {
	prompt int                           // estimated
	told   atomic.Pointer[chatbox.Usage] // by the provider; written by the goroutine that reads it
}

// ask estimates what the prompt costs.
func (b *bill) ask(p chatbox.Prompt) {
	b.prompt = 0
	for _, l := range p.Messages {
		b.prompt += lineTokens + estimateTokens(l.Content)
	}
	b.prompt += estimateTokens(p.Prefix)
}

// overhear notes the usage in a model's stream as soon as it is told: what
// ends the answer may come before the end of the stream.
func (b *bill) overhear(stream iter.Seq2[chatbox.Delta, error]) iter.Seq2[chatbox.Delta, error] {
	return func(yield func(chatbox.Delta, error) bool) {
		for d, err := range stream {
			if d.Usage != nil {
				b.told.Store(d.Usage)
			}
			if !yield(d, err) {
				return
			}
		}
	}
}

// soFar is what is known of the cost while the answer is given.
func (b *bill) soFar() chatbox.Usage {
	u := chatbox.Usage{}
	if told := b.told.Load(); told != nil {
		u = *told
	}
	if u.Prompt == 0 && b.prompt > 0 {
		u.Prompt, u.Estimated = b.prompt, true
	}
	return u
}

// total is what the answer has cost when it ends with the text; whole: the
// provider ended it, so that its count is of all of it.
func (b *bill) total(text string, whole bool) chatbox.Usage {
	return withText(b.soFar(), text, whole)
}

// billOf is what an answer cost that another pod was giving.
func billOf(open chatbox.OpenAnswer) chatbox.Usage { return withText(open.Spent, open.Text, false) }

// withText fills in what a text cost where that was not told, or was told
// before it was all said.
func withText(u chatbox.Usage, text string, whole bool) chatbox.Usage {
	if n := estimateTokens(text); u.Completion == 0 || !whole && u.Completion < n {
		u.Completion, u.Estimated = n, u.Estimated || n > 0
	}
	return u
}

const lineTokens = 4 // role and separators

// estimateTokens is about what vocabularies in use need for a text: a token for
// four ASCII characters, two for three others. The budget of a prompt is
// counted from above instead (tokensOf): it must not be exceeded, a bill is to
// be near the truth.
func estimateTokens(text string) int {
	ascii, others := 0, 0
	for _, r := range text {
		if r < 0x80 {
			ascii++
		} else {
			others++
		}
	}
	return (ascii+3)/4 + (2*others+2)/3
}
