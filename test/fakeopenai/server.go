// Package fakeopenai is an OpenAI-compatible model vendor over HTTP for tests: its answers are
// a function of the last user message, and the message itself can ask for the vendor's faults.
package fakeopenai

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"time"

	"chatbox/cmd/chatload/expect"
)

// keptRequests bounds how many requests are remembered for Requests.
const keptRequests = 1000

// Config of a fake vendor. The zero value serves at once, without delay and without a key.
type Config struct {
	Delay  time.Duration // between two pieces, where the message does not say otherwise
	APIKey string        // required as bearer token when not empty

	Window      int  // tokens of prompt and answer together, beyond which a request is refused; 0: no limit
	StrictRoles bool // user and assistant must alternate, behind one system message at the most
}

// Stats counts requests. Running ones are in no other count but Started.
type Stats struct {
	Started   int `json:"started"`
	Running   int `json:"running"`
	Finished  int `json:"finished"`  // sent to the end
	Cancelled int `json:"cancelled"` // the caller went away first
	Failed    int `json:"failed"`    // failed on purpose: status or truncated
	Refused   int `json:"refused"`   // for the window or the roles, as Config says
	Pieces    int `json:"pieces"`    // written, over all requests
}

// Message is one turn of a prompt.
type Message struct {
	Role    string `json:"role"`
	Content string `json:"content"`
}

// Request is what the fake keeps of one request.
type Request struct {
	Model         string    `json:"model"`
	Messages      []Message `json:"messages"`
	Stream        bool      `json:"stream"`
	MaxTokens     int       `json:"max_tokens"`
	StreamOptions struct {
		IncludeUsage bool `json:"include_usage"`
	} `json:"stream_options"`
}

// Server is a fake vendor. Its handler may be used by many requests at once.
type Server struct {
	cfg Config

	mu       sync.Mutex // guards following
	stats    Stats
	requests []Request
	faults   map[string]int // faults played so far by message, for times=
	changed  chan struct{}  // closed and replaced whenever stats change
}

// New returns a fake vendor that listens nowhere: use Handler or Start.
func New(cfg Config) *Server {
	return &Server{cfg: cfg, faults: map[string]int{}, changed: make(chan struct{})}
}

// Start serves the fake on a loopback port; the caller closes it. URL + "/v1" is the endpoint.
func (s *Server) Start() *httptest.Server { return httptest.NewServer(s.Handler()) }

// Expected is the whole text the fake answers to a user message.
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

// Stats returns the counts as they stand.
func (s *Server) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stats
}

// Requests returns the newest requests (at most a thousand), oldest first, as they were received.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

// Await returns once ok is true of the counts, or with the context's error.
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

// faulty reports whether the message's fault is still to be played, and counts it.
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
	_ = json.NewEncoder(w).Encode(v) // the caller went away: nobody to tell
}
