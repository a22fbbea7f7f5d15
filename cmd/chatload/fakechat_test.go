package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/golang-jwt/jwt/v5"
	"github.com/gorilla/websocket"

	"chatbox/cmd/chatload/client"
	"chatbox/cmd/chatload/expect"
)

const testSecret = "load-test-secret-of-32-characters!"

// chat is a single-process server that implements the part of the contract that
// the load uses, and can violate it in one way. One lock guards everything.
type chat struct {
	*httptest.Server

	fault string // lose, twice, hole, text, final, silent, forget, or empty
	delay time.Duration

	mu       sync.Mutex
	sessions map[string]*room
	sockets  int
	wg       sync.WaitGroup
	stop     context.CancelFunc
}

// room is one session.
type room struct {
	owner   string
	events  []client.Frame // seq i+1
	byID    map[string]int64
	members map[*wire]int64 // greatest seq each was sent
	queue   []string        // message ids to answer
	open    *generation
	last    client.Frame // newest final
	ended   bool
}

type generation struct {
	id, to string
	text   string
	index  int
	cancel bool
}

// wire is one socket: frames go through a queue that one writer empties.
type wire struct {
	user string
	out  chan client.Frame // bounded: a test that fills it hangs visibly
	last string            // session attached last
}

func newChat(t *testing.T, fault string) *chat {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	c := &chat{fault: fault, delay: time.Millisecond, sessions: map[string]*room{}, stop: stop}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /chatbox/ws", func(w http.ResponseWriter, r *http.Request) { c.socket(ctx, w, r) })
	mux.HandleFunc("GET /chatbox/sessions/{id}", c.history)
	mux.HandleFunc("POST /chatbox/sessions/{id}/end", c.end)
	mux.HandleFunc("GET /chatbox/metrics/prometheus", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, "# HELP x y\ngo_goroutines 7\nprocess_resident_memory_bytes %e\n", 5e7+1e4*float64(c.count()))
	})
	c.Server = httptest.NewServer(mux)
	t.Cleanup(func() {
		stop()
		c.Close()
		c.wg.Wait()
	})
	return c
}

func (c *chat) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.sockets
}

func user(r *http.Request) string {
	token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	if _, bearer, ok := strings.Cut(r.Header.Get("Sec-Websocket-Protocol"), ", bearer."); ok {
		token = bearer
	}
	if q := r.URL.Query().Get("token"); q != "" {
		token = q
	}
	parsed, err := jwt.Parse(token, func(*jwt.Token) (any, error) { return []byte(testSecret), nil }, jwt.WithExpirationRequired())
	if err != nil {
		return ""
	}
	id, _ := parsed.Claims.(jwt.MapClaims)["user_id"].(string)
	return id
}

func (c *chat) socket(ctx context.Context, w http.ResponseWriter, r *http.Request) {
	who := user(r)
	if who == "" {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	up := websocket.Upgrader{Subprotocols: []string{"chatbox.v1"}}
	ws, err := up.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	defer ws.Close()
	s := &wire{user: who, out: make(chan client.Frame, 2000)}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { ws.Close() })
	defer stop()
	var writer sync.WaitGroup
	writer.Go(func() {
		for {
			select {
			case f := <-s.out:
				if ws.WriteJSON(f) != nil {
					return
				}
			case <-ctx.Done():
				return
			}
		}
	})
	c.greet(s, r)
	for {
		var f client.Frame
		_, text, err := ws.ReadMessage()
		if err != nil || json.Unmarshal(text, &f) != nil {
			break
		}
		c.command(ctx, s, f)
	}
	c.leave(s)
	cancel()
	writer.Wait()
}

func (c *chat) greet(s *wire, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sockets++
	id := r.URL.Query().Get("session_id")
	s.out <- client.Frame{
		Type: client.TypeConnectionStatus, SessionID: id, UserID: s.user, Models: []client.Model{{ID: "m", Name: "M"}},
		Metadata: map[string]string{"connection_id": "c", "pod": "p", "protocol": "1"},
	}
	if id != "" {
		last, _ := strconv.ParseInt(r.URL.Query().Get("last_seq"), 10, 64)
		c.resumeLocked(s, id, last)
	}
}

func (c *chat) leave(s *wire) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sockets--
	for _, r := range c.sessions {
		delete(r.members, s)
	}
}

// roomLocked finds or reserves a session.
func (c *chat) roomLocked(id, owner string) *room {
	r := c.sessions[id]
	if r == nil {
		r = &room{owner: owner, byID: map[string]int64{}, members: map[*wire]int64{}}
		c.sessions[id] = r
	}
	return r
}

func (c *chat) resumeLocked(s *wire, id string, last int64) {
	r := c.roomLocked(id, s.user)
	s.last = id
	for _, e := range r.events[last:] {
		if c.fault == "forget" {
			continue
		}
		if e.Type == client.TypeAIResponse {
			e.Metadata = map[string]string{"streaming": "false", "done": "true", "finish": e.Metadata["finish"], "reply_to": e.Metadata["reply_to"]}
		}
		s.out <- e
	}
	if g := r.open; g != nil {
		f := g.frame(id)
		f.Content, f.Metadata["snapshot"] = g.text, "true"
		s.out <- f
	}
	head := int64(len(r.events))
	r.members[s] = head
	s.out <- client.Frame{Type: client.TypeResumed, SessionID: id, Seq: head, Metadata: map[string]string{"recovered": "true"}}
}

