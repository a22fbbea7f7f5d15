package api

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/gorilla/websocket"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"chatbox"
	"chatbox/app/history"
	"chatbox/app/live"
	"chatbox/cluster"
	"chatbox/helpdesk"
	"chatbox/hub"
	"chatbox/internal/logattr"
	"chatbox/test/specs"
)

func TestMain(m *testing.M) {
	// The server of the standard library waits for half a second before it closes a
	// connection whose request it has not read to the end.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("net/http.(*conn).closeWriteAndWait"))
}

const (
	secret = "kX9#mQ2$vL7!pR4&wT8*zB1^nC5@jH3%"
	soon   = 20 * time.Second // on a busy machine too
)

// fakeUseCases fakes the use cases for the edge. A nil function does nothing and
// succeeds.
type fakeUseCases struct {
	Staffing // tested on whole pods, as the next two are
	Serving
	Watching
	fakeDesk
	fakeRating
	fakeFeedback

	connect  func(a chatbox.Actor) error
	attach   func(ctx context.Context, c live.Socket, id string, after *int64) error
	resume   func(c live.Socket, id string, seq int64) error
	read     func(c live.Socket, id string, seq int64) error
	post     func(ctx context.Context, c live.Socket, cmd chatbox.Command) error
	sessions func(a chatbox.Actor, q chatbox.SessionQuery) (chatbox.SessionPage, error)
	history  func(a chatbox.Actor, id string, q chatbox.HistoryQuery) (chatbox.History, error)
	end      func(a chatbox.Actor, id string) error
	erase    func(a chatbox.Actor, id string) error
	export   func(id string) (chatbox.Session, history.Pages, error)
	share    func(a chatbox.Actor, id string, life time.Duration) (string, chatbox.Share, error)
	unshare  func(a chatbox.Actor, id string) error
	shared   func(token string) (chatbox.Share, history.Pages, error)
	rename   func(a chatbox.Actor, id, name string) (chatbox.Session, error)
	say      func(a chatbox.Actor, cmd chatbox.Command) (chatbox.Event, error)
	pods     func() ([]cluster.PodInfo, error)

	mu    sync.Mutex // guards following
	open  map[chatbox.ConnID]bool
	tried int
	left  int
}

func (f *fakeUseCases) MayAttach(_ context.Context, _ chatbox.Actor, id string) error {
	if id == "nobodys" {
		return chatbox.NoSuchSession()
	}
	return nil
}

func (f *fakeUseCases) Connect(_ context.Context, a chatbox.Actor, id chatbox.ConnID) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.tried++
	if f.connect != nil {
		if err := f.connect(a); err != nil {
			return err
		}
	}
	f.open[id] = true
	return nil
}

func (f *fakeUseCases) Disconnect(_ context.Context, _ chatbox.Actor, id chatbox.ConnID) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.open, id)
}

func (f *fakeUseCases) registered() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.open)
}

func (f *fakeUseCases) Attach(ctx context.Context, c live.Socket, id string, after *int64) error {
	if f.attach == nil {
		return nil
	}
	return f.attach(ctx, c, id, after)
}

func (f *fakeUseCases) Renewed(context.Context, live.Socket) {}

func (f *fakeUseCases) Cancel(context.Context, live.Socket, string) error {
	return nil
}

func (f *fakeUseCases) Retry(context.Context, live.Socket, string) error {
	return nil
}

func (f *fakeUseCases) Help(ctx context.Context, c live.Socket, cmd chatbox.Command) (string, error) {
	return cmd.SessionID, f.Post(ctx, c, cmd)
}

func (f *fakeUseCases) Typing(context.Context, live.Socket, string, bool) error {
	return nil
}

func (f *fakeUseCases) Read(_ context.Context, c live.Socket, id string, seq int64) error {
	if f.read == nil {
		return nil
	}
	return f.read(c, id, seq)
}

