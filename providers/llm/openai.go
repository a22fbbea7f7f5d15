package llm

import (
	"context"
	"encoding/base64"

	openai "github.com/sashabaranov/go-openai"

	"chatbox"
	"chatbox/providers/internal/vendorapi"
)

const openaiEndpoint = "https://api.openai.com/v1"

// newOpenAI returns a function that opens answers of the chat completions API, of
// OpenAI or of a compatible server.
//
// A prefix is sent as the last message, with the role assistant. Some servers
// need an additional field to continue it (vLLM: continue_final_message). The SDK
// has no such field, so CONTINUE=prefix is for servers that continue a final
// assistant message without one, as Ollama, llama.cpp and OpenRouter do.
//
// Only the SDK's request types are used. Its line reader loses events that real
// servers send: JSON over two data lines, and a last line without a newline.
func newOpenAI(p Provider, g *guard) (func(context.Context, chatbox.Prompt) (source, error), error) {
	to, err := resolveAnswers(TypeOpenAI, p.Endpoint)
	if err != nil {
		return nil, err
	}
	header := p.Headers.over(vendorapi.Bearer(p.APIKey, to.Azure))
	set := p.settings()
	return func(ctx context.Context, prompt chatbox.Prompt) (source, error) {
		req, err := p.Extra.into(openaiRequest(p.Model, set, prompt))
		if err != nil {
			return source{}, err
		}
		body, err := g.post(ctx, to.String(), header, req)
		if err != nil {
			return source{}, err
		}
		s := &openaiStream{events: newEvents(body), key: p.APIKey}
		return source{next: apart(s.next), close: func() { _ = body.Close() }}, nil
	}, nil
}

func openaiRequest(model string, set settings, p chatbox.Prompt) openai.ChatCompletionRequest {
	t := arrange(p, set.roles)
	req := openai.ChatCompletionRequest{Model: model, Messages: openaiMessages(t, p.Prefix), Stream: true}
	if set.usage {
		req.StreamOptions = &openai.StreamOptions{IncludeUsage: true}
	}
	switch {
	case !set.send:
	case set.answerField == fieldCompletion:
		req.MaxCompletionTokens = set.answerFor(t)
	default:
		req.MaxTokens = set.answerFor(t) //nolint:staticcheck // the field that compatible servers know
	}
	return req
}

func openaiMessages(t talk, prefix string) []openai.ChatCompletionMessage {
	list := make([]openai.ChatCompletionMessage, 0, len(t.lines)+2)
	if t.system != "" {
		list = append(list, openai.ChatCompletionMessage{Role: openai.ChatMessageRoleSystem, Content: t.system})
	}
	for i, l := range t.lines {
		m := openai.ChatCompletionMessage{Role: string(l.Role)}
		if m.MultiContent = openaiParts(t.parts(i)); m.MultiContent == nil {
			m.Content = l.Content
		}
		list = append(list, m)
	}
	if prefix != "" {
		list = append(list, openai.ChatCompletionMessage{Role: openai.ChatMessageRoleAssistant, Content: prefix})
	}
	return list
}

// openaiParts returns content as parts of text and pictures. A picture is a data
// URL, as the guide documents for base64: {"type":"image_url","image_url":{"url":
// "data:image/jpeg;base64,…"}} (developers.openai.com/api/docs/guides/images-vision).
func openaiParts(parts []part) []openai.ChatMessagePart {
	var list []openai.ChatMessagePart
	for _, p := range parts {
		if p.picture == nil {
			list = append(list, openai.ChatMessagePart{Type: openai.ChatMessagePartTypeText, Text: p.text})
			continue
		}
		url := "data:" + p.picture.ContentType + ";base64," + base64.StdEncoding.EncodeToString(p.picture.Data)
		list = append(list, openai.ChatMessagePart{Type: openai.ChatMessagePartTypeImageURL, ImageURL: &openai.ChatMessageImageURL{URL: url}})
	}
	return list
}