func (g *generation) frame(session string) client.Frame {
	return client.Frame{Type: client.TypeAIResponse, ID: g.id, SessionID: session, Sender: "ai", Metadata: map[string]string{
		"streaming": "true", "done": "false", "attempt": "1", "index": strconv.Itoa(g.index), "reply_to": g.to,
	}}
}

func (c *chat) command(ctx context.Context, s *wire, f client.Frame) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if f.SessionID == "" {
		f.SessionID = s.last
	}
	r := c.roomLocked(f.SessionID, s.user)
	switch f.Type {
	case client.TypeResume:
		c.resumeLocked(s, f.SessionID, f.Seq)
	case client.TypeCancel:
		if r.open != nil {
			r.open.cancel = true
		}
	case client.TypeRetry:
		if q := r.last.Metadata["reply_to"]; r.open == nil && r.last.Metadata["finish"] == "cancelled" {
			r.queue = append(r.queue, q)
			c.answerNextLocked(ctx, f.SessionID, r)
		}
	case client.TypeUserMessage, client.TypeModelSelect:
		c.postLocked(ctx, s, r, f)
	}
}

func stampNow() string { return time.Now().UTC().Format("2006-01-02T15:04:05.000Z") }

func ackFrame(f client.Frame, seq int64) client.Frame {
	return client.Frame{Type: client.TypeAck, ID: f.ID, SessionID: f.SessionID, Seq: seq, Timestamp: stampNow()}
}

func (c *chat) postLocked(ctx context.Context, s *wire, r *room, f client.Frame) {
	if seq, ok := r.byID[f.ID]; ok {
		a := ackFrame(f, seq)
		a.Metadata = map[string]string{"duplicate": "true"}
		s.out <- a
		return
	}
	f.Sender = "user"
	c.appendLocked(r, f, s)
	if f.Type == client.TypeUserMessage && c.fault != "silent" {
		r.queue = append(r.queue, f.ID)
		c.answerNextLocked(ctx, f.SessionID, r)
	}
}

// appendLocked gives an event its place and shows it to every member, to its sender as an ack.
func (c *chat) appendLocked(r *room, f client.Frame, from *wire) client.Frame {
	f.Seq, f.Timestamp = int64(len(r.events)+1), stampNow()
	r.events = append(r.events, f)
	r.byID[f.ID] = f.Seq
	for m := range r.members {
		switch {
		case m == from:
			m.out <- ackFrame(f, f.Seq)
		case c.fault == "hole" && f.Seq == 3:
		default:
			m.out <- c.live(f)
			if c.fault == "twice" && f.Seq == 3 {
				m.out <- c.live(f)
			}
		}
		r.members[m] = f.Seq
	}
	return f
}

// live is the form in which an event follows what was shown before.
func (c *chat) live(f client.Frame) client.Frame {
	if f.Type == client.TypeAIResponse {
		f.Content = ""
	}
	return f
}

func (c *chat) answerNextLocked(ctx context.Context, session string, r *room) {
	if r.open != nil || len(r.queue) == 0 {
		return
	}
	to := r.queue[0]
	r.queue = r.queue[1:]
	question := r.events[r.byID[to]-1].Content
	g := &generation{id: "ans_" + client.NewID(), to: to, index: -1}
	r.open = g
	c.wg.Go(func() { c.generate(ctx, session, r, g, expect.Pieces(question)) })
}

// generate sends the pieces and the final, then starts the next answer.
func (c *chat) generate(ctx context.Context, session string, r *room, g *generation, pieces []string) {
	tick := time.NewTicker(c.delay)
	defer tick.Stop()
	finish := "stop"
	for i, p := range pieces {
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
		if c.fault == "text" && i == 2 {
			p = "wrong "
		}
		c.mu.Lock()
		if g.cancel {
			c.mu.Unlock()
			finish = "cancelled"
			break
		}
		g.text, g.index = g.text+p, g.index+1
		f := g.frame(session)
		f.Content = p
		for m := range r.members {
			m.out <- f
		}
		c.mu.Unlock()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	f := g.frame(session)
	f.Content = g.text
	f.Metadata["done"], f.Metadata["finish"] = "true", finish
	f.Metadata["length"] = strconv.Itoa(utf8.RuneCountInString(g.text))
	r.last = c.appendLocked(r, f, nil)
	if c.fault == "final" {
		f.ID += "again"
		c.appendLocked(r, f, nil)
	}
	r.open = nil
	c.answerNextLocked(context.WithoutCancel(ctx), session, r)
}

func (c *chat) history(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.sessions[r.PathValue("id")]
	if s == nil || s.owner != user(r) {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	after, _ := strconv.ParseInt(r.URL.Query().Get("after_seq"), 10, 64)
	page := client.Page{SessionID: r.PathValue("id"), HeadSeq: int64(len(s.events))}
	for _, e := range s.events[after:] {
		if c.fault == "lose" && e.Seq == 3 {
			continue
		}
		m := client.Message{ID: e.ID, Seq: e.Seq, Type: e.Type, Sender: e.Sender, Content: e.Content, Status: "complete"}
		if e.Metadata["finish"] == "cancelled" {
			m.Status = "cancelled"
		}
		page.Messages = append(page.Messages, m)
	}
	_ = json.NewEncoder(w).Encode(page)
}

func (c *chat) end(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sessions[r.PathValue("id")].ended = true
	fmt.Fprint(w, `{"status":"ended"}`)
}