func (f *fakeUseCases) Resume(_ context.Context, c live.Socket, id string, seq int64) error {
	if f.resume == nil {
		return nil
	}
	return f.resume(c, id, seq)
}

func (f *fakeUseCases) Post(ctx context.Context, c live.Socket, cmd chatbox.Command) error {
	if f.post == nil {
		return nil
	}
	return f.post(ctx, c, cmd)
}

func (f *fakeUseCases) Leave(live.Socket) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.left++
}

func (f *fakeUseCases) Sessions(_ context.Context, a chatbox.Actor, q chatbox.SessionQuery) (chatbox.SessionPage, error) {
	if f.sessions == nil {
		return chatbox.SessionPage{}, nil
	}
	return f.sessions(a, q)
}

func (f *fakeUseCases) History(_ context.Context, a chatbox.Actor, id string, q chatbox.HistoryQuery) (chatbox.History, error) {
	if f.history == nil {
		return chatbox.History{Session: chatbox.Session{Key: a.Session(id)}}, nil
	}
	return f.history(a, id, q)
}

func (f *fakeUseCases) End(_ context.Context, a chatbox.Actor, id string) error {
	if f.end == nil {
		return nil
	}
	return f.end(a, id)
}

func (f *fakeUseCases) Erase(_ context.Context, a chatbox.Actor, id string) error {
	if f.erase == nil {
		return nil
	}
	return f.erase(a, id)
}

func noPages(func([]chatbox.Event, error) bool) {}

func (f *fakeUseCases) Export(_ context.Context, _ chatbox.Actor, id string) (chatbox.Session, history.Pages, error) {
	if f.export == nil {
		return chatbox.Session{}, noPages, nil
	}
	return f.export(id)
}

func (f *fakeUseCases) Share(_ context.Context, a chatbox.Actor, id string, life time.Duration) (string, chatbox.Share, error) {
	if f.share == nil {
		return "", chatbox.Share{}, nil
	}
	return f.share(a, id, life)
}

func (f *fakeUseCases) Unshare(_ context.Context, a chatbox.Actor, id string) error {
	if f.unshare == nil {
		return nil
	}
	return f.unshare(a, id)
}

func (f *fakeUseCases) Shared(_ context.Context, token string) (chatbox.Share, history.Pages, error) {
	if f.shared == nil {
		return chatbox.Share{Session: chatbox.SessionKey{ID: "s-1"}}, noPages, nil
	}
	return f.shared(token)
}

func (f *fakeUseCases) Rename(_ context.Context, a chatbox.Actor, id, name string) (chatbox.Session, error) {
	if f.rename == nil {
		return chatbox.Session{}, nil
	}
	return f.rename(a, id, name)
}

func (f *fakeUseCases) PostMessage(_ context.Context, a chatbox.Actor, cmd chatbox.Command) (chatbox.Event, error) {
	if f.say == nil {
		return chatbox.Event{}, nil
	}
	return f.say(a, cmd)
}

func (f *fakeUseCases) Pods(context.Context) ([]cluster.PodInfo, error) {
	if f.pods == nil {
		return nil, nil
	}
	return f.pods()
}

func (f *fakeUseCases) Models() []chatbox.Model {
	return []chatbox.Model{{ID: "small", Name: "Small"}}
}

// fakeAccess stores tickets in memory. A nil function allows.
type fakeAccess struct {
	down bool // as if Redis were unavailable

	admit func(a chatbox.Actor) error

	mu        sync.Mutex // guards following
	tickets   map[string]chatbox.Actor
	withdrawn map[chatbox.UserKey]chatbox.Withdrawal
	blocks    map[chatbox.UserKey]helpdesk.Block
	hidden    bool // ShutOut reports it already while Allow does not
}

func (f *fakeAccess) Admit(ctx context.Context, a chatbox.Actor) error {
	if f.admit != nil {
		return f.admit(a)
	}
	return f.Allow(ctx, a)
}

