package fakeopenai

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"chatbox/cmd/chatload/expect"
	"chatbox/internal/sleep"
)

// chunk is one event of a streamed completion, in the vendor's format.
type chunk struct {
	ID      string   `json:"id"`
	Object  string   `json:"object"`
	Created int64    `json:"created"`
	Model   string   `json:"model"`
	Choices []choice `json:"choices"`
	Usage   *usage   `json:"usage,omitempty"`
}

type choice struct {
	Index        int     `json:"index"`
	Delta        delta   `json:"delta"`
	FinishReason *string `json:"finish_reason"`
}

type delta struct {
	Role    string `json:"role,omitempty"`
	Content string `json:"content,omitempty"`
}

// stream writes the role, the pieces, the finish reason, the usage if requested,
// and [DONE]. It breaks off if the directives request it.
func (s *Server) stream(ctx context.Context, w http.ResponseWriter, req Request, d expect.Directives, pieces []string, u usage) error {
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-cache")
	w.WriteHeader(http.StatusOK)
	out := &events{w: w, flush: http.NewResponseController(w), model: req.Model}
	if err := out.choice(choice{Delta: delta{Role: "assistant"}}); err != nil {
		return err
	}
	for i, p := range pieces {
		if err := breakOff(ctx, d, i); err != nil {
			return err
		}
		if !sleep.For(ctx, d.Delay) {
			return ctx.Err()
		}
		if err := out.choice(choice{Delta: delta{Content: p}}); err != nil {
			return err
		}
		s.count(func(c *Stats) { c.Pieces++ })
	}
	if err := breakOff(ctx, d, len(pieces)); err != nil {
		return err
	}
	finish := finishOf(d)
	if err := out.choice(choice{FinishReason: &finish}); err != nil {
		return err
	}
	if req.StreamOptions.IncludeUsage {
		if err := out.write(chunk{Choices: []choice{}, Usage: &u}); err != nil {
			return err
		}
	}
	return out.data("[DONE]")
}

// breakOff executes the fault that is due before piece i, if any.
func breakOff(ctx context.Context, d expect.Directives, i int) error {
	switch i {
	case d.Truncate:
		return errTruncated
	case d.Stall:
		return silence(ctx)
	default:
		return nil
	}
}

// events writes server-sent events and flushes each of them.
type events struct {
	w     io.Writer
	flush *http.ResponseController
	model string
}

func (e *events) choice(c choice) error { return e.write(chunk{Choices: []choice{c}}) }

func (e *events) write(c chunk) error {
	c.ID, c.Object, c.Created, c.Model = "chatcmpl-fake", "chat.completion.chunk", time.Now().Unix(), e.model
	text, err := json.Marshal(c)
	if err != nil {
		return fmt.Errorf("encode chunk: %w", err)
	}
	return e.data(string(text))
}

func (e *events) data(text string) error {
	if _, err := io.WriteString(e.w, "data: "+text+"\n\n"); err != nil {
		return fmt.Errorf("write event: %w", err)
	}
	if err := e.flush.Flush(); err != nil {
		return fmt.Errorf("flush event: %w", err)
	}
	return nil
}
