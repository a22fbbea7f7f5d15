package llm

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"chatbox"
)

const (
	difyEndpoint    = "https://api.dify.ai/v1"
	difyUser        = "chatbox" // Dify wants one; ours are none of its business
	difyStopTimeout = 5 * time.Second
)

// newDify speaks to a Dify chat application. The application has a model and a
// prompt of its own, and a memory that only it can read; sessions here outlive
// it and may change models, so each question goes as a conversation of its own
// with what was said before it in the question. The system prompt goes as the
// input "system", for applications that have such a variable.
//
// A closed connection does not end an answer there: leaving one early asks
// Dify to stop it, in a goroutine that after waits for.
func newDify(p Provider, g *guard, after *sync.WaitGroup) (func(context.Context, chatbox.Prompt) (source, error), error) {
	base, err := baseURL(p.Endpoint, difyEndpoint)
	if err != nil {
		return nil, err
	}
	d := &dify{messages: base + "/chat-messages", guard: g, after: after, header: http.Header{
		"Authorization": {"Bearer " + p.APIKey.Reveal()},
	}}
	return d.open, nil
}

type dify struct {
	messages string
	header   http.Header
	guard    *guard
	after    *sync.WaitGroup
}

type difyRequest struct {
	Inputs       map[string]string `json:"inputs"`
	Query        string            `json:"query"`
	ResponseMode string            `json:"response_mode"`
	User         string            `json:"user"`
	AutoName     bool              `json:"auto_generate_name"`
}

func (d *dify) open(ctx context.Context, prompt chatbox.Prompt) (source, error) {
	inputs, query := difyQuestion(prompt.Lines)
	req := difyRequest{Inputs: inputs, Query: query, ResponseMode: "streaming", User: difyUser}
	body, err := d.guard.post(ctx, d.messages, d.header, req)
	if err != nil {
		return source{}, err
	}
	s := &difyStream{events: newEvents(body), key: d.guard.key}
	return source{next: apart(s.next), close: func() {
		_ = body.Close()
		if task := cleanCode(s.task, d.guard.key); task != "" && !s.over {
			d.after.Go(func() { d.stop(context.WithoutCancel(ctx), task) })
		}
	}}, nil
}

// stop ends an answer under way at Dify, as far as Dify listens.
func (d *dify) stop(ctx context.Context, task string) {
	defer func() { _ = recover() }() // nothing depends on the outcome
	ctx, cancel := context.WithTimeout(ctx, difyStopTimeout)
	defer cancel()
	body, err := d.guard.post(ctx, d.messages+"/"+url.PathEscape(task)+"/stop", d.header, map[string]string{"user": difyUser})
	if err == nil {
		_ = body.Close()
	}
}

// difyQuestion makes one question of a prompt.
func difyQuestion(lines []chatbox.Line) (inputs map[string]string, query string) {
	inputs = map[string]string{}
	var before strings.Builder
	for i, l := range lines {
		switch {
		case l.Role == chatbox.RoleSystem:
			inputs["system"] = l.Content
		case i == len(lines)-1:
			query = l.Content
		case l.Role == chatbox.RoleUser:
			fmt.Fprintf(&before, "User: %s\n", l.Content)
		default:
			fmt.Fprintf(&before, "Assistant: %s\n", l.Content)
		}
	}
	if before.Len() > 0 {
		query = "What was said so far:\n\n" + before.String() + "\nNow answer this:\n\n" + query
	}
	return inputs, query
}
