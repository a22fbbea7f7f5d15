package api

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"chatbox"
	"chatbox/hub"
	"chatbox/internal/lanes"
	"chatbox/internal/pace"
	"chatbox/internal/sleep"
)

const (
	paceBurst    = 5                     // a user may use the frames or sockets of this many seconds at once
	dialWait     = time.Second           // the longest wait of a new socket
	refusedPause = 50 * time.Millisecond // between two refusals of rate-limited frames, per user

	turnLanes = 1024 // concurrent requests, and concurrent frames of staff, of a pod; others wait
	turnPart  = 1    // a user's requests may take as much time together as requests that follow each other
	turnFree  = 300 * time.Millisecond
	turnWait  = 10 * time.Second // the longest wait for a turn

	streams     = 64 // concurrent exports of a pod, each with megabytes of buffers
	streamsEach = 3  // concurrent exports of a user
)

// turns slow down users who ask for more than a client needs, so that other
// users are served meanwhile: each user of a pod has a pace of frames and
// sockets, and a share of the time. Nothing is dropped; a request that would wait
// for too long is refused.
type turns struct {
	frames, sockets   *pace.Pace[chatbox.UserKey] // nil: no limit; the same for requests
	refusals          *pace.Pace[chatbox.UserKey]
	requests, ofStaff *lanes.Lanes[chatbox.UserKey]
	exports, uploads  *lanes.Lanes[chatbox.UserKey]
	speeches          *lanes.Lanes[chatbox.UserKey]
}

func newTurns(cfg Config) *turns {
	t := &turns{
		refusals: pace.New[chatbox.UserKey](int(time.Second/refusedPause), 1),
		ofStaff:  lanes.New[chatbox.UserKey](lanes.Config{All: turnLanes, Each: 1}),
		exports:  lanes.New[chatbox.UserKey](lanes.Config{All: streams, Each: streamsEach}),
		speeches: lanes.New[chatbox.UserKey](lanes.Config{All: listeners, Each: listenersEach}),
		uploads:  lanes.New[chatbox.UserKey](lanes.Config{All: uploads, Each: uploadsEach}),
	}
	if cfg.Requests > 0 {
		t.requests = lanes.New[chatbox.UserKey](lanes.Config{All: turnLanes, Each: cfg.Requests, Part: turnPart, Free: turnFree})
	}
	if cfg.FrameRate > 0 {
		t.frames = pace.New[chatbox.UserKey](cfg.FrameRate, paceBurst*cfg.FrameRate)
	}
	if cfg.SocketRate > 0 {
		t.sockets = pace.New[chatbox.UserKey](cfg.SocketRate, paceBurst*cfg.SocketRate)
	}
	return t
}

// frame waits until the user's next frame has its turn. It returns false if ctx
// ends first. A socket handles its frames one after the other, so at most one
// frame per socket waits, and TCP slows down the client.
func (t *turns) frame(ctx context.Context, u chatbox.UserKey) bool {
	if t.frames == nil {
		return true
	}
	wait, _ := t.frames.Take(u, time.Now(), time.Hour)
	return wait == 0 || sleep.For(ctx, wait)
}

// refused delays the socket's next frame after a rate-limited one, so that a
// flood of refused frames slows its sender down, on any number of sockets.
func (t *turns) refused(ctx context.Context, u chatbox.UserKey) {
	wait, _ := t.refusals.Take(u, time.Now(), time.Hour)
	sleep.For(ctx, refusedPause+wait)
}

// socket waits until the user may open the next socket. It returns
// chatbox.RateLimited if that takes too long.
func (t *turns) socket(ctx context.Context, u chatbox.UserKey) error {
	if t.sockets == nil {
		return nil
	}
	wait, ok := t.sockets.Take(u, time.Now(), dialWait)
	if !ok {
		return &chatbox.Error{Code: chatbox.RateLimited, Message: "too many sockets were opened", RetryAfter: wait, Refusal: chatbox.RefusedRate}
	}
	sleep.For(ctx, wait)
	return nil
}

// enter waits for a lane. It returns chatbox.RateLimited if the user's own acts
// were in the way for too long, and chatbox.Unavailable if others' were.
func enter(ctx context.Context, in *lanes.Lanes[chatbox.UserKey], u chatbox.UserKey) (leave func(), err error) {
	ctx, cancel := context.WithTimeout(ctx, turnWait)
	defer cancel()
	leave, err = in.Enter(ctx, u)
	switch {
	case errors.Is(err, lanes.ErrShare):
		return nil, chatbox.AskedTooMuch(lanes.MaxRest, err)
	case err != nil:
		return nil, &chatbox.Error{Code: chatbox.Unavailable, Message: "too much is asked for at the moment", RetryAfter: time.Second, Err: err}
	}
	return leave, nil
}

// readsBody reports whether the request's handler reads a body.
func readsBody(r *http.Request) bool {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodDelete:
		return false
	default:
		return r.ContentLength != 0
	}
}

// turn makes a user's request that reads no body wait while too many such
// requests of the user run or have taken too much time.
func (e *edge) turn(next echo.HandlerFunc) echo.HandlerFunc {
	if e.turns.requests == nil {
		return next
	}
	return func(c echo.Context) error {
		if readsBody(c.Request()) {
			return next(c) // a body that arrives slowly must not delay the user's other requests
		}
		leave, err := enter(c.Request().Context(), e.turns.requests, actorOf(c).User())
		if err != nil {
			return err
		}
		defer leave()
		return next(c)
	}
}

// exportTurn makes an export wait while too many others run. An export lasts as
// long as its reader takes, and holds its buffers until then.
func (e *edge) exportTurn(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		leave, err := enter(c.Request().Context(), e.turns.exports, actorOf(c).User())
		if err != nil {
			return err
		}
		defer leave()
		return next(c)
	}
}

// staffTurn is turn for frames that write to the audit log, which is one chain
// for all pods.
func (s *sockets) staffTurn(handle frameHandler) frameHandler {
	return func(ctx context.Context, conn *hub.Conn, cmd command) error {
		leave, err := enter(ctx, s.turns.ofStaff, conn.Actor().User())
		if err != nil {
			return err
		}
		defer leave()
		return handle(ctx, conn, cmd)
	}
}