func (f *fakeAccess) Allow(_ context.Context, a chatbox.Actor) error {
	f.mu.Lock()
	hidden := f.hidden
	_, blocked := f.blocks[a.User()]
	f.mu.Unlock()
	if !hidden && blocked {
		return chatbox.NewError(chatbox.PermissionDenied, "you are blocked", nil)
	}
	if !hidden && f.ShutOut(a) {
		return chatbox.NewError(chatbox.Unauthenticated, "the credential was withdrawn", nil)
	}
	return nil
}

func (f *fakeAccess) ShutOut(a chatbox.Actor) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, blocked := f.blocks[a.User()]; blocked {
		return true
	}
	return f.withdrawn[a.User()].Covers(a)
}

func (f *fakeAccess) Disconnect(_ context.Context, admin chatbox.Actor, userID string) (chatbox.Withdrawal, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	w := chatbox.Withdrawal{User: chatbox.UserKey{Tenant: admin.Tenant, ID: userID}, Before: time.Now().Truncate(time.Second).Add(time.Second)}
	f.withdrawn[w.User] = w
	return w, nil
}

func (f *fakeAccess) Ticket(_ context.Context, a chatbox.Actor) (string, time.Duration, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.down {
		return "", 0, chatbox.NewError(chatbox.Unavailable, "", errors.New("redis is away"))
	}
	ticket := rand.Text()
	f.tickets[ticket] = a
	return ticket, 30 * time.Second, nil
}

func (f *fakeAccess) Redeem(_ context.Context, ticket string) (chatbox.Actor, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	a, ok := f.tickets[ticket]
	switch {
	case f.down:
		return a, chatbox.NewError(chatbox.Unavailable, "", errors.New("redis is away"))
	case !ok:
		return a, chatbox.NewError(chatbox.Unauthenticated, "no such ticket", nil)
	}
	delete(f.tickets, ticket)
	return a, nil
}

// fakeReadiness answers at once, or when the context ends.
type fakeReadiness struct {
	ready bool
	hangs chan struct{} // not nil: Check returns when it is closed
}

func (f *fakeReadiness) Check(context.Context) (bool, map[string]bool, map[string]string) {
	if f.hangs != nil {
		<-f.hangs
	}
	causes := map[string]string{}
	if !f.ready {
		causes["redis"] = "out of memory"
	}
	return f.ready, map[string]bool{"redis": f.ready, "mongodb": true, "bus": true, "llm": true}, causes
}

// logs collects log lines. It is safe for concurrent use.
type logs struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// pod is an edge over fakes, served on loopback.
type pod struct {
	t     testing.TB
	conv  *fakeUseCases
	aids  *fakeAids
	gate  *fakeAccess
	auth  *Auth
	hub   *hub.Hub
	ready *fakeReadiness
	logs  *logs
	seen  *specs.Recorder
	url   string // http://…/chatbox
}

// deskFake is a fake of the whole help desk.
type deskFake interface {
	Notes
	Replies
	Searching
	Labelling
	Presence
	supportFake
}

type supportFake interface {
	Support
	Help
}

func deskOf(f deskFake) HelpDesk {
	return HelpDesk{Notes: f, Replies: f, Search: f, Labels: f, Support: f, Help: f, Team: f}
}

type setup struct {
	cfg  Config
	auth AuthConfig
	hub  hub.Config
	aids deskFake

	files  Files
	speech Speech
}

