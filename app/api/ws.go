package api

import (
	"context"
	"crypto/rand"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/websocket"
	"github.com/labstack/echo/v4"

	"chatbox"
	"chatbox/hub"
)

// How long a refused client is asked to wait.
const (
	retryDraining = time.Second
	retryFull     = 5 * time.Second
)

// podFullError says that this pod, not the user, has all the sockets it can
// take: another may have room.
type podFullError struct{ error }

func (e podFullError) Unwrap() error { return e.error }

func newUpgrader() websocket.Upgrader {
	return websocket.Upgrader{
		ReadBufferSize: 1024, WriteBufferSize: 2048,
		WriteBufferPool: &sync.Pool{},
		Subprotocols:    []string{subprotocol},
		CheckOrigin:     func(*http.Request) bool { return true }, // checked before, in order
		Error:           func(http.ResponseWriter, *http.Request, int, error) {},
	}
}

// socket serves GET {prefix}/ws from the checks to the socket's end. The checks
// come in the order of PROTOCOL 1.1, and one that fails leaves nothing behind.
func (s *Server) socket(c echo.Context) error {
	r := c.Request()
	if s.deps.Hub.Refusing() {
		return retryLater(chatbox.Draining, "this pod is shutting down", retryDraining)
	}
	actor, err := s.deps.Auth.Actor(socketToken(r, s.cfg.QueryToken))
	if err != nil {
		return err
	}
	if !websocket.IsWebSocketUpgrade(r) {
		return chatbox.Errorf(chatbox.InvalidArgument, "this route is a WebSocket: upgrade headers are missing", nil)
	}
	if origin := r.Header.Get("Origin"); origin != "" && !s.cfg.Origins.Allow(origin) {
		return chatbox.Errorf(chatbox.PermissionDenied, "this origin is not allowed", nil)
	}
	id := chatbox.ConnID(strings.ToLower(rand.Text()))
	leave, err := s.admit(r.Context(), actor, id)
	if err != nil {
		return err
	}
	defer leave()
	ws, err := s.upgrader.Upgrade(c.Response(), r, upgradeHeader(c))
	if err != nil {
		if c.Response().Committed {
			return nil // the connection was taken over and is gone
		}
		return chatbox.Errorf(chatbox.InvalidArgument, "the WebSocket handshake is malformed", nil)
	}
	c.Response().Committed, c.Response().Status = true, http.StatusSwitchingProtocols
	s.serve(r, hub.NewConn(ws, id, actor, s.deps.Hub.Config(), s.deps.Hub.Metrics()))
	return nil
}

// admit takes the user's and the pod's slot, or neither.
func (s *Server) admit(ctx context.Context, a chatbox.Actor, id chatbox.ConnID) (leave func(), err error) {
	forget := func() {
		ctx, cancel := detached(ctx)
		defer cancel()
		s.deps.Conversations.Disconnect(ctx, a, id)
	}
	if err := s.deps.Conversations.Connect(ctx, a, id); err != nil {
		return nil, withRetry(err, retryFull)
	}
	if err := s.deps.Hub.Acquire(); err != nil {
		forget()
		if chatbox.CodeOf(err) == chatbox.LimitExceeded {
			return nil, podFullError{withRetry(err, retryFull)}
		}
		return nil, withRetry(err, retryDraining)
	}
	return func() {
		s.deps.Hub.Release()
		forget()
	}, nil
}

// serve runs the socket until it ends. Its first frame says who it is;
// attaching is the worker's first job, so that frames that arrive meanwhile
// follow it.
func (s *Server) serve(r *http.Request, conn *hub.Conn) {
	sessionID, after, wrong := wanted(r)
	conn.Send(statusFrame(sessionID, conn.Actor(), s.deps.Conversations.Models(), conn.ID(), s.cfg.Pod, time.Now()))
	if at, ok := endOfCredential(conn.Actor(), time.Now()); ok {
		conn.ExpireAt(at, func() { expire(conn) })
	}
	switch {
	case wrong != nil:
		conn.Send(errorFrame("", sessionID, wrong, time.Now()))
	case sessionID != "":
		conn.First(func(ctx context.Context) {
			if err := s.deps.Conversations.Attach(ctx, conn, sessionID, after); err != nil {
				s.refuse(ctx, conn, command{SessionID: sessionID}, "attach", err)
			}
		})
	}
	s.deps.Hub.Add(conn)
	defer s.deps.Hub.Remove(conn)
	defer s.deps.Conversations.Leave(conn)
	ctx := r.Context()
	if err := conn.Run(ctx, s.onFrame(conn)); err != nil {
		s.log.DebugContext(ctx, "socket ended", "conn", conn.ID(), "err", err)
	}
}

// wanted reads ?session_id= and &last_seq=. What is malformed is reported on
// the socket, which stays open and unattached.
func wanted(r *http.Request) (sessionID string, after *int64, err error) {
	q := r.URL.Query()
	sessionID = q.Get("session_id")
	if sessionID == "" {
		return "", nil, nil
	}
	if !chatbox.ValidSessionID(sessionID) {
		return "", nil, chatbox.Invalid(fieldSession, "must be 1-128 of A-Z a-z 0-9 . _ -")
	}
	if raw := q.Get("last_seq"); raw != "" {
		n, err := strconv.ParseInt(raw, 10, 64)
		if err != nil || n < 0 {
			return sessionID, nil, chatbox.Invalid("last_seq", "must be a whole number, not negative")
		}
		after = &n
	}
	return sessionID, after, nil
}

// endOfCredential is when a socket's credential stops counting: at its exp; for
// one that was accepted after it, thanks to the leeway, when that is over.
func endOfCredential(a chatbox.Actor, now time.Time) (time.Time, bool) {
	switch {
	case a.ExpiresAt.IsZero():
		return time.Time{}, false
	case a.ExpiresAt.After(now):
		return a.ExpiresAt, true
	default:
		return a.ExpiresAt.Add(leeway), true
	}
}

func expire(conn *hub.Conn) {
	err := chatbox.Errorf(chatbox.TokenExpired, "the token has expired", nil)
	conn.Send(errorFrame("", "", err, time.Now()))
	conn.Close(render(chatbox.TokenExpired).closeCode, "token expired")
}

// upgradeHeader repeats on the handshake's answer what other responses carry.
func upgradeHeader(c echo.Context) http.Header {
	h := http.Header{}
	setSecurity(h)
	h.Set(headerRequestID, requestID(c))
	return h
}

func retryLater(code chatbox.Code, message string, after time.Duration) error {
	return &chatbox.Error{Code: code, Message: message, RetryAfter: after}
}

// withRetry adds how long to wait where the error does not say.
func withRetry(err error, after time.Duration) error {
	s := show(err)
	if s.retryAfter > 0 || !s.recoverable {
		return err
	}
	return &chatbox.Error{Code: chatbox.CodeOf(err), Message: s.message, Metadata: s.metadata, RetryAfter: after, Err: err}
}
