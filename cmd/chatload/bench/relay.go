package bench

import (
	"context"
	"encoding/json"
	"net/http"
	"sync"

	"github.com/gorilla/websocket"
	"github.com/redis/go-redis/v9"
)

// Relay passes frames between the sockets of a session, on any number of relays
// with the same Redis. It stores nothing, checks nothing, and promises no order
// and no delivery: it shows the least that a message can cost.
type Relay struct {
	rdb *redis.Client

	mu   sync.Mutex // guards subs
	subs map[string]*relayed
}

// relayed is a session with sockets here.
type relayed struct {
	sub   *redis.PubSub
	conns map[*relayConn]struct{}
}

type relayConn struct {
	ws *websocket.Conn
	mu sync.Mutex // one writer at a time
}

// NewRelay returns a relay over the Redis.
func NewRelay(rdb *redis.Client) *Relay { return &Relay{rdb: rdb, subs: map[string]*relayed{}} }

// ServeHTTP serves one socket until it ends.
func (r *Relay) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	upgrader := websocket.Upgrader{CheckOrigin: func(*http.Request) bool { return true }}
	ws, err := upgrader.Upgrade(w, req, nil)
	if err != nil {
		return // the upgrader has answered
	}
	c := &relayConn{ws: ws}
	defer func() { _ = ws.Close() }()
	session := req.URL.Query().Get("session_id")
	if err := r.join(req.Context(), session, c); err != nil {
		return
	}
	defer r.leave(session, c)
	for {
		_, message, err := ws.ReadMessage()
		if err != nil || !json.Valid(message) {
			return
		}
		if r.rdb.Publish(req.Context(), "relay:"+session, message).Err() != nil {
			return
		}
	}
}

func (r *Relay) join(ctx context.Context, session string, c *relayConn) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.subs[session]
	if s == nil {
		s = &relayed{sub: r.rdb.Subscribe(context.WithoutCancel(ctx), "relay:"+session), conns: map[*relayConn]struct{}{}}
		if _, err := s.sub.Receive(ctx); err != nil {
			_ = s.sub.Close() // was never used
			return err
		}
		r.subs[session] = s
		go r.pass(s) // ends with the subscription, which the last socket closes
	}
	s.conns[c] = struct{}{}
	return nil
}

func (r *Relay) leave(session string, c *relayConn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.subs[session]
	delete(s.conns, c)
	if len(s.conns) == 0 {
		delete(r.subs, session)
		_ = s.sub.Close() // nobody reads it any more
	}
}

func (r *Relay) pass(s *relayed) {
	for m := range s.sub.Channel() {
		r.mu.Lock()
		conns := make([]*relayConn, 0, len(s.conns))
		for c := range s.conns {
			conns = append(conns, c)
		}
		r.mu.Unlock()
		for _, c := range conns {
			c.mu.Lock()
			_ = c.ws.WriteMessage(websocket.TextMessage, []byte(m.Payload)) // a broken socket ends on its own read
			c.mu.Unlock()
		}
	}
}
