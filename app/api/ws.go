package api

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/websocket"
	"github.com/labstack/echo/v4"

	"chatbox"
	"chatbox/hub"
	"chatbox/internal/logattr"
)

// Delays that a refused client is asked to wait.
const (
	retryDraining = time.Second
	retryFull     = 5 * time.Second
)

// handshakeTimeout limits how long writing the handshake's response may take.
const handshakeTimeout = 5 * time.Second

// podFullError means that this pod has no free socket. Another pod may have one,
// so it is not the user's limit.
type podFullError struct{ error }

func (e podFullError) Unwrap() error { return e.error }

func newUpgrader() websocket.Upgrader {
	return websocket.Upgrader{
		HandshakeTimeout: handshakeTimeout,
		ReadBufferSize:   1024, WriteBufferSize: 2048,
		WriteBufferPool: &sync.Pool{},
		Subprotocols:    []string{subprotocol},
		CheckOrigin:     func(*http.Request) bool { return true }, // the origin was checked before
		Error:           func(http.ResponseWriter, *http.Request, int, error) {},
	}
}

// sockets serve the WebSocket of clients and its frames.
type sockets struct {
	*edge

	deps     Deps
	upgrader websocket.Upgrader
	frames   map[string]frameHandler
}

func newSockets(e *edge, d Deps) *sockets {
	s := &sockets{edge: e, deps: d, upgrader: newUpgrader()}
	s.frames = s.frameHandlers()
	return s
}

func (s *sockets) register(e *edge) {
	e.echo.GET(e.cfg.Prefix+"/ws", s.socket)
	e.echo.GET(e.cfg.Prefix+"/sessions/:id/events", s.events)
}

// socket serves GET {prefix}/ws. The checks run in the order of
// docs/protocol/contract.md; a failed check leaves nothing behind. The socket
// gets its own goroutine in start, because the HTTP server's holds four times the
// memory. The goroutine ends with the socket, and Hub.Run waits for its slot.
func (s *sockets) socket(c echo.Context) error {
	r := c.Request()
	if s.deps.Hub.Refusing() {
		return retryLater(chatbox.Draining, "this pod is shutting down", retryDraining)
	}
	actor, err := s.socketActor(r, true)
	if err != nil {
		return err
	}
	known(c)
	if err := readableQuery(r); err != nil {
		return err
	}
	if !websocket.IsWebSocketUpgrade(r) {
		return chatbox.NewError(chatbox.InvalidArgument, "this route is a WebSocket: upgrade headers are missing", nil)
	}
	if origin := originsOf(r); origin != "" && !s.cfg.Origins.Allow(origin) {
		return &chatbox.Error{Code: chatbox.PermissionDenied, Message: "this origin is not allowed", Refusal: chatbox.RefusedOrigin}
	}
	if err := s.turns.socket(r.Context(), actor.User()); err != nil {
		return err
	}
	id := chatbox.ConnID(strings.ToLower(rand.Text()))
	if err := s.admit(r.Context(), actor, id); err != nil {
		return err
	}
	ws, err := s.upgrader.Upgrade(c.Response(), r, s.upgradeHeader(c))
	if err != nil {
		s.leave(r.Context(), actor, id)
		if c.Response().Committed {
			return nil // the connection was hijacked and is closed
		}
		return chatbox.NewError(chatbox.InvalidArgument, "the WebSocket handshake is malformed", nil)
	}
	c.Response().Committed, c.Response().Status = true, http.StatusSwitchingProtocols
	ctx := logattr.Detached(r.Context(), slog.String("conn", string(id)))
	conn := hub.NewConn(ws, id, actor, s.deps.Hub.Config(), s.deps.Hub.Metrics())
	if !announced(r, ws.Subprotocol()) {
		conn.AssumeOld()
	}
	s.start(ctx, conn, wanted(r))
	return nil
}

// admit reserves both the user's and the pod's slot, or neither.
func (s *sockets) admit(ctx context.Context, a chatbox.Actor, id chatbox.ConnID) error {
	if err := s.deps.Live.Connect(ctx, a, id); err != nil {
		return withRetry(err, retryFull)
	}
	if err := s.deps.Hub.Acquire(); err != nil {
		s.forget(ctx, a, id)
		if chatbox.CodeOf(err) == chatbox.LimitExceeded {
			return podFullError{withRetry(err, retryFull)}
		}
		return withRetry(err, retryDraining)
	}
	return nil
}

// leave gives back what admit reserved.
func (s *sockets) leave(ctx context.Context, a chatbox.Actor, id chatbox.ConnID) {
	defer s.deps.Hub.Release()
	s.forget(ctx, a, id)
}

func (s *sockets) forget(ctx context.Context, a chatbox.Actor, id chatbox.ConnID) {
	ctx, cancel := detached(ctx)
	defer cancel()
	s.deps.Live.Disconnect(ctx, a, id)
}

