package api

import (
	"context"
	"errors"
	"time"

	"github.com/labstack/echo/v4"

	"chatbox"
	"chatbox/hub"
	"chatbox/internal/lanes"
	"chatbox/internal/pace"
	"chatbox/internal/sleep"
)

const (
	paceBurst    = 5                     // seconds' worth of frames or sockets that a user may have at once
	dialPatience = time.Second           // the longest that a new socket waits for its turn
	refusedPause = 50 * time.Millisecond // between two refusals of frames that came too early, for each user

	turnLanes    = 1024                   // requests, and staff's frames, that a pod serves at once; what comes beyond waits
	requestPart  = 3                      // of the time, for one user's requests: a third
	requestFree  = 300 * time.Millisecond // of it, before anybody waits
	staffPart    = 3                      // the same of the frames by which staff takes over and watches
	staffFree    = 500 * time.Millisecond
	turnPatience = 10 * time.Second // the longest wait for a turn
)

// turns hold back users who ask for more than anybody needs, so that others are
// served meanwhile: each user of a pod has a pace of frames and sockets, and a
// share of the time. Nothing is dropped; who would wait for too long is refused.
type turns struct {
	frames, sockets   *pace.Pace[chatbox.UserKey] // nil: nobody is held back, so with requests
	refusals          *pace.Pace[chatbox.UserKey]
	requests, ofStaff *lanes.Lanes[chatbox.UserKey]
}

func newTurns(cfg Config) *turns {
	t := &turns{
		refusals: pace.New[chatbox.UserKey](int(time.Second/refusedPause), 1),
		ofStaff:  lanes.New[chatbox.UserKey](lanes.Config{All: turnLanes, Each: 1, Part: staffPart, Free: staffFree}),
	}
	if cfg.Requests > 0 {
		t.requests = lanes.New[chatbox.UserKey](lanes.Config{All: turnLanes, Each: cfg.Requests, Part: requestPart, Free: requestFree})
	}
	if cfg.FrameRate > 0 {
		t.frames = pace.New[chatbox.UserKey](cfg.FrameRate, paceBurst*cfg.FrameRate)
	}
	if cfg.SocketRate > 0 {
		t.sockets = pace.New[chatbox.UserKey](cfg.SocketRate, paceBurst*cfg.SocketRate)
	}
	return t
}

// frame waits until the user's next frame has its turn; false where ctx ends
// first. A socket's frames are looked at one after the other, so a user's wait is
// that of as many frames as the user has sockets, and the client is held back by
// TCP.
func (t *turns) frame(ctx context.Context, u chatbox.UserKey) bool {
	if t.frames == nil {
		return true
	}
	wait, _ := t.frames.Take(u, time.Now(), time.Hour)
	return wait == 0 || sleep.For(ctx, wait)
}

// refused makes the socket wait before its next frame is looked at, after one that
// came too early: a flood of refused frames costs its sender the time, on however
// many sockets.
func (t *turns) refused(ctx context.Context, u chatbox.UserKey) {
	wait, _ := t.refusals.Take(u, time.Now(), time.Hour)
	sleep.For(ctx, refusedPause+wait)
}

// socket waits until the user's next socket may be opened: chatbox.RateLimited
// where that takes too long.
func (t *turns) socket(ctx context.Context, u chatbox.UserKey) error {
	if t.sockets == nil {
		return nil
	}
	wait, ok := t.sockets.Take(u, time.Now(), dialPatience)
	if !ok {
		return &chatbox.Error{Code: chatbox.RateLimited, Message: "too many sockets were opened", RetryAfter: wait, Refusal: chatbox.RefusedRate}
	}
	sleep.For(ctx, wait)
	return nil
}

// enter waits for a lane.
func enter(ctx context.Context, in *lanes.Lanes[chatbox.UserKey], u chatbox.UserKey) (leave func(), err error) {
	ctx, cancel := context.WithTimeout(ctx, turnPatience)
	defer cancel()
	leave, err = in.Enter(ctx, u)
	switch {
	case errors.Is(err, lanes.ErrShare):
		return nil, &chatbox.Error{
			Code: chatbox.RateLimited, Message: "too much was asked for at once", RetryAfter: lanes.MaxRest, Refusal: chatbox.RefusedRate, Err: err,
		}
	case err != nil:
		return nil, &chatbox.Error{Code: chatbox.Unavailable, Message: "too much is asked for at the moment", RetryAfter: time.Second, Err: err}
	}
	return leave, nil
}

// turn has a user's request wait while too many of the same user are under way, or
// have taken too long.
func (s *Server) turn(next echo.HandlerFunc) echo.HandlerFunc {
	if s.turns.requests == nil {
		return next
	}
	return func(c echo.Context) error {
		leave, err := enter(c.Request().Context(), s.turns.requests, actorOf(c).User())
		if err != nil {
			return err
		}
		defer leave()
		return next(c)
	}
}

// staffTurn is turn for frames that put something on record, where all pods write
// one chain.
func (s *Server) staffTurn(handle frameHandler) frameHandler {
	return func(ctx context.Context, conn *hub.Conn, cmd command) error {
		leave, err := enter(ctx, s.turns.ofStaff, conn.Actor().User())
		if err != nil {
			return err
		}
		defer leave()
		return handle(ctx, conn, cmd)
	}
}