func newPod(tb testing.TB, change func(*setup)) *pod {
	tb.Helper()
	st := setup{
		cfg: Config{
			Prefix: "/chatbox", Pod: "pod-1", Origins: Origins{List: []string{"https://app.example.com"}}, QueryToken: true,
			MetricsNetworks: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")},
		},
		auth: AuthConfig{Secret: []byte(secret)}, files: noFiles{},
	}
	if change != nil {
		change(&st)
	}
	p := &pod{
		t: tb, seen: specs.Record(tb), aids: &fakeAids{}, conv: &fakeUseCases{open: map[chatbox.ConnID]bool{}}, ready: &fakeReadiness{ready: true}, logs: &logs{},
		gate: &fakeAccess{tickets: map[string]chatbox.Actor{}, withdrawn: map[chatbox.UserKey]chatbox.Withdrawal{}, blocks: map[chatbox.UserKey]helpdesk.Block{}},
	}
	if st.aids == nil {
		st.aids = p.aids
	}
	reg := prometheus.NewRegistry()
	p.hub = hub.New(st.hub, Encoder("/chatbox"), hub.NewMetrics(reg))
	ctx, cancel := context.WithCancel(tb.Context())
	ticker := make(chan struct{})
	go func() { defer close(ticker); p.hub.Run(ctx) }()
	p.auth = NewAuth(st.auth)
	keys := make(chan struct{})
	go func() { defer close(keys); p.auth.Run(ctx) }()
	srv := httptest.NewServer(New(st.cfg, Deps{
		Live: p.conv, Talks: p.conv, History: p.conv, Privacy: p.conv, Answers: p.conv, Files: st.files, Speech: st.speech, Feedback: p.conv, HelpDesk: deskOf(st.aids), Hub: p.hub, Auth: p.auth, Access: p.gate, Blocking: p.gate, Readiness: p.ready, Metrics: reg, Registerer: reg,
		Logger: slog.New(logattr.NewHandler(slog.NewJSONHandler(p.logs, &slog.HandlerOptions{Level: slog.LevelDebug}))),
	}))
	p.url = srv.URL + "/chatbox"
	tb.Cleanup(func() {
		p.hub.Each(func(c *hub.Conn) { c.Close(hub.CloseUnavailable, "") })
		require.Eventually(tb, func() bool { return p.conv.registered() == 0 && p.hub.Len() == 0 }, soon, time.Millisecond,
			"a socket outlives its handler")
		srv.Close()
		cancel()
		<-ticker
		<-keys
	})
	return p
}

// token signs claims over those of a good token; nil removes one.
func token(tb testing.TB, change map[string]any) string {
	tb.Helper()
	return signed(tb, jwt.SigningMethodHS256, []byte(secret), change)
}

func signed(tb testing.TB, method jwt.SigningMethod, key any, change map[string]any) string {
	tb.Helper()
	c := jwt.MapClaims{"user_id": "ann", "exp": time.Now().Add(time.Hour).Unix()}
	for k, v := range change {
		if v == nil {
			delete(c, k)
			continue
		}
		c[k] = v
	}
	s, err := jwt.NewWithClaims(method, c).SignedString(key)
	require.NoError(tb, err)
	return s
}

func bearerHeader(token string) http.Header {
	return http.Header{"Authorization": {"Bearer " + token}}
}

// socket is a client's end.
type socket struct {
	t    testing.TB
	ws   *websocket.Conn
	seen *specs.Recorder
}

// dial connects; query begins with "?".
func (p *pod) dial(query string, h http.Header) (*websocket.Conn, *http.Response, error) {
	d := websocket.Dialer{HandshakeTimeout: soon}
	if offered := h.Get("Sec-WebSocket-Protocol"); offered != "" {
		h = h.Clone()
		h.Del("Sec-WebSocket-Protocol")
		d.Subprotocols = strings.Split(offered, ", ")
	}
	return d.DialContext(p.t.Context(), "ws"+strings.TrimPrefix(p.url, "http")+"/ws"+query, h)
}

// open connects as ann and reads the first frame.
func (p *pod) open(query string) *socket {
	p.t.Helper()
	s := p.openRaw(query, bearerHeader(token(p.t, nil)))
	require.Equal(p.t, "connection_status", s.read()["type"])
	return s
}

func (p *pod) openRaw(query string, h http.Header) *socket {
	p.t.Helper()
	ws, resp, err := p.dial(query, h)
	require.NoError(p.t, err)
	require.NoError(p.t, resp.Body.Close())
	p.t.Cleanup(func() { _ = ws.Close() })
	return &socket{p.t, ws, p.seen}
}

