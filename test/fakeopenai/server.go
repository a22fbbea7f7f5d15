// Package fakeopenai is an OpenAI-compatible model vendor over HTTP for tests.
// Its answers depend only on the last user message, and the message can request
// faults.
package fakeopenai

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"time"

	"chatbox/cmd/chatload/expect"
)

// keptRequests bounds the number of requests that the server stores for Requests.
const keptRequests = 1000

// Config configures a fake vendor. The zero value answers without delay and
// requires no key.
type Config struct {
	Delay  time.Duration // between two pieces, unless the message sets another one
	APIKey string        // required as bearer token; empty: no key is required

	Window      int  // maximum tokens of prompt and answer together; longer requests are refused; 0: no limit
	StrictRoles bool // user and assistant must alternate, after at most one system message
}

// Stats counts requests. A running request counts only in Started and Running.
type Stats struct {
	Started   int `json:"started"`
	Running   int `json:"running"`
	Finished  int `json:"finished"`  // sent completely
	Cancelled int `json:"cancelled"` // the client disconnected first
	Failed    int `json:"failed"`    // failed on purpose, by status or by truncation
	Refused   int `json:"refused"`   // refused because of Window or StrictRoles
	Pieces    int `json:"pieces"`    // pieces written in all requests
}

// Message is one turn of a prompt. Content given as parts is joined by blank lines.
type Message struct {
	Role     string   `json:"role"`
	Content  string   `json:"content"`
	Pictures []string `json:"-"` // URLs of the parts that are pictures, in order
}

// UnmarshalJSON accepts both forms of content.
func (m *Message) UnmarshalJSON(raw []byte) error {
	var parts struct {
		Role    string          `json:"role"`
		Content json.RawMessage `json:"content"`
	}
	if err := json.Unmarshal(raw, &parts); err != nil {
		return err
	}
	m.Role = parts.Role
	if len(parts.Content) == 0 || parts.Content[0] != '[' {
		return json.Unmarshal([]byte(cmp.Or(string(parts.Content), `""`)), &m.Content)
	}
	var list []struct {
		Type     string `json:"type"`
		Text     string `json:"text"`
		ImageURL struct {
			URL string `json:"url"`
		} `json:"image_url"`
	}
	if err := json.Unmarshal(parts.Content, &list); err != nil {
		return err
	}
	var said []string
	for _, p := range list {
		switch p.Type {
		case "text":
			said = append(said, p.Text)
		case "image_url":
			m.Pictures = append(m.Pictures, p.ImageURL.URL)
		default:
			return fmt.Errorf("unknown part %q", p.Type)
		}
	}
	m.Content = strings.Join(said, "\n\n")
	return nil
}

// Request holds the recorded fields of one request.
type Request struct {
	Model         string    `json:"model"`
	Messages      []Message `json:"messages"`
	Stream        bool      `json:"stream"`
	MaxTokens     int       `json:"max_tokens"`
	StreamOptions struct {
		IncludeUsage bool `json:"include_usage"`
	} `json:"stream_options"`
}

// Server is a fake vendor. It is safe for concurrent use.
type Server struct {
	cfg Config

	mu       sync.Mutex // guards following
	stats    Stats
	requests []Request
	faults   map[string]int // number of faults so far by message, for times=
	changed  chan struct{}  // closed and replaced on every change of stats
}

// New returns a fake vendor that does not listen. Use Handler or Start.
func New(cfg Config) *Server {
	return &Server{cfg: cfg, faults: map[string]int{}, changed: make(chan struct{})}
}

// Start serves the fake on a loopback port. The caller closes the returned
// server. Its URL + "/v1" is the endpoint.
func (s *Server) Start() *httptest.Server { return httptest.NewServer(s.Handler()) }

// Expected returns the fake's whole answer to a user message.
func Expected(userMessage string) string { return expect.Text(userMessage) }

// Handler serves /v1/chat/completions, /v1/models and /stats.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/chat/completions", s.completions)
	mux.HandleFunc("GET /v1/models", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, map[string]any{
			"object": "list",
			"data":   []map[string]any{{"id": "fake", "object": "model", "owned_by": "fakeopenai"}},
		})
	})
	mux.HandleFunc("GET /stats", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, s.Stats())
	})
	return mux
}

// Stats returns the current counts.
func (s *Server) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stats
}

// Requests returns the newest requests, oldest first, at most a thousand.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

// Await waits until ok returns true for the counts. It returns an error if ctx
// ends first.
func (s *Server) Await(ctx context.Context, ok func(Stats) bool) error {
	for {
		s.mu.Lock()
		stats, changed := s.stats, s.changed
		s.mu.Unlock()
		if ok(stats) {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (s *Server) count(change func(*Stats)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.stats)
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *Server) keep(r Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.requests) == keptRequests {
		s.requests = slices.Delete(s.requests, 0, 1)
	}
	s.requests = append(s.requests, r)
}

// faulty reports whether the fault of the message is due, and counts it.
func (s *Server) faulty(message string, times int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if times > 0 && s.faults[message] >= times {
		return false
	}
	if times > 0 {
		s.faults[message]++
	}
	return true
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // an error means that the client has disconnected
}
