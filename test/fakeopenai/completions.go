package fakeopenai

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"chatbox/cmd/chatload/expect"
	"chatbox/internal/sleep"
)

// errTruncated ends a stream like a broken connection.
var errTruncated = errors.New("truncated on purpose")

// completions answers one request. It returns when the answer is sent or the
// client has disconnected.
func (s *Server) completions(w http.ResponseWriter, r *http.Request) {
	if s.cfg.APIKey != "" && r.Header.Get("Authorization") != "Bearer "+s.cfg.APIKey {
		writeError(w, http.StatusUnauthorized, "Incorrect API key provided")
		return
	}
	var req Request
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 16<<20)).Decode(&req); err != nil {
		writeError(w, http.StatusBadRequest, "unreadable body")
		return
	}
	s.keep(req)
	if code, text := s.cfg.refusal(req); code != "" {
		s.count(func(c *Stats) { c.Started++; c.Refused++ })
		writeJSON(w, http.StatusBadRequest, map[string]any{"error": map[string]any{
			"message": text, "type": "invalid_request_error", "param": "messages", "code": code,
		}})
		return
	}
	s.count(func(c *Stats) { c.Started++; c.Running++ })
	err := s.answer(r.Context(), w, req)
	s.count(func(c *Stats) {
		c.Running--
		switch {
		case err == nil:
			c.Finished++
		case errors.Is(err, errFailed), errors.Is(err, errTruncated):
			c.Failed++
		default:
			c.Cancelled++
		}
	})
	if errors.Is(err, errTruncated) {
		panic(http.ErrAbortHandler) // the server closes the connection within the body
	}
}

// errFailed marks an error status that the message requested.
var errFailed = errors.New("failed on purpose")

func (s *Server) answer(ctx context.Context, w http.ResponseWriter, req Request) error {
	question, prefix := lastTurn(req.Messages)
	d := expect.ParseDirectives(question)
	if d.Delay < 0 {
		d.Delay = s.cfg.Delay
	}
	if wanted := d.Fail > 0 || d.Truncate >= 0 || d.Stall >= 0 || d.SlowHeader > 0; wanted && !s.faulty(question, d.Times) {
		d.Fail, d.Truncate, d.Stall, d.SlowHeader = 0, -1, -1, 0
	}
	if !sleep.For(ctx, d.SlowHeader) {
		return ctx.Err()
	}
	if d.Fail > 0 {
		writeError(w, d.Fail, fmt.Sprintf("asked to fail with %d", d.Fail))
		return errFailed
	}
	pieces := continueAfter(expect.Pieces(question), prefix)
	usage := usageOf(req.Messages, pieces)
	if !req.Stream {
		return s.whole(ctx, w, req, d, pieces, usage)
	}
	return s.stream(ctx, w, req, d, pieces, usage)
}

// Question returns the newest message of the user. A prompt joins consecutive
// messages of one role by blank lines, for example after failed turns. Question
// returns the last of these.
func Question(messages []Message) string {
	for _, m := range slices.Backward(messages) {
		if m.Role == "user" {
			return m.Content[strings.LastIndex("\n\n"+m.Content, "\n\n"):]
		}
	}
	return ""
}

// lastTurn returns the question, and the prefix if the prompt ends with one.
func lastTurn(messages []Message) (question, prefix string) {
	if n := len(messages); n > 0 && messages[n-1].Role == "assistant" {
		prefix = messages[n-1].Content
	}
	return Question(messages), prefix
}

// continueAfter returns the pieces after the prefix, cutting a piece if the
// prefix ends within it. If the prefix is not the beginning of the text, it
// returns all pieces, so that the client receives a text that does not fit.
func continueAfter(pieces []string, prefix string) []string {
	if !strings.HasPrefix(strings.Join(pieces, ""), prefix) {
		return pieces
	}
	left := len(prefix)
	for i, p := range pieces {
		if left < len(p) {
			return append([]string{p[left:]}, pieces[i+1:]...)
		}
		left -= len(p)
	}
	return nil
}

type usage struct {
	Prompt     int `json:"prompt_tokens"`
	Completion int `json:"completion_tokens"`
	Total      int `json:"total_tokens"`
}

// usageOf counts words as tokens.
func usageOf(messages []Message, pieces []string) usage {
	u := usage{Completion: len(pieces)}
	for _, m := range messages {
		u.Prompt += len(strings.Fields(m.Content))
	}
	u.Total = u.Prompt + u.Completion
	return u
}

func (s *Server) whole(ctx context.Context, w http.ResponseWriter, req Request, d expect.Directives, pieces []string, u usage) error {
	for i := range pieces {
		if d.Stall == i {
			return silence(ctx)
		}
		if d.Truncate == i {
			return errTruncated
		}
		if !sleep.For(ctx, d.Delay) {
			return ctx.Err()
		}
	}
	writeJSON(w, http.StatusOK, map[string]any{
		"id": "chatcmpl-fake", "object": "chat.completion", "created": time.Now().Unix(), "model": req.Model,
		"choices": []any{map[string]any{
			"index": 0, "finish_reason": finishOf(d),
			"message": Message{Role: "assistant", Content: strings.Join(pieces, "")},
		}},
		"usage": u,
	})
	return ctx.Err()
}

func finishOf(d expect.Directives) string {
	if d.Finish != "" {
		return d.Finish
	}
	return "stop"
}

// silence blocks until the client disconnects.
func silence(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

func writeError(w http.ResponseWriter, status int, text string) {
	writeJSON(w, status, map[string]any{"error": map[string]any{
		"message": text, "type": "fake_error", "param": nil, "code": nil,
	}})
}
