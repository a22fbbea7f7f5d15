package llm

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"chatbox"
	"chatbox/providers/internal/vendorapi"
)

const (
	difyEndpoint    = "https://api.dify.ai/v1"
	difyUser        = "chatbox" // Dify requires a user; the names of our users are not disclosed
	difyStopTimeout = 5 * time.Second
)

// newDify returns a function that opens answers of a Dify chat application. The
// application has its own model, prompt and memory. Sessions outlive that memory
// and may change models, so each question starts a new Dify conversation and
// contains the earlier messages. The system prompt is sent as the input "system",
// for applications with such a variable.
//
// Closing the connection does not end an answer at Dify. If the stream is closed
// early, a goroutine asks Dify to stop the answer; the caller waits for it with
// after.
func newDify(p Provider, g *guard, after *sync.WaitGroup) (func(context.Context, chatbox.Prompt) (source, error), error) {
	to, err := resolveAnswers(TypeDify, p.Endpoint)
	if err != nil {
		return nil, err
	}
	d := &dify{
		to: to, guard: g, after: after, extra: p.Extra, roles: p.settings().roles,
		header: p.Headers.over(vendorapi.Bearer(p.APIKey, false)), user: difyUser,
	}
	if user, ok := p.Extra["user"].(string); ok {
		d.user = user // the stop request must name the same user as the question
	}
	return d.open, nil
}

type dify struct {
	to     vendorapi.Endpoint
	header http.Header
	extra  Extra
	roles  string
	user   string
	guard  *guard
	after  *sync.WaitGroup
}

type difyRequest struct {
	Inputs       map[string]string `json:"inputs"`
	Query        string            `json:"query"`
	ResponseMode string            `json:"response_mode"`
	User         string            `json:"user"`
	AutoName     bool              `json:"auto_generate_name"`
	Files        []difyFile        `json:"files,omitempty"`
}

func (d *dify) open(ctx context.Context, prompt chatbox.Prompt) (source, error) {
	inputs, query := difyQuestion(prompt, d.roles)
	files, err := d.upload(ctx, prompt.Pictures())
	if err != nil {
		return source{}, err
	}
	req, err := d.extra.into(difyRequest{Inputs: inputs, Query: query, ResponseMode: "streaming", User: d.user, Files: files})
	if err != nil {
		return source{}, err
	}
	body, err := d.guard.post(ctx, d.to.String(), d.header, req)
	if err != nil {
		return source{}, err
	}
	s := &difyStream{events: newEvents(body), key: d.guard.key}
	return source{next: apart(s.next), close: func() {
		_ = body.Close()
		if task := vendorapi.CleanCode(s.task, d.guard.key); task != "" && !s.over {
			d.after.Go(func() { d.stop(context.WithoutCancel(ctx), task) })
		}
	}}, nil
}

// stop asks Dify to end a running answer. It ignores errors.
func (d *dify) stop(ctx context.Context, task string) {
	defer func() { _ = recover() }() // the outcome does not matter
	ctx, cancel := context.WithTimeout(ctx, difyStopTimeout)
	defer cancel()
	body, err := d.guard.post(ctx, d.to.Below(task, "stop"), d.header, map[string]string{"user": d.user})
	if err == nil {
		_ = body.Close()
	}
}

// difyQuestion converts a prompt to inputs and one question.
func difyQuestion(p chatbox.Prompt, roles string) (inputs map[string]string, query string) {
	inputs = map[string]string{}
	t := arrange(p, RolesSystem)
	last := len(t.lines) - 1
	query = t.lines[last].Content
	if last > 0 {
		var before strings.Builder
		for _, l := range t.lines[:last] {
			speaker := "User"
			if l.Role == chatbox.RoleAssistant {
				speaker = "Assistant"
			}
			fmt.Fprintf(&before, "%s: %s\n", speaker, l.Content)
		}
		query = "What was said so far:\n\n" + before.String() + "\nNow answer this:\n\n" + query
	}
	switch {
	case t.system == "":
	case roles == RolesMerged:
		query = t.system + "\n\n" + query
	default:
		inputs["system"] = t.system
	}
	return inputs, query
}