// refused dials, expects a refusal, and returns status, headers and body.
func (p *pod) refused(query string, h http.Header) (int, http.Header, failure) {
	p.t.Helper()
	ws, resp, err := p.dial(query, h)
	if err == nil {
		_ = ws.Close()
		p.t.Fatal("the socket was accepted")
	}
	require.NotNil(p.t, resp, "%v", err)
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	require.NoError(p.t, err)
	p.seen.Response(http.MethodGet, "/chatbox/ws", resp.StatusCode, resp.Header, b)
	var f failure
	require.NoError(p.t, json.Unmarshal(b, &f))
	return resp.StatusCode, resp.Header, f
}

func (s *socket) send(frame string) {
	s.t.Helper()
	s.seen.Sent([]byte(frame))
	require.NoError(s.t, s.ws.WriteMessage(websocket.TextMessage, []byte(frame)))
}

func (s *socket) read() map[string]any {
	s.t.Helper()
	return s.readWithin(soon)
}

func (s *socket) readWithin(patience time.Duration) map[string]any {
	s.t.Helper()
	require.NoError(s.t, s.ws.SetReadDeadline(time.Now().Add(patience)))
	_, b, err := s.ws.ReadMessage()
	require.NoError(s.t, err)
	s.seen.Received(b)
	var f map[string]any
	require.NoError(s.t, json.Unmarshal(b, &f))
	return f
}

// readError reads an error frame.
func (s *socket) readError() (code, message string, f map[string]any) {
	s.t.Helper()
	return s.readErrorWithin(soon)
}

func (s *socket) readErrorWithin(patience time.Duration) (code, message string, f map[string]any) {
	s.t.Helper()
	f = s.readWithin(patience)
	require.Equal(s.t, "error", f["type"], "%v", f)
	e, ok := f["error"].(map[string]any)
	require.True(s.t, ok)
	code, _ = e["code"].(string)
	message, _ = e["message"].(string)
	return code, message, f
}

// closeCode reads until the socket ends.
func (s *socket) closeCode() int {
	s.t.Helper()
	require.NoError(s.t, s.ws.SetReadDeadline(time.Now().Add(soon)))
	for {
		if _, _, err := s.ws.ReadMessage(); err != nil {
			var ce *websocket.CloseError
			require.ErrorAs(s.t, err, &ce)
			return ce.Code
		}
	}
}

// alive checks that the socket still answers.
func (s *socket) alive() {
	s.t.Helper()
	s.send(`{"type":"ping","id":"still-there"}`)
	f := s.read()
	require.Equal(s.t, "pong", f["type"])
	require.Equal(s.t, "still-there", f["id"])
}

// call makes a REST request and returns status, headers and body.
func (p *pod) call(method, path string, h http.Header, body io.Reader) (int, http.Header, []byte) {
	p.t.Helper()
	req, err := http.NewRequestWithContext(p.t.Context(), method, p.url+path, body)
	require.NoError(p.t, err)
	maps.Copy(req.Header, h)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, ExpectContinueTimeout: soon}, Timeout: soon}
	resp, err := client.Do(req)
	require.NoError(p.t, err)
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	require.NoError(p.t, err)
	p.seen.Response(method, req.URL.EscapedPath(), resp.StatusCode, resp.Header, b)
	return resp.StatusCode, resp.Header, b
}

func (p *pod) fails(method, path string, h http.Header, body io.Reader) (int, failure) {
	p.t.Helper()
	status, _, b := p.call(method, path, h, body)
	var f failure
	require.NoError(p.t, json.Unmarshal(b, &f), "%s", b)
	return status, f
}

// onlyConn is the pod's end of its one socket.
func (p *pod) onlyConn() (conn *hub.Conn) {
	p.t.Helper()
	require.Eventually(p.t, func() bool {
		p.hub.Each(func(c *hub.Conn) { conn = c })
		return conn != nil && p.hub.Len() == 1
	}, soon, time.Millisecond)
	return conn
}
