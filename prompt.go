package chatbox

import "slices"

const (
	bytesPerToken = 3
	lineOverhead  = 4 // tokens: role and separators
)

// TokensOf returns an upper estimate of the tokens that lines cost: one for
// every three bytes, a few for each line, and PictureTokens. Current vocabularies need fewer
// for prose in any script: English has about four bytes a token, and two to
// three characters of Chinese or Cyrillic are three bytes or more. Digits,
// emoji and noise may need more, which the room for the answer must absorb. An
// exact count would need each vendor's vocabulary.
func TokensOf(lines ...PromptMessage) int {
	n := 0
	for _, l := range lines {
		n += lineOverhead + (len(l.Content)+bytesPerToken-1)/bytesPerToken
		for _, p := range l.Pictures {
			n += PictureTokens(p.Width, p.Height)
		}
	}
	return n
}

// BytesFor returns how many bytes of text cost the given number of tokens.
func BytesFor(tokens int) int { return tokens * bytesPerToken }

// PictureTokens returns an upper estimate of the tokens that a picture costs. It is
// the largest of three rules: Anthropic's former one, a token for 750 pixels, and
// its present one, a token for each block of 28 × 28 pixels
// (platform.claude.com/docs/en/build-with-claude/vision), and OpenAI's price of a
// small picture, 85 and 170 for its only tile; a larger picture's tiles cost less
// than the first rule says (platform.openai.com/docs/guides/images-vision).
func PictureTokens(width, height int) int {
	const pixelsPerToken, block, least = 750, 28, 85 + 170
	blocks := ((width + block - 1) / block) * ((height + block - 1) / block)
	return max(least, blocks, (width*height+pixelsPerToken-1)/pixelsPerToken)
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
