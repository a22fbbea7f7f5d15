package answer

import (
	"iter"
	"sync/atomic"

	"chatbox"
	"chatbox/cluster"
)

// bill is the cost of an answer so far: as counted by the provider, or else
// estimated. Zero means unknown.
type bill struct {
	prompt int                           // estimated
	told   atomic.Pointer[chatbox.Usage] // by the provider; written by the goroutine that reads the stream
}

// ask sets the estimated cost of the prompt.
func (b *bill) ask(p chatbox.Prompt) {
	b.prompt = 0
	for _, l := range p.Messages {
		b.prompt += lineTokens + estimateTokens(l.Content)
		for _, pic := range l.Pictures {
			b.prompt += chatbox.PictureTokens(pic.Width, pic.Height)
		}
	}
	b.prompt += estimateTokens(p.Prefix)
}

// overhear records the usage as soon as the stream reports it, since the
// answer may end before the stream does.
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

// soFar returns the known cost while the answer is running.
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

// total returns the cost of the answer with its final text. whole means that
// the provider ended the answer, so that its count is complete.
func (b *bill) total(text string, whole bool) chatbox.Usage {
	return withText(b.soFar(), text, whole)
}

// billOf returns the cost of an answer that another pod was giving.
func billOf(open cluster.OpenAnswer) chatbox.Usage { return withText(open.Spent, open.Text, false) }

// withText estimates the cost of the text if the provider did not report it or
// reported it before the end.
func withText(u chatbox.Usage, text string, whole bool) chatbox.Usage {
	if n := estimateTokens(text); u.Completion == 0 || !whole && u.Completion < n {
		u.Completion, u.Estimated = n, u.Estimated || n > 0
	}
	return u
}

const lineTokens = 4 // role and separators

// estimateTokens returns about the number of tokens of a text in current
// vocabularies: one for four ASCII characters, two for three others. Prompt
// budgets use chatbox.TokensOf instead, which estimates from above: a budget
// must not be exceeded, while a bill should be close.
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
