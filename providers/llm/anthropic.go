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
)

// newAnthropic returns a function that opens answers of the Messages API. It uses
// no SDK, since the API consists of one request and six kinds of events. Without
// an SDK, all vendors share the same guard, event reader and timeouts.
//
// A prefix is sent as the beginning of the assistant's turn. Not all models
// accept that, so CONTINUE=prefix must be set only for those that do.
func newAnthropic(p Provider, g *guard) (func(context.Context, chatbox.Prompt) (source, error), error) {
	to, err := resolveAnswers(TypeAnthropic, p.Endpoint)
	if err != nil {
		return nil, err
	}
	header := http.Header{"Anthropic-Version": {anthropicVersion}}
	if key := p.APIKey.Reveal(); key != "" {
		header.Set("X-Api-Key", key)
	}
	header = p.Headers.over(header)
	set := p.settings()
	return func(ctx context.Context, prompt chatbox.Prompt) (source, error) {
		plain, cut := newAnthropicRequest(p.Model, set, prompt)
		req, err := p.Extra.into(plain)
		if err != nil {
			return source{}, err
		}
		body, err := g.post(ctx, to.String(), header, req)
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
	Content any          `json:"content"` // string, or []anthropicBlock if there are pictures
}

// anthropicBlock is a block of text or a picture, as the vision guide documents
// them: {"type":"image","source":{"type":"base64","media_type","data"}}. Its
// advice is to put a picture before the text about it
// (platform.claude.com/docs/en/build-with-claude/vision).
type anthropicBlock struct {
	Type   string           `json:"type"`
	Text   string           `json:"text,omitempty"`
	Source *anthropicSource `json:"source,omitempty"`
}

type anthropicSource struct {
	Type      string `json:"type"`
	MediaType string `json:"media_type"`
	Data      []byte `json:"data"` // encoding/json writes base64
}

// anthropicContent returns a message's content.
func anthropicContent(t *talk, i int) any {
	parts := t.parts(i)
	if parts == nil {
		return t.lines[i].Content
	}
	blocks := make([]anthropicBlock, len(parts))
	for n, p := range parts {
		if p.picture == nil {
			blocks[n] = anthropicBlock{Type: "text", Text: p.text}
			continue
		}
		blocks[n] = anthropicBlock{Type: "image", Source: &anthropicSource{Type: "base64", MediaType: p.picture.ContentType, Data: p.picture.Data}}
	}
	return blocks
}

// newAnthropicRequest converts a prompt to a request. The API refuses a prefix
// that ends in white space. That white space is removed and returned in cut,
// since the model tends to begin its continuation with it.
func newAnthropicRequest(model string, set settings, p chatbox.Prompt) (req anthropicRequest, cut string) {
	t := arrange(p, set.roles)
	req = anthropicRequest{Model: model, MaxTokens: set.answerFor(t), System: t.system, Stream: true}
	for i, l := range t.lines {
		req.Messages = append(req.Messages, anthropicMessage{Role: l.Role, Content: anthropicContent(&t, i)})
	}
	prefix := strings.TrimRight(p.Prefix, " \t\r\n")
	if prefix == "" {
		return req, p.Prefix
	}
	req.Messages = append(req.Messages, anthropicMessage{Role: chatbox.RoleAssistant, Content: prefix})
	return req, p.Prefix[len(prefix):]
}
