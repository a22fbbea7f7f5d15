package browser

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/gorilla/websocket"
)

// fakeConn is one socket. Its writer goroutine is started by socket and ends with the queue, which only drop closes.
type fakeConn struct {
	ws       *websocket.Conn
	user     string
	pod      *fakePod
	out      chan frame // 4096 frames; a page that slow is cut
	attached map[string]bool
	last     string
	gone     bool
}

func (f *fake) socket(w http.ResponseWriter, r *http.Request) {
	token := ""
	for _, protocol := range websocket.Subprotocols(r) {
		if rest, ok := strings.CutPrefix(protocol, "bearer."); ok {
			token = rest
		}
	}
	user, ok := fakeUser(token)
	pod := f.pick()
	if !ok {
		refuse(w, http.StatusUnauthorized, "INVALID_TOKEN")
		return
	}
	if pod == nil {
		refuse(w, http.StatusServiceUnavailable, "DRAINING")
		return
	}
	up := websocket.Upgrader{Subprotocols: []string{"chatbox.v1"}}
	ws, err := up.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	c := &fakeConn{ws: ws, user: user, pod: pod, out: make(chan frame, 4096), attached: map[string]bool{}}
	f.work.Add(1)
	defer f.work.Done()
	wrote := make(chan struct{})
	go func() { // ends when drop closes the queue
		defer close(wrote)
		for one := range c.out {
			if ws.WriteJSON(one) != nil {
				c.cut()
			}
		}
	}()
	f.greet(c, r)
	f.read(c) //nolint:contextcheck // an answer outlives the socket that asked for it
	f.drop(c)
	<-wrote
	c.cut()
}

// pick is the balancer, without affinity: it returns the next running pod.
func (f *fake) pick() *fakePod {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.refuse {
		return nil
	}
	for range f.pods {
		f.next++
		if pod := f.pods[f.next%len(f.pods)]; pod.state == "running" {
			return pod
		}
	}
	return nil
}

func (f *fake) greet(c *fakeConn, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.conns[c] = true
	f.made++
	id := r.URL.Query().Get("session_id")
	c.sendLocked(frame{
		"type": "connection_status", "session_id": id, "user_id": c.user, "sender": "system",
		"models":   []frame{{"id": "scripted", "name": "Scripted"}, {"id": "scripted-terse", "name": "Scripted, terse"}},
		"metadata": frame{"connection_id": fmt.Sprintf("conn-%d", f.made), "pod": c.pod.id, "protocol": "1"},
	})
	if id != "" {
		since, err := strconv.Atoi(r.URL.Query().Get("last_seq"))
		if err != nil {
			since = len(f.sessionLocked(id).events)
		}
		f.resumeLocked(c, id, since)
	}
}

func (f *fake) read(c *fakeConn) {
	for {
		var in frame
		if err := c.ws.ReadJSON(&in); err != nil {
			return
		}
		f.mu.Lock()
		f.commandLocked(c, in)
		f.mu.Unlock()
	}
}

func (f *fake) drop(c *fakeConn) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.conns, c)
	c.gone = true
	close(c.out)
}

// cut ends the socket without a word.
func (c *fakeConn) cut() { _ = c.ws.NetConn().Close() } // closing twice is the only failure

func (c *fakeConn) sendLocked(one frame) {
	if c.gone {
		return
	}
	select {
	case c.out <- one:
	default:
		c.cut()
	}
}

// sessionLocked returns a session, or a blank one that exists only once it has an event.
func (f *fake) sessionLocked(id string) *fakeSession {
	if s := f.sessions[id]; s != nil {
		return s
	}
	return &fakeSession{id: id, status: "active", seen: map[string]int{}, scratched: map[string]int{}, model: "scripted"}
}

func (f *fake) resumeLocked(c *fakeConn, id string, since int) {
	s := f.sessionLocked(id)
	switch {
	case s.status == "erased":
		c.sendLocked(fault("NOT_FOUND", "session_id is erased", false, frame{"session_id": id}))
		return
	case s.owner != "" && s.owner != c.user:
		c.sendLocked(fault("UNAUTHORIZED", "session_id is not yours", false, frame{"session_id": id}))
		return
	}
	c.attached[id], c.last = true, id
	recovered := since <= len(s.events)
	if recovered {
		for _, event := range s.events[since:] {
			c.sendLocked(event)
		}
	}
	if s.answer != nil {
		c.sendLocked(s.answer.piece(id, s.answer.text, true))
	}
	c.sendLocked(frame{"type": "resumed", "session_id": id, "seq": len(s.events), "metadata": frame{"recovered": strconv.FormatBool(recovered)}})
}

