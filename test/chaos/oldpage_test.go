package chaos

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// oldPage is a client of the service before this one: it appends what comes,
// knows no snapshots, and keeps what it shows when its connection breaks.
type oldPage struct {
	s *stage

	mu      sync.Mutex // guards following
	bubbles []string
	running string
}

// oldPage runs a page of the user's, which connects to the next address
// whenever its connection has ended, until the test ends.
func (s *stage) oldPage(user, session string, urls ...string) *oldPage {
	s.t.Helper()
	p := &oldPage{s: s}
	token, err := s.stack.Token(user, user)
	if err != nil {
		s.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(s.ctx)
	up, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		once := sync.OnceFunc(func() { close(up) })
		for n := 0; ctx.Err() == nil; n++ {
			address := strings.Replace(urls[n%len(urls)], "http", "ws", 1) + "/chatbox/ws?" +
				url.Values{"token": {token}, "session_id": {session}}.Encode()
			p.connect(ctx, address, once)
			wait(ctx, 100*time.Millisecond, nil)
		}
	}()
	s.t.Cleanup(func() { cancel(); <-done })
	<-up
	return p
}

// connect shows what one connection brings, until it ends. The library answers
// pings, as a browser does.
func (p *oldPage) connect(ctx context.Context, address string, attached func()) {
	ws, resp, err := websocket.DefaultDialer.DialContext(ctx, address, http.Header{"Origin": {"null"}})
	if err != nil {
		return
	}
	_ = resp.Body.Close()
	defer context.AfterFunc(ctx, func() { _ = ws.Close() })()
	defer func() { _ = ws.Close() }()
	for {
		_, text, err := ws.ReadMessage()
		if err != nil {
			return
		}
		p.receive(text, attached)
	}
}

func (p *oldPage) receive(text []byte, attached func()) {
	var f struct {
		Type     string            `json:"type"`
		Content  string            `json:"content"`
		Metadata map[string]string `json:"metadata"`
	}
	_ = json.Unmarshal(text, &f) // other frames are ignored
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case f.Type == "resumed":
		attached()
	case f.Type != "ai_response":
	case f.Metadata["streaming"] != "true":
		p.bubbles = append(p.bubbles, f.Content)
	default:
		p.running += f.Content
		if f.Metadata["done"] == "true" {
			if p.running != "" {
				p.bubbles = append(p.bubbles, p.running)
			}
			p.running = ""
		}
	}
}

// until waits for what the page shows.
func (p *oldPage) until(what string, ok func(p *oldPage) bool) {
	p.s.t.Helper()
	p.s.until(what, func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		return ok(p)
	})
}
