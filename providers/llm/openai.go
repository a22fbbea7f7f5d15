package llm

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"unicode/utf8"

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
		s := &openaiStream{events: events{bufio.NewReader(body)}, key: p.APIKey}
		return source{next: s.next, close: func() { _ = body.Close() }}, nil
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

// openaiStream is one response. It belongs to one goroutine.
type openaiStream struct {
	events events
	key    Secret
}

func (s *openaiStream) next() (step, error) {
	data, err := s.events.next()
	switch {
	case err != nil:
		return step{}, err
	case string(bytes.TrimSpace(data)) == "[DONE]":
		return step{}, io.EOF
	default:
		return openaiStep(data, s.key)
	}
}

// openaiChunk is what is read of a chunk.
type openaiChunk struct {
	Choices []struct {
		Index int `json:"index"`
		Delta struct {
			Content string `json:"content"`
			Refusal string `json:"refusal"`
		} `json:"delta"`
		FinishReason string `json:"finish_reason"`
	} `json:"choices"`
	Usage *struct {
		Prompt     int `json:"prompt_tokens"`
		Completion int `json:"completion_tokens"`
	} `json:"usage"`
	Error json.RawMessage `json:"error"`
}

func openaiStep(line []byte, key Secret) (step, error) {
	var c openaiChunk
	text, err := decodeChunk(line, &c)
	if err != nil {
		return step{}, &failure{text: "the stream carries something that is not JSON"}
	}
	if len(c.Error) > 0 && !bytes.Equal(c.Error, []byte("null")) {
		return step{}, declaredFailure(line, key)
	}
	var st step
	for _, choice := range c.Choices {
		if choice.Index != 0 {
			continue
		}
		st.text += text(choice.Delta.Content) + text(choice.Delta.Refusal)
		if choice.FinishReason != "" {
			if st.finish, err = openaiFinish(choice.FinishReason, key); err != nil {
				return st, err
			}
		}
	}
	if c.Usage != nil {
		st.usage = &chatbox.Usage{Prompt: c.Usage.Prompt, Completion: c.Usage.Completion}
	}
	return st, nil
}

// openaiFinish knows the reasons of OpenAI and the synonyms of compatible
// servers. Any other ("error", "abort", a tool call nobody offered) means that
// the answer is not whole.
func openaiFinish(reason string, key Secret) (chatbox.Finish, error) {
	switch reason {
	case "stop", "eos", "eos_token", "stop_sequence", "end_turn":
		return chatbox.FinishStop, nil
	case "length", "max_tokens", "model_length":
		return chatbox.FinishLength, nil
	case "content_filter", "safety", "sensitive":
		return chatbox.FinishFilter, nil
	default:
		return "", &failure{kind: cleanCode(reason, key), text: "the provider broke the answer off", declared: true}
	}
}

// strayBytes is where bytes that are no UTF-8 are kept while they pass through
// the JSON decoder, which would replace each by U+FFFD: some servers split a
// character between two chunks. The place is at the end of a private plane.
const strayBytes = 0x10FE00

// decodeChunk decodes a line; the returned function restores the stray bytes
// of its strings.
func decodeChunk(line []byte, into any) (func(string) string, error) {
	if utf8.Valid(line) {
		return func(s string) string { return s }, json.Unmarshal(line, into)
	}
	safe := make([]byte, 0, len(line)+16)
	for rest := line; len(rest) > 0; {
		r, n := utf8.DecodeRune(rest)
		if r == utf8.RuneError && n == 1 {
			r = strayBytes + rune(rest[0])
		}
		safe = utf8.AppendRune(safe, r)
		rest = rest[n:]
	}
	return restoreBytes, json.Unmarshal(safe, into)
}

func restoreBytes(s string) string {
	b := make([]byte, 0, len(s))
	for _, r := range s {
		if r > strayBytes+0x7F && r <= strayBytes+0xFF {
			b = append(b, byte(r-strayBytes))
		} else {
			b = utf8.AppendRune(b, r)
		}
	}
	return string(b)
}
