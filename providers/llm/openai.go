package llm

import (
	"context"
	"net/http"

	openai "github.com/sashabaranov/go-openai"

	"chatbox"
)

const openaiEndpoint = "https://api.openai.com/v1"

// newOpenAI speaks the chat completions API of OpenAI and of the servers that
// imitate it.
//
// A prefix goes as the last message, of the assistant. Servers differ in what
// else they want to be told to continue it (vLLM: continue_final_message); the
// SDK has no field for it, so CONTINUE=prefix is for servers that continue a
// final assistant message by themselves, as Ollama, llama.cpp and OpenRouter do.
//
// Of the SDK only the request's types are used. Its line reader loses events
// that real servers send: JSON over two data lines, a missing last newline.
func newOpenAI(p Provider, g *guard) (func(context.Context, chatbox.Prompt) (source, error), error) {
	base, err := baseURL(p.Endpoint, openaiEndpoint)
	if err != nil {
		return nil, err
	}
	url, header := base+"/chat/completions", http.Header{}
	if key := p.APIKey.Reveal(); key != "" {
		header.Set("Authorization", "Bearer "+key)
	}
	return func(ctx context.Context, prompt chatbox.Prompt) (source, error) {
		body, err := g.post(ctx, url, header, openai.ChatCompletionRequest{
			Model:         p.Model,
			Messages:      openaiMessages(prompt),
			Stream:        true,
			StreamOptions: &openai.StreamOptions{IncludeUsage: true},
		})
		if err != nil {
			return source{}, err
		}
		s := &openaiStream{events: newEvents(body), key: p.APIKey}
		return source{next: apart(s.next), close: func() { _ = body.Close() }}, nil
	}, nil
}

func openaiMessages(p chatbox.Prompt) []openai.ChatCompletionMessage {
	list := make([]openai.ChatCompletionMessage, 0, len(p.Lines)+1)
	for _, l := range p.Lines {
		list = append(list, openai.ChatCompletionMessage{Role: string(l.Role), Content: l.Content})
	}
	if p.Prefix != "" {
		list = append(list, openai.ChatCompletionMessage{Role: openai.ChatMessageRoleAssistant, Content: p.Prefix})
	}
	return list
}
