package cluster

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"chatbox/app/devstack"
	"chatbox/cmd/chatload/client"
	"chatbox/cmd/chatload/ledger"
	"chatbox/providers/llm"
	"chatbox/test/fakeopenai"
)

// difyVendor is a Dify application that says what the question asks for: a
// question with "bad" is answered by words that are withdrawn.
type difyVendor struct {
	*httptest.Server
	mu      sync.Mutex // guards queries
	queries []string
	said    chan struct{} // receives when words were said that are to be withdrawn
	let     chan struct{} // lets the withdrawal go ahead
}

func newDifyVendor(t *testing.T) *difyVendor {
	t.Helper()
	v := &difyVendor{said: make(chan struct{}, 8), let: make(chan struct{})}
	v.Server = httptest.NewServer(http.HandlerFunc(v.serve))
	t.Cleanup(v.Close)
	return v
}

func (v *difyVendor) serve(w http.ResponseWriter, r *http.Request) {
	if strings.HasSuffix(r.URL.Path, "/stop") {
		return
	}
	var body struct {
		Query string `json:"query"`
	}
	raw, _ := io.ReadAll(r.Body)
	_ = json.Unmarshal(raw, &body)
	v.mu.Lock()
	v.queries = append(v.queries, body.Query)
	v.mu.Unlock()
	w.Header().Set("Content-Type", "text/event-stream")
	say := func(event, text string) {
		answer, _ := json.Marshal(text)
		_, _ = fmt.Fprintf(w, "data: {\"event\":%q,\"task_id\":\"t\",\"answer\":%s}\n\n", event, answer)
		w.(http.Flusher).Flush()
	}
	if strings.HasSuffix(body.Query, "bad") {
		say("message", "Something terrible ")
		say("message", "and worse")
		v.said <- struct{}{}
		select {
		case <-v.let:
		case <-r.Context().Done():
			return
		}
		say("message_replace", "I must not say that.")
	} else {
		say("message", "All is well.")
	}
	_, _ = io.WriteString(w, "data: {\"event\":\"message_end\",\"task_id\":\"t\",\"metadata\":{}}\n\n")
}

func (v *difyVendor) asked() string {
	v.mu.Lock()
	defer v.mu.Unlock()
	return strings.Join(v.queries, "\n")
}

// models replaces the stack's models.
func models(t *testing.T, cfg llm.Config) func(*devstack.Config) {
	t.Helper()
	cfg.StreamTimeout, cfg.IdleTimeout = patience, patience
	m, err := llm.New(cfg, slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelError})))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	return func(c *devstack.Config) { c.LLM = m }
}

func (v *difyVendor) provider() llm.Provider {
	return llm.Provider{ID: "dify", Type: llm.TypeDify, Endpoint: v.URL, APIKey: llm.NewSecret("k")}
}

// Words that a vendor withdraws are shown no more, on any pod, and are in no
// history and no prompt.
func TestVendor_WithdrawnWordsAreNowhere(t *testing.T) {
	v := newDifyVendor(t)
	c := start(t, 2, models(t, llm.Config{Providers: []llm.Provider{v.provider()}}))
	a, b := c.device("ada", "s-1", c.podURL(0)), c.device("ada", "s-1", c.podURL(1))
	id := c.say(a, "s-1", "bad")
	c.streaming(b, "s-1", id, len("Something terrible and worse"))
	close(v.let)
	for _, d := range []*client.Client{a, b} {
		if got := c.answered(d, "s-1", id); got != "I must not say that." {
			t.Errorf("shown %q", got)
		}
	}
	late := c.device("ada", "s-1", c.podURL(1))
	c.answered(late, "s-1", c.say(late, "s-1", "good"))
	answer := c.history("ada", "s-1")[1]
	if answer.Content != "I must not say that." || answer.Status != "complete" {
		t.Errorf("stored %q %s", answer.Content, answer.Status)
	}
	want := map[string]string{"attempt": "1", "index": "0", "finish": "stop", "length": "20", "tokens_estimated": "true"}
	for name, value := range want {
		if answer.Metadata[name] != value {
			t.Errorf("%s is %q", name, answer.Metadata[name])
		}
	}
	if strings.Contains(v.asked(), "terrible") || !strings.Contains(v.asked(), "Assistant: I must not say that.") {
		t.Errorf("asked %q", v.asked())
	}
	c.judge("ada", "s-1", nil, a, b)
}

