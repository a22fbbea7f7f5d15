package chatbox

import "slices"

const (
	bytesPerToken = 3
	lineOverhead  = 4 // tokens: role and separators
)

// TokensOf returns an upper estimate of the tokens that lines cost: one for
// every three bytes and a few for each line. Current vocabularies need fewer
// for prose in any script: English has about four bytes a token, and two to
// three characters of Chinese or Cyrillic are three bytes or more. Digits,
// emoji and noise may need more, which the room for the answer must absorb. An
// exact count would need each vendor's vocabulary.
func TokensOf(lines ...PromptMessage) int {
	n := 0
	for _, l := range lines {
		n += lineOverhead + (len(l.Content)+bytesPerToken-1)/bytesPerToken
	}
	return n
}

// FitMessages cuts a prompt to a budget in tokens, as counted by TokensOf, and
// reports whether it left anything out. It removes whole turns, the oldest
// first; a turn begins with a message of the user. The leading system messages
// and the last message are always kept, at any cost. lines is not changed.
func FitMessages(lines []PromptMessage, budget int) (fitting []PromptMessage, cut bool) {
	if len(lines) == 0 {
		return lines, false
	}
	last := len(lines) - 1
	first := 0
	for first < last && lines[first].Role == RoleSystem {
		first++
	}
	room := budget - TokensOf(lines[:first]...) - TokensOf(lines[last])
	from := last
	for i := last - 1; i >= first; i-- {
		room -= TokensOf(lines[i])
		if room < 0 {
			break
		}
		if lines[i].Role == RoleUser || i == first {
			from = i
		}
	}
	if from == first {
		return lines, false
	}
	return slices.Concat(lines[:first], lines[from:]), true
}

// Fit returns the prompt with its messages cut to the budget in tokens, to
// which the prefix counts.
func (p Prompt) Fit(budget int) Prompt {
	if p.Prefix != "" {
		budget -= TokensOf(PromptMessage{Role: RoleAssistant, Content: p.Prefix})
	}
	p.Messages, _ = FitMessages(p.Messages, budget)
	return p
}
