package receivers

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
)

// Request is one request as the receiver took it.
type Request struct {
	Path   string
	Header http.Header
	Body   string
	Taken  bool // answered 200
}

// WebServer takes requests: a webhook's, a text-message service's, a chat's.
type WebServer struct {
	// Answer, if set, gives the status of the nth request; it may block.
	Answer func(w http.ResponseWriter, r *http.Request, nth int) int

	URL string

	server *httptest.Server
	mu     sync.Mutex // guards requests
	got    []Request
}

// Start serves on the address, or any where it is empty, until the test ends.
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

// Requests are all that came, in order.
func (s *WebServer) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Request(nil), s.got...)
}

// Taken are those that were answered 2xx.
func (s *WebServer) Taken() []Request {
	var taken []Request
	for _, r := range s.Requests() {
		if r.Taken {
			taken = append(taken, r)
		}
	}
	return taken
}