func (f *fake) commandLocked(c *fakeConn, in frame) {
	id := str(in["session_id"])
	if id == "" {
		id = c.last
	}
	s := f.sessionLocked(id)
	switch str(in["type"]) {
	case "ping":
		c.sendLocked(frame{"type": "pong"})
	case "resume":
		seq, _ := in["seq"].(float64)
		f.resumeLocked(c, id, int(seq))
	case "typing_indicator":
		f.fanLocked(s, frame{"type": "typing_indicator", "session_id": id, "sender": "user", "metadata": in["metadata"]}, c)
	case "cancel":
		if s.answer != nil {
			s.answer.cancel()
			f.finishLocked(s, s.answer, "cancelled")
		}
	case "retry":
		f.retryLocked(c, s, in)
	case "user_message", "model_select", "help_request":
		f.durableLocked(c, s, in)
	}
}

func (f *fake) durableLocked(c *fakeConn, s *fakeSession, in frame) {
	id, content := str(in["id"]), str(in["content"])
	echo := frame{"id": id, "session_id": s.id}
	if seq, again := s.seen[id]; again {
		f.repeats++
		c.sendLocked(frame{"type": "ack", "id": id, "session_id": s.id, "seq": seq, "timestamp": stamp(time.Now()), "metadata": frame{"duplicate": "true"}})
		return
	}
	switch {
	case s.status == "ended":
		c.sendLocked(fault("SESSION_ENDED", "This session has ended.", false, echo))
		return
	case strings.HasPrefix(content, "busy") && s.scratched[id] < 1:
		s.scratched[id]++
		f.sessions[s.id] = s
		s.owner, s.activity = c.user, time.Now()
		c.sendLocked(fault("TOO_MANY_REQUESTS", "Too many messages; wait a moment.", true, echo))
		return
	case f.noHelp && in["type"] == "help_request":
		c.sendLocked(fault("SERVICE_ERROR", "Nobody can be asked.", false, echo))
		return
	case strings.HasPrefix(content, "reject"):
		c.sendLocked(fault("INVALID_FORMAT", "content cannot be taken", false, echo))
		return
	}
	if s.owner == "" {
		s.owner, s.name, f.sessions[s.id] = c.user, firstLine(content), s
	}
	if str(in["type"]) == "model_select" {
		s.model = str(in["model_id"])
	}
	c.attached[s.id] = true
	event := frame{"type": in["type"], "id": id, "sender": "user", "content": content, "model_id": in["model_id"], "metadata": frame{}}
	f.appendLocked(s, event, c)
	s.seen[id] = len(s.events)
	if str(in["type"]) == "user_message" && !f.mute {
		s.turns = append(s.turns, id)
		f.nextTurnLocked(s, content)
	}
}

// appendLocked gives an event its seq and tells everyone attached: its own socket by an ack.
func (f *fake) appendLocked(s *fakeSession, event frame, from *fakeConn) {
	s.activity = time.Now()
	event["session_id"], event["seq"], event["timestamp"] = s.id, len(s.events)+1, stamp(s.activity)
	if event["status"] == nil {
		event["status"] = "complete"
	}
	s.events = append(s.events, event)
	f.fanLocked(s, event, from)
	if from != nil {
		from.sendLocked(frame{"type": "ack", "id": event["id"], "session_id": s.id, "seq": event["seq"], "timestamp": event["timestamp"], "metadata": frame{}})
	}
}

func (f *fake) fanLocked(s *fakeSession, one frame, but *fakeConn) {
	for conn := range f.conns {
		if conn != but && conn.attached[s.id] {
			conn.sendLocked(one)
		}
	}
}

func fault(code, message string, recoverable bool, echo frame) frame {
	detail := frame{"code": code, "message": message, "recoverable": recoverable}
	if code == "TOO_MANY_REQUESTS" {
		detail["retry_after"] = 300
	}
	echo["type"], echo["error"], echo["sender"] = "error", detail, "system"
	return echo
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	if runes := []rune(line); len(runes) > 60 {
		return string(runes[:60])
	}
	return line
}