// A takeover that meets a withdrawal closes the answer with what was visible.
func TestVendor_TakeoverBeforeTheWithdrawal(t *testing.T) {
	v := newDifyVendor(t)
	c := start(t, 2, models(t, llm.Config{Providers: []llm.Provider{v.provider()}}))
	a, b := c.device("ada", "s-1", c.podURL(0)), c.device("ada", "s-1", c.podURL(1))
	id := c.say(a, "s-1", "bad")
	c.streaming(b, "s-1", id, len("Something terrible and worse"))
	bob := c.admin("bob", c.podURL(0))
	c.sees(bob, "s-1", "ack of the takeover", ackOf(c.frame(bob, "admin_join", "s-1")))
	close(v.let)
	for _, d := range []*client.Client{a, b} {
		if got := c.answered(d, "s-1", id); got != "Something terrible and worse" {
			t.Errorf("shown %q", got)
		}
	}
	final := c.history("ada", "s-1")[1]
	if final.Metadata["finish"] != "taken_over" || final.Metadata["tokens_estimated"] != "true" ||
		final.Metadata["tokens_completion"] != "7" || final.Metadata["tokens_prompt"] == "" {
		t.Errorf("stored %v", final.Metadata)
	}
	c.judge("ada", "s-1", nil, a, b)
}

// The model that steps in is named by pieces, finals, snapshots and the
// history, also where the answer is closed by another pod.
func TestVendor_TheFallbackIsNamed(t *testing.T) {
	broken := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "data: {\"error\":{\"message\":\"no\",\"type\":\"invalid_request_error\"}}\n\n")
	}))
	t.Cleanup(broken.Close)
	spare := fakeopenai.New(fakeopenai.Config{}).Start()
	t.Cleanup(spare.Close)
	c := start(t, 2, models(t, llm.Config{
		Providers: []llm.Provider{
			{ID: "main", Type: llm.TypeOpenAI, Endpoint: broken.URL, Model: "m"},
			{ID: "spare", Type: llm.TypeOpenAI, Endpoint: spare.URL, Model: "m"},
		},
		Fallback: "spare",
	}))
	a, b := c.device("ada", "s-1", c.podURL(0)), c.device("ada", "s-1", c.podURL(1))
	whole := c.say(a, "s-1", "Hi [[words=5]]")
	if got := c.answered(b, "s-1", whole); got != fakeopenai.Expected("Hi [[words=5]]") {
		t.Errorf("shown %q", got)
	}
	cut := c.say(a, "s-1", "go on [[words=300 delay=10ms]]")
	c.streaming(b, "s-1", cut, 60)
	c.control(b, "cancel", "s-1")
	c.answered(a, "s-1", cut)
	for _, m := range c.history("ada", "s-1") {
		if m.Type != "ai_response" {
			continue
		}
		if m.ModelID != "spare" {
			t.Errorf("%s: answered by %q", m.ID, m.ModelID)
		}
		if _, estimated := m.Metadata["tokens_estimated"]; estimated != (m.Metadata["finish"] == "cancelled") {
			t.Errorf("%v", m.Metadata)
		}
	}
	for _, e := range b.Transcript() {
		f := e.Frame
		announced := f.Metadata["snapshot"] == "true" && f.Content == "" // to a device that joins before the first piece, as loading is
		if f.Type == "ai_response" && !announced && f.ModelID != "spare" {
			t.Errorf("%+v", f)
		}
	}
	c.judge("ada", "s-1", nil, a, b)
}

// Users receive the adapter's reason for a failure, and whether and when a repeat
// can help.
func TestVendor_FailuresSayWhatToDo(t *testing.T) {
	v := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		switch {
		case strings.Contains(string(body), "busy"):
			w.Header().Set("Retry-After", "120")
			w.WriteHeader(http.StatusTooManyRequests)
		case strings.Contains(string(body), "midway"):
			_, _ = io.WriteString(w, "data: {\"choices\":[{\"delta\":{\"content\":\"Well, \"}}]}\n\ndata: {\"error\":{\"code\":\"insufficient_quota\"}}\n\n")
		default:
			w.WriteHeader(http.StatusUnauthorized)
		}
	}))
	t.Cleanup(v.Close)
	for content, want := range map[string]client.WireError{
		"key":    {Code: "LLM_UNAVAILABLE", Message: "refuses the access key"},
		"busy":   {Code: "LLM_UNAVAILABLE", Message: "The model is busy.", Recoverable: true, RetryAfter: 120_000},
		"midway": {Code: "LLM_UNAVAILABLE", Message: "what was said is kept. The quota"},
	} {
		t.Run(content, func(t *testing.T) {
			c := start(t, 1, models(t, llm.Config{Providers: []llm.Provider{{ID: "m", Type: llm.TypeOpenAI, Endpoint: v.URL, Model: "m"}}}))
			d := c.device("ada", "s-1", c.podURL(0))
			c.say(d, "s-1", content)
			c.wait(d, "the failure", func(tr *client.Tracker) bool { return tr.Errors[want.Code] == 1 })
			for _, e := range d.Transcript() {
				got := e.Frame.Error
				if got != nil && (!strings.Contains(got.Message, want.Message) || got.Recoverable != want.Recoverable || got.RetryAfter != want.RetryAfter) {
					t.Errorf("%+v", got)
				}
			}
			if content == "midway" {
				c.judge("ada", "s-1", []ledger.Class{ledger.ErrorShown}, d)
			}
		})
	}
}
