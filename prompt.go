package chatbox

import "slices"

const (
	bytesPerToken = 3
	lineOverhead  = 4 // tokens: role and separators
)

// TokensOf estimates from above what lines cost: a token for every three bytes
// and a few for each line. Vocabularies in use need fewer for prose in any
// script (about four bytes of English a token, two to three characters of
// Chinese or Cyrillic take three bytes or more); digits, emoji and noise may
// need more, which the room that is left for the answer has to bear. Counting
// exactly would need each vendor's vocabulary.
func TokensOf(lines ...PromptMessage) int {
	n := 0
	for _, l := range lines {
		n += lineOverhead + (len(l.Content)+bytesPerToken-1)/bytesPerToken
	}
	return n
}

// FitMessages cuts a prompt to a budget in tokens, as TokensOf counts them, and
// reports whether anything was left out. It cuts whole turns, the oldest first:
// a turn begins with a line of the user. The leading lines of the system and
// the last line are always kept, whatever they cost. lines is not changed.
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

// Fit returns the prompt with its lines cut to the budget; the prefix counts.
func (p Prompt) Fit(budget int) Prompt {
	if p.Prefix != "" {
		budget -= TokensOf(PromptMessage{Role: RoleAssistant, Content: p.Prefix})
	}
	p.Messages, _ = FitMessages(p.Messages, budget)
	return p
}
