package llm

import (
	"context"
	"net/http"
	"strings"

	"chatbox"
)

const (
	anthropicEndpoint = "https://api.anthropic.com/v1"
	anthropicVersion  = "2023-06-01"
	// anthropicMaxTokens is what the API has to be told: as much as every
	// model on offer gives.
	anthropicMaxTokens = 8192
)

// newAnthropic speaks the Messages API. It is spoken by hand, since it is one
// request and six kinds of events, and so goes through the same guard, reader
// and timeouts as every other vendor.
//
// A prefix goes as the beginning of the assistant's turn, which not all models
// accept: CONTINUE=prefix is for those that do.
func newAnthropic(p Provider, g *guard) (func(context.Context, chatbox.Prompt) (source, error), error) {
	base, err := baseURL(p.Endpoint, anthropicEndpoint)
	if err != nil {
		return nil, err
	}
	header := http.Header{
		"X-Api-Key":         {p.APIKey.Reveal()},
		"Anthropic-Version": {anthropicVersion},
	}
	return func(ctx context.Context, prompt chatbox.Prompt) (source, error) {
		req, cut := newAnthropicRequest(p.Model, prompt)
		body, err := g.post(ctx, base+"/messages", header, req)
		if err != nil {
			return source{}, err
		}
		a := &anthropicStream{events: newEvents(body), key: p.APIKey, cut: cut}
		return source{next: a.next, close: func() { _ = body.Close() }}, nil
	}, nil
}

type anthropicRequest struct {
	Model     string             `json:"model"`
	MaxTokens int                `json:"max_tokens"`
	System    string             `json:"system,omitempty"`
	Messages  []anthropicMessage `json:"messages"`
	Stream    bool               `json:"stream"`
}

type anthropicMessage struct {
	Role    chatbox.Role `json:"role"`
	Content string       `json:"content"`
}

const (
	earlierText = "(What was said before is not shown.)"
	emptyText   = "(an empty message)"
)

// newAnthropicRequest brings a prompt into the API's form: the system's lines
// apart, roles alternating from the user's on, no blank text, and no white
// space at the end of a prefix. That white space is returned: the model tends
// to begin with it.
func newAnthropicRequest(model string, p chatbox.Prompt) (req anthropicRequest, cut string) {
	req = anthropicRequest{Model: model, MaxTokens: anthropicMaxTokens, Stream: true}
	var system []string
	for i, l := range p.Lines {
		content := l.Content
		if strings.TrimSpace(content) == "" {
			if i < len(p.Lines)-1 {
				continue
			}
			content = emptyText
		}
		switch {
		case l.Role == chatbox.RoleSystem:
			system = append(system, content)
		case l.Role == chatbox.RoleAssistant && len(req.Messages) == 0:
			req.add(chatbox.RoleUser, earlierText)
			req.add(l.Role, content)
		default:
			req.add(l.Role, content)
		}
	}
	req.System = strings.Join(system, "\n\n")
	prefix := strings.TrimRight(p.Prefix, " \t\r\n")
	if prefix == "" {
		return req, p.Prefix
	}
	req.Messages = append(req.Messages, anthropicMessage{Role: chatbox.RoleAssistant, Content: prefix})
	return req, p.Prefix[len(prefix):]
}

func (r *anthropicRequest) add(role chatbox.Role, content string) {
	if last := len(r.Messages) - 1; last >= 0 && r.Messages[last].Role == role {
		r.Messages[last].Content += "\n\n" + content
		return
	}
	r.Messages = append(r.Messages, anthropicMessage{Role: role, Content: content})
}
