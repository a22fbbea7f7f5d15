package specs

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"chatbox"
	"chatbox/app/devstack"
	"chatbox/test/fakespeech"
	"chatbox/test/stack"
)

func TestMain(m *testing.M) {
	// The server of the standard library waits for half a second before it closes a
	// connection whose request it has not read to the end.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("net/http.(*conn).closeWriteAndWait"))
}

// Every wait is bounded; no test asserts a speed.
const patience = 2 * time.Minute

// world is a stack of two pods, and what was seen of it.
type world struct {
	t     *testing.T
	ctx   context.Context
	stack *devstack.Stack
	rec   *Recorder
	http  *http.Client
}

// said transcribes every recording by the same words.
type said string

func (s said) Transcribe(context.Context, chatbox.Recording) (chatbox.Transcript, error) {
	return chatbox.Transcript{Text: string(s), Language: "en"}, nil
}

// start brings up two pods; change may alter their configuration.
func start(t *testing.T, rec *Recorder, change ...func(*devstack.Config)) *world {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 4*patience)
	t.Cleanup(cancel)
	cfg := stack.Config(t, stack.Scripted("small", "Small"), stack.Scripted("large", "Large"))
	cfg.Pods, cfg.Logger = 2, slog.New(slog.DiscardHandler) // faults are part of the tests
	cfg.Voice.Speaker, cfg.Voice.Transcriber = fakespeech.Start(t).Speaker(t), said("Where is it?")
	for _, f := range change {
		f(&cfg)
	}
	pods := stack.Start(ctx, t, cfg)
	w := &world{t: t, ctx: ctx, stack: pods, rec: rec}
	base := &http.Transport{}
	w.http = &http.Client{Transport: rec.Transport(base)}
	t.Cleanup(base.CloseIdleConnections)
	return w
}

func (w *world) podURL(n int) string { return "http://" + w.stack.Pods()[n].Addr }

// person is somebody of a tenant.
type person struct {
	w          *world
	tenant, id string
	token      string
}

func (w *world) person(tenant, id string, roles ...string) person {
	return person{w, tenant, id, w.signed(tenant, id, time.Hour, roles...)}
}

func (w *world) signed(tenant, id string, life time.Duration, roles ...string) string {
	w.t.Helper()
	now := time.Now()
	claims := jwt.MapClaims{
		"user_id": id, "name": "Name of " + id, "roles": roles, "iat": now.Add(-time.Hour).Unix(), "exp": now.Add(life).Unix(),
	}
	if tenant != "" {
		claims["tenant"] = tenant
	}
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString(w.stack.Secret())
	require.NoError(w.t, err)
	return token
}

// answer is a response, read to its end.
type answer struct {
	status int
	header http.Header
	body   string
}

// member is a text in the response's JSON object.
func (a answer) member(t *testing.T, name string) string {
	t.Helper()
	var m map[string]any
	require.NoError(t, json.Unmarshal([]byte(a.body), &m), a.body)
	s, _ := m[name].(string)
	return s
}

// at makes a request at the n-th pod.
func (p person) at(n int, method, path, body string, header ...string) answer {
	p.w.t.Helper()
	a, err := p.ask(n, method, path, body, header...)
	require.NoError(p.w.t, err)
	return a
}

