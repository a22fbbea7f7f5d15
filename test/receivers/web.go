package receivers

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
)

// Request is one received request.
type Request struct {
	Path   string
	Header http.Header
	Body   string
	Taken  bool // the response was a success
}

// WebServer receives requests to a webhook, a text-message service or a chat
// service.
type WebServer struct {
	// Answer, if set, returns the status of the nth request, counted from 1. It may
	// block.
	Answer func(w http.ResponseWriter, r *http.Request, nth int) int

	URL string

	server *httptest.Server
	mu     sync.Mutex // guards requests
	got    []Request
}

// Start serves until the test ends. An empty addr selects a free port on
// loopback.
func (s *WebServer) Start(t *testing.T, addr string) {
	t.Helper()
	s.server = httptest.NewUnstartedServer(http.HandlerFunc(s.take))
	if addr != "" {
		var lc net.ListenConfig
		l, err := lc.Listen(t.Context(), "tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		_ = s.server.Listener.Close()
		s.server.Listener = l
	}
	s.server.Start()
	s.URL = s.server.URL
	t.Cleanup(s.server.Close)
}

func (s *WebServer) take(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	s.mu.Lock()
	s.got = append(s.got, Request{Path: r.URL.Path, Header: r.Header.Clone(), Body: string(body)})
	nth := len(s.got)
	s.mu.Unlock()
	status := http.StatusOK
	if s.Answer != nil {
		status = s.Answer(w, r, nth)
	}
	s.mu.Lock()
	s.got[nth-1].Taken = status < 300
	s.mu.Unlock()
	w.WriteHeader(status)
}

// Requests returns all received requests in order.
func (s *WebServer) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Request(nil), s.got...)
}

// Taken returns the requests with a successful response.
func (s *WebServer) Taken() []Request {
	var taken []Request
	for _, r := range s.Requests() {
		if r.Taken {
			taken = append(taken, r)
		}
	}
	return taken
}
