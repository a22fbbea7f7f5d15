package browser

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"chatbox/app/web"
)

const (
	fakePrefix    = "/chatbox"
	fakeLease     = 700 * time.Millisecond // how long a killed pod's answer waits for another
	fakePieceRate = 18 * time.Millisecond
)

type frame = map[string]any

// fake is three pods, one history and one model in one value: enough of the protocol for a page to be used and tested.
// One mutex guards everything; socket writers have their own bounded queues.
type fake struct {
	server *httptest.Server
	ctx    context.Context // ends the answers' goroutines
	stop   context.CancelFunc
	work   sync.WaitGroup // answers, sockets

	mu       sync.Mutex // guards following
	pods     []*fakePod
	next     int // round robin
	sessions map[string]*fakeSession
	conns    map[*fakeConn]bool
	made     int
	restart  bool // an answer that lost its pod starts again instead of continuing
	refuse   bool // no new sockets
	mute     bool // messages get no answer
	noHelp   bool // nobody can be asked for
	repeats  int  // frames answered as repeats
}

type fakePod struct {
	id    string
	state string // running, draining, stopped
}

type fakeSession struct {
	id, owner, name, status, model string
	events                         []frame
	seen                           map[string]int // sender and frame id → seq
	turns                          []string       // message ids waiting for an answer
	answer                         *fakeAnswer
	scratched                      map[string]int // refusals already given, by frame id
	activity                       time.Time
}

type fakeAnswer struct {
	id, replyTo, text, model string
	attempt, index           int
	pod                      *fakePod
	cancel                   context.CancelFunc
	finish                   string
}

func newFake(t *testing.T) *fake {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	f := &fake{ctx: ctx, stop: stop, sessions: map[string]*fakeSession{}, conns: map[*fakeConn]bool{}}
	for i := range 3 {
		f.pods = append(f.pods, &fakePod{id: fmt.Sprintf("pod-%d", i+1), state: "running"})
	}
	mux := http.NewServeMux()
	mux.Handle(fakePrefix+"/console/", web.Handler(fakePrefix+"/console"))
	mux.HandleFunc("GET "+fakePrefix+"/ws", f.socket)
	mux.HandleFunc("GET "+fakePrefix+"/sessions", f.user(f.listSessions))
	mux.HandleFunc("GET "+fakePrefix+"/sessions/{id}", f.user(f.readSession))
	mux.HandleFunc("PATCH "+fakePrefix+"/sessions/{id}", f.user(f.renameSession))
	mux.HandleFunc("DELETE "+fakePrefix+"/sessions/{id}", f.user(f.closeSession))
	mux.HandleFunc("POST "+fakePrefix+"/sessions/{id}/end", f.user(f.closeSession))
	mux.HandleFunc("GET "+fakePrefix+"/sessions/{id}/export", f.user(f.exportSession))
	mux.HandleFunc("GET "+fakePrefix+"/admin/cluster", f.user(f.cluster))
	mux.HandleFunc("GET /dev/pods", f.devPods)
	mux.HandleFunc("POST /dev/pods/{id}/{verb}", f.devAct)
	f.server = httptest.NewServer(mux)
	t.Cleanup(func() {
		stop()
		f.cutAll()
		f.server.Close()
		f.work.Wait()
	})
	return f
}

// link is what a development stack would print: a signed-in console for one user.
func (f *fake) link(user string, admin bool) string {
	link := f.server.URL + fakePrefix + "/console/#token=" + fakeToken(user)
	if admin {
		link += "&admin=" + fakeToken("operator", "admin")
	}
	return link
}

// fakeToken has a JWT's shape and no signature worth the name.
func fakeToken(user string, roles ...string) string {
	claims, err := json.Marshal(frame{"user_id": user, "roles": roles})
	if err != nil {
		panic(err)
	}
	part := base64.RawURLEncoding.EncodeToString
	return part([]byte(`{"alg":"HS256"}`)) + "." + part(claims) + "." + part([]byte("unsigned"))
}

func fakeUser(token string) (string, bool) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return "", false
	}
	body, err := base64.RawURLEncoding.DecodeString(parts[1])
	var claims struct {
		UserID string `json:"user_id"`
	}
	if err != nil || json.Unmarshal(body, &claims) != nil || claims.UserID == "" || claims.UserID == "expired" {
		return "", false
	}
	return claims.UserID, true
}

// ---- REST ----

func reply(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the page is gone: nobody to tell
}

func refuse(w http.ResponseWriter, status int, code string) {
	reply(w, status, frame{"error": code, "code": code, "message": code})
}

func (f *fake) user(next func(http.ResponseWriter, *http.Request, string)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		user, ok := fakeUser(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
		if !ok {
			refuse(w, http.StatusUnauthorized, "INVALID_TOKEN")
			return
		}
		f.mu.Lock()
		defer f.mu.Unlock()
		next(w, r, user)
	}
}

func (f *fake) ownLocked(w http.ResponseWriter, r *http.Request, user string) *fakeSession {
	s := f.sessions[r.PathValue("id")]
	if s == nil || s.owner != user || s.status == "erased" {
		refuse(w, http.StatusNotFound, "NOT_FOUND")
		return nil
	}
	return s
}

