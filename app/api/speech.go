package api

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"

	"github.com/labstack/echo/v4"

	"chatbox"
	"chatbox/app/speech"
)

// Speech speaks answers.
type Speech interface {
	// Speak returns the speech of an answer when the sound begins. The caller closes
	// its body. The speech is stored even if the caller leaves.
	Speak(ctx context.Context, a chatbox.Actor, sessionID, answerID string) (speech.Sound, error)
}

// speechRoutes speak answers. Without a speech vendor they do not exist.
type speechRoutes struct {
	speech Speech // nil: answers are not spoken
	view   viewer
	edge   *edge
}

func (s *speechRoutes) register(e *edge) {
	if s.speech == nil {
		return
	}
	e.echo.POST(e.cfg.Prefix+"/sessions/:id/messages/:answer/speech", s.speak, e.signedIn, e.speechTurn)
}

// Concurrent listeners.
const (
	listeners     = 256 // of a pod
	listenersEach = 8   // of a user
)

// speechTurn makes a request for speech wait while too many others are listened
// to. A speech lasts as long as its listener takes.
func (e *edge) speechTurn(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		leave, err := enter(c.Request().Context(), e.turns.speeches, actorOf(c).User())
		if err != nil {
			return err
		}
		defer leave()
		return next(c)
	}
}

// headerContentLocation names the file of a speech.
const headerContentLocation = "Content-Location"

// speak serves POST /sessions/{id}/messages/{answer}/speech: the sound, while it
// is made or from the store. An error after its beginning aborts the connection,
// so that the client does not mistake a part for the whole.
func (s *speechRoutes) speak(c echo.Context) error {
	id, err := sessionParam(c)
	if err != nil {
		return err
	}
	ctx := c.Request().Context()
	sound, err := s.speech.Speak(ctx, actorOf(c), id, c.Param("answer"))
	if err != nil {
		return err
	}
	defer func() { _ = sound.Body.Close() }() // its errors were read
	buffer := make([]byte, 32<<10)
	n, err := sound.Body.Read(buffer)
	if err != nil && (n == 0 || !errors.Is(err, io.EOF)) { // while the response can still tell
		return err
	}
	w := c.Response()
	h := w.Header()
	h.Set(echo.HeaderContentType, "audio/mpeg")
	h.Set("Content-Security-Policy", "sandbox")
	h.Set(headerContentLocation, s.view.address(sound.FileID))
	if sound.Size >= 0 {
		h.Set(echo.HeaderContentLength, strconv.FormatInt(sound.Size, 10))
	}
	w.WriteHeader(http.StatusOK)
	for {
		if _, werr := w.Write(buffer[:n]); werr != nil {
			panic(http.ErrAbortHandler) // the client is gone
		}
		w.Flush()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			s.edge.report(ctx, err, c.Path())
			panic(http.ErrAbortHandler)
		}
		n, err = sound.Body.Read(buffer)
	}
}