// ask is at for goroutines other than the test's own.
func (p person) ask(n int, method, path, body string, header ...string) (answer, error) {
	req, err := http.NewRequestWithContext(p.w.ctx, method, p.w.podURL(n)+prefix+path, strings.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	if p.token != "" {
		req.Header.Set("Authorization", "Bearer "+p.token)
	}
	if path == "/files" {
		req.Header.Set("Content-Type", multipartType)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := p.w.http.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, resp.Header, string(b)}, err
}

// want insists on the status.
func (p person) want(status int, method, path, body string, header ...string) answer {
	p.w.t.Helper()
	a := p.at(len(path)%2, method, path, body, header...)
	require.Equal(p.w.t, status, a.status, "%s %s %s: %s", p.id, method, path, a.body)
	return a
}

// socket is a connection that keeps all it receives.
type socket struct {
	w    *world
	ws   *websocket.Conn
	name string

	mu      sync.Mutex // guards following
	frames  []map[string]any
	texts   []string
	changed chan struct{}
	code    int // it was closed with; 0 while it is open
}

// dial opens a socket at the n-th pod; the answer is that of a refusal.
func (p person) dial(n int, query string, header http.Header) (*socket, answer) {
	t := p.w.t
	t.Helper()
	if header == nil {
		header = http.Header{"Authorization": {"Bearer " + p.token}}
	}
	ws, resp, err := websocket.DefaultDialer.DialContext(p.w.ctx, strings.Replace(p.w.podURL(n), "http", "ws", 1)+prefix+"/ws"+query, header)
	require.NotNil(t, resp, "%v", err)
	body, rerr := io.ReadAll(resp.Body)
	require.NoError(t, rerr)
	_ = resp.Body.Close()
	p.w.rec.Response(http.MethodGet, prefix+"/ws", resp.StatusCode, resp.Header, body)
	if err != nil {
		return nil, answer{resp.StatusCode, resp.Header, string(body)}
	}
	s := &socket{w: p.w, ws: ws, name: fmt.Sprintf("%s@%d%s", p.id, n, query), changed: make(chan struct{})}
	done := make(chan struct{})
	go func() { defer close(done); s.read() }() // ends with the socket; the test's end waits
	t.Cleanup(func() { _ = ws.Close(); <-done })
	s.sees("the greeting", isType("connection_status"))
	return s, answer{status: resp.StatusCode, header: resp.Header}
}

func (p person) socket(n int, query string) *socket {
	p.w.t.Helper()
	s, refused := p.dial(n, query, nil)
	require.NotNil(p.w.t, s, "%+v", refused)
	return s
}

func (s *socket) read() {
	for {
		_, text, err := s.ws.ReadMessage()
		s.mu.Lock()
		if err != nil {
			s.code = -1
			if ce, ok := err.(*websocket.CloseError); ok { //nolint:errorlint // ReadMessage wraps nothing
				s.code = ce.Code
			}
		} else {
			s.w.rec.Received(text)
			var f map[string]any
			_ = json.Unmarshal(text, &f) // the recorder says so
			s.frames, s.texts = append(s.frames, f), append(s.texts, string(text))
		}
		close(s.changed)
		s.changed = make(chan struct{})
		s.mu.Unlock()
		if err != nil {
			return
		}
	}
}

func (s *socket) send(format string, args ...any) {
	s.w.t.Helper()
	text := []byte(fmt.Sprintf(format, args...))
	s.w.rec.Sent(text)
	require.NoError(s.w.t, s.ws.WriteMessage(websocket.TextMessage, text))
}

// until waits until ok holds of what was received; it returns what ok found.
func (s *socket) until(what string, ok func(frames []map[string]any, code int) bool) {
	s.w.t.Helper()
	late := time.NewTimer(patience)
	defer late.Stop()
	for {
		s.mu.Lock()
		done, changed, over := ok(s.frames, s.code), s.changed, s.code != 0
		s.mu.Unlock()
		if done {
			return
		}
		if over {
			s.w.t.Fatalf("%s: closed with %d before %s: %s", s.name, s.code, what, strings.Join(s.texts, "\n"))
		}
		select {
		case <-changed:
		case <-late.C:
			s.mu.Lock()
			defer s.mu.Unlock()
			s.w.t.Fatalf("%s: no %s in\n%s", s.name, what, strings.Join(s.texts, "\n"))
		}
	}
}

type check func(map[string]any) bool

// sees waits for a frame of which all of this holds and returns it.
func (s *socket) sees(what string, all ...check) map[string]any {
	s.w.t.Helper()
	return s.seesNth(1, what, all...)
}

func (s *socket) seesNth(n int, what string, all ...check) (found map[string]any) {
	s.w.t.Helper()
	s.until(what, func(frames []map[string]any, _ int) bool {
		seen := 0
		return slices.ContainsFunc(frames, func(f map[string]any) bool {
			for _, ok := range all {
				if !ok(f) {
					return false
				}
			}
			seen++
			found = f
			return seen == n
		})
	})
	return found
}

func (s *socket) closed(code int) {
	s.w.t.Helper()
	s.until("end", func(_ []map[string]any, got int) bool { return got != 0 })
	require.Equal(s.w.t, code, s.code, s.name)
}

// all is everything received so far, as one text.
func (s *socket) all() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.texts, "\n")
}

func isType(kind string) check { return func(f map[string]any) bool { return f["type"] == kind } }
func hasID(id string) check    { return func(f map[string]any) bool { return f["id"] == id } }
func of(session string) check {
	return func(f map[string]any) bool { return f["session_id"] == session }
}

func meta(name, value string) check {
	return func(f map[string]any) bool {
		m, _ := f["metadata"].(map[string]any)
		return m[name] == value
	}
}

func code(want string) check {
	return func(f map[string]any) bool {
		e, _ := f["error"].(map[string]any)
		return e["code"] == want
	}
}

func finalOf(message string) check {
	return func(f map[string]any) bool {
		return f["type"] == "ai_response" && meta("reply_to", message)(f) && meta("done", "true")(f)
	}
}