// start prepares the socket and starts its reader. The first frame is the status.
// Attaching is the worker's first job, so that frames that arrive meanwhile are
// handled after it.
func (s *sockets) start(ctx context.Context, conn *hub.Conn, w wish) {
	defer s.survive(ctx)
	reads := false
	defer func() {
		if !reads { // a panic
			s.deps.Hub.Remove(conn)
			s.leave(ctx, conn.Actor(), conn.ID())
		}
	}()
	s.deps.HelpDesk.Team.StaffArrived(ctx, conn.Actor())
	conn.Send(statusFrame(w.sessionID, conn.Actor(), s.deps.Answers.Models(), s.deps.Files, conn.ID(), s.cfg.Pod, time.Now()))
	conn.OnExpire(expire)
	conn.ExpireAt(endOfCredential(conn.Actor(), time.Now()))
	switch {
	case w.wrong != nil:
		conn.Send(errorFrame("", w.sessionID, w.wrong, time.Now()))
	case w.sessionID != "":
		conn.First(func(ctx context.Context) {
			if err := s.deps.Live.Attach(ctx, conn, w.sessionID, w.after); err != nil {
				s.refuse(ctx, conn, command{SessionID: w.sessionID}, "attach", err)
				if w.only {
					conn.Close(hub.CloseUnavailable, "not attached")
				}
			}
		})
	}
	s.deps.Hub.Add(conn)
	if s.deps.Access.ShutOut(conn.Actor()) { // blocked or withdrawn since the checks
		conn.Close(hub.CloseDisconnected, "disconnected by admin")
	}
	onFrame := s.onFrame(conn)
	gone := func() { s.gone(ctx, conn, recover()) }
	reads = true
	// The socket's own goroutine prepares nothing: its stack would grow, and it
	// shrinks only if three quarters of it are unused.
	go func() {
		defer gone()
		s.ended(ctx, conn.Run(ctx, onFrame))
	}()
}

// ended is not inlined, since its variables would stay on the socket's stack.
//
//go:noinline
func (s *sockets) ended(ctx context.Context, err error) {
	if err != nil {
		s.log.DebugContext(ctx, "socket ended", "error", err)
	}
}

// gone removes a socket that has ended, perhaps by a panic.
func (s *sockets) gone(ctx context.Context, conn *hub.Conn, panicked any) {
	s.recovered(ctx, panicked)
	defer s.survive(ctx)
	defer s.leave(ctx, conn.Actor(), conn.ID())
	defer s.deps.Hub.Remove(conn)
	s.deps.Live.Leave(conn)
}

// survive recovers a panic in one socket's goroutine, so that the pod survives
// it.
func (s *sockets) survive(ctx context.Context) {
	s.recovered(ctx, recover())
}

func (s *sockets) recovered(ctx context.Context, v any) {
	if v != nil {
		s.log.ErrorContext(ctx, "socket panicked", "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
	}
}

// wish holds the parameters of an upgrade.
type wish struct {
	sessionID string // well formed, or empty
	after     *int64 // seq of the last event seen; nil: not given
	wrong     error  // sent to the socket, which stays open but unattached
	only      bool   // the socket is for this session only
}

// wanted parses ?session_id= and &last_seq=.
func wanted(r *http.Request) wish {
	q := r.URL.Query()
	w := wish{sessionID: q.Get("session_id")}
	if w.sessionID == "" {
		return w
	}
	if !chatbox.NameableSession(w.sessionID) {
		return wish{wrong: chatbox.BadSessionID()}
	}
	w.sessionID = strings.Clone(w.sessionID) // without a copy it would keep the whole request in memory
	w.after, w.wrong = lastSeen("last_seq", q.Get("last_seq"))
	return w
}

// lastSeen parses the seq of the last event that a client has; nil if raw is empty.
func lastSeen(name, raw string) (*int64, error) {
	if raw == "" {
		return nil, nil //nolint:nilnil // not given
	}
	n, err := strconv.ParseInt(raw, 10, 64)
	if err != nil || n < 0 {
		return nil, chatbox.Invalid(name, "must be a whole number, not negative")
	}
	return &n, nil
}

// announced reports whether the handshake has something that clients of the
// earlier service do not send. Such a client understands snapshots and resume.
func announced(r *http.Request, selected string) bool {
	q := r.URL.Query()
	return selected != "" || q.Has("last_seq") || q.Has("ticket")
}

// announces reports the same for a frame: clients of the earlier service set no
// frame id and do not send these types.
func (c command) announces() bool {
	switch c.Type {
	case typeResume, typeCancel, typeRetry, typeRead, typeAuth, typePing, typeWatch, typeUnwatch:
		return true
	default:
		return c.ID != ""
	}
}

// endOfCredential returns when a socket's credential expires: at its exp, or for
// a credential accepted after its exp, when the leeway is over. The zero time
// means never.
func endOfCredential(a chatbox.Actor, now time.Time) time.Time {
	if a.ExpiresAt.IsZero() || a.ExpiresAt.After(now) {
		return a.ExpiresAt
	}
	return a.ExpiresAt.Add(Leeway)
}

func expire(conn *hub.Conn) {
	err := chatbox.NewError(chatbox.TokenExpired, "the token has expired", nil)
	conn.Send(errorFrame("", "", err, time.Now()))
	conn.Close(render(chatbox.TokenExpired).closeCode, "token expired")
}

// upgradeHeader returns the headers that the handshake's response shares with
// other responses.
func (s *sockets) upgradeHeader(c echo.Context) http.Header {
	h := http.Header{}
	s.setSecurity(c.Request(), h)
	h.Set(headerRequestID, requestID(c))
	return h
}

func retryLater(code chatbox.Code, message string, after time.Duration) error {
	return &chatbox.Error{Code: code, Message: message, RetryAfter: after}
}

// withRetry sets the delay before a retry if the error has none.
func withRetry(err error, after time.Duration) error {
	s := show(err)
	if s.retryAfter > 0 || !s.recoverable {
		return err
	}
	return &chatbox.Error{Code: chatbox.CodeOf(err), Message: s.message, Metadata: s.metadata, RetryAfter: after, Err: err}
}
