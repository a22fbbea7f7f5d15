package fakeopenai

import "fmt"

// refusal returns the reason why a strict server refuses a request, in the words
// of vLLM, or "".
func (c Config) refusal(req Request) (code, text string) {
	if c.StrictRoles && !alternate(req.Messages) {
		return "bad_request", "Conversation roles must alternate user/assistant/user/assistant/..."
	}
	if tokens := tokensOf(req.Messages); c.Window > 0 && tokens+req.MaxTokens > c.Window {
		return "context_length_exceeded", fmt.Sprintf(
			"This model's maximum context length is %d tokens. However, you requested %d tokens (%d in the messages, %d in the completion).",
			c.Window, tokens+req.MaxTokens, tokens, req.MaxTokens)
	}
	return "", ""
}

// alternate reports whether the messages alternate as the chat templates of
// Mistral and Gemma require.
func alternate(messages []Message) bool {
	if len(messages) > 0 && messages[0].Role == "system" {
		messages = messages[1:]
	}
	for i, m := range messages {
		if (m.Role == "user") != (i%2 == 0) || m.Content == "" && len(m.Pictures) == 0 {
			return false
		}
	}
	return len(messages) > 0
}

// tokensOf estimates tokens. It counts one token for three and a half bytes of
// text.
func tokensOf(messages []Message) int {
	n := 3
	for _, m := range messages {
		n += 4 + (2*len(m.Content)+6)/7
	}
	return n
}