func (f *fake) listSessions(w http.ResponseWriter, _ *http.Request, user string) {
	list := []frame{}
	for _, s := range slices.SortedFunc(maps.Values(f.sessions), func(a, b *fakeSession) int { return b.activity.Compare(a.activity) }) {
		if s.owner == user && s.status != "erased" {
			list = append(list, frame{"id": s.id, "session_id": s.id, "user_id": user, "name": s.name, "status": s.status, "last_activity": stamp(s.activity)})
		}
	}
	reply(w, http.StatusOK, frame{"sessions": list, "user_id": user, "count": len(list), "limit": 50, "truncated": false, "next_cursor": ""})
}

func (f *fake) readSession(w http.ResponseWriter, r *http.Request, user string) {
	s := f.ownLocked(w, r, user)
	if s == nil {
		return
	}
	messages, truncated := s.events, false
	if before, err := strconv.Atoi(r.URL.Query().Get("before_seq")); err == nil {
		messages = messages[:max(0, before-1)]
	}
	if limit := 500; len(messages) > limit {
		messages, truncated = messages[len(messages)-limit:], true
	}
	reply(w, http.StatusOK, frame{"session_id": s.id, "name": s.name, "status": s.status, "head_seq": len(s.events), "messages": messages, "truncated": truncated})
}

func (f *fake) renameSession(w http.ResponseWriter, r *http.Request, user string) {
	s := f.ownLocked(w, r, user)
	var body struct{ Name string }
	if s == nil {
		return
	}
	if json.NewDecoder(r.Body).Decode(&body) != nil || body.Name == "" {
		refuse(w, http.StatusBadRequest, "INVALID_FORMAT")
		return
	}
	s.name = body.Name
	reply(w, http.StatusOK, frame{"session_id": s.id, "name": s.name})
}

// closeSession serves both POST …/end and DELETE.
func (f *fake) closeSession(w http.ResponseWriter, r *http.Request, user string) {
	s := f.ownLocked(w, r, user)
	if s == nil {
		return
	}
	if s.answer != nil {
		s.answer.cancel()
		f.finishLocked(s, s.answer, "cancelled")
	}
	event := frame{"type": "session_ended", "sender": "system", "metadata": frame{}}
	status := "ended"
	if r.Method == http.MethodDelete {
		status, event["metadata"] = "erased", frame{"reason": "erased"}
	}
	if s.status != status {
		f.appendLocked(s, event, nil)
		s.status = status
	}
	reply(w, http.StatusOK, frame{"status": status})
}

func (f *fake) exportSession(w http.ResponseWriter, r *http.Request, user string) {
	if s := f.ownLocked(w, r, user); s != nil {
		w.Header().Set("Content-Type", "text/markdown")
		for _, event := range s.events {
			_, _ = fmt.Fprintf(w, "%v: %v\n\n", event["sender"], event["content"]) // a download cut short shows in the browser
		}
	}
}

func (f *fake) cluster(w http.ResponseWriter, _ *http.Request, _ string) {
	pods := []frame{}
	for _, pod := range f.pods {
		connections, generations := 0, 0
		for conn := range f.conns {
			if conn.pod == pod {
				connections++
			}
		}
		for _, s := range f.sessions {
			if s.answer != nil && s.answer.pod == pod {
				generations++
			}
		}
		state := map[string]string{"running": "serving", "draining": "draining", "stopped": "dead"}[pod.state]
		pods = append(pods, frame{"id": pod.id, "version": "test", "state": state, "connections": connections, "generations": generations, "last_heartbeat": stamp(time.Now())})
	}
	reply(w, http.StatusOK, frame{"pods": pods})
}

// ---- the development stack's own switches ----

func (f *fake) devPods(w http.ResponseWriter, _ *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	list := []frame{}
	for _, pod := range f.pods {
		list = append(list, frame{"id": pod.id, "state": pod.state, "addr": "127.0.0.1:0"})
	}
	reply(w, http.StatusOK, list)
}

func (f *fake) devAct(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	at := slices.IndexFunc(f.pods, func(p *fakePod) bool { return p.id == r.PathValue("id") })
	if at < 0 {
		http.NotFound(w, r)
		return
	}
	pod := f.pods[at]
	switch r.PathValue("verb") {
	case "kill":
		pod.state = "stopped"
	case "drain":
		pod.state = "draining"
	case "start":
		pod.state = "running"
	}
	for conn := range f.conns {
		switch {
		case conn.pod != pod:
		case pod.state == "stopped":
			conn.cut()
		case pod.state == "draining":
			conn.sendLocked(frame{"type": "reconnect", "metadata": frame{"after_ms": "150"}})
		}
	}
	w.WriteHeader(http.StatusNoContent)
}

// told sends a notification to every socket that has a session.
func (f *fake) told(meta frame) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, s := range f.sessions {
		f.fanLocked(s, frame{"type": "notification", "session_id": s.id, "sender": "system", "metadata": meta}, nil)
	}
}

// cutAll closes every socket as a broken network does: no close frame.
func (f *fake) cutAll() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for conn := range f.conns {
		conn.cut()
	}
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z07:00") }

// str reads an absent field as empty, as the wire does.
func str(v any) string {
	s, _ := v.(string)
	return s
}
