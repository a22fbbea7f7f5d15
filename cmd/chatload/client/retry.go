package client

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"

	"github.com/gorilla/websocket"
)

// maxWait limits how long a server may ask a client to wait.
const maxWait = time.Minute

// HandshakeError is a refused upgrade.
type HandshakeError struct {
	Status     int
	RetryAfter time.Duration
}

func (e *HandshakeError) Error() string { return fmt.Sprintf("upgrade refused with %d", e.Status) }

// StoppedError means that the client does not reconnect, because of a close code
// that forbids it or a refused credential. Code is the close code, or the HTTP
// status of the upgrade.
type StoppedError struct {
	Code   int
	Reason string
}

func (e *StoppedError) Error() string { return fmt.Sprintf("stopped by %d %s", e.Code, e.Reason) }

// errDropped ends a connection that the client drops on purpose.
var errDropped = errors.New("dropped by the client")

// retryAfter parses the seconds of a Retry-After header.
func retryAfter(h http.Header) time.Duration {
	if n, err := strconv.Atoi(h.Get("Retry-After")); err == nil && n > 0 {
		return min(time.Duration(n)*time.Second, maxWait)
	}
	return 0
}

// stopping returns the error with which the client gives up, or nil if it
// reconnects.
func stopping(err error) error {
	if refused, ok := errors.AsType[*HandshakeError](err); ok {
		switch refused.Status {
		case http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound:
			return &StoppedError{Code: refused.Status, Reason: "upgrade refused"}
		}
		return nil
	}
	var closed *websocket.CloseError
	if !errors.As(err, &closed) {
		return nil
	}
	switch {
	case closed.Code >= 4500 && closed.Code <= 4999:
	case closed.Code == websocket.CloseProtocolError, closed.Code == websocket.CloseUnsupportedData,
		closed.Code == websocket.CloseInvalidFramePayloadData, closed.Code == websocket.CloseMessageTooBig:
	default:
		return nil
	}
	return &StoppedError{Code: closed.Code, Reason: closed.Text}
}

// backoff returns the delay before dial number failures+1: full jitter over a
// doubling window, but at least the delay that the server asked for.
func (c Config) backoff(failures int, err error) time.Duration {
	window := c.BackoffMax
	if failures < 16 {
		window = min(c.BackoffMax, c.BackoffMin<<failures)
	}
	wait := rand.N(window) + 1 //nolint:gosec // jitter needs no secrecy
	if refused, ok := errors.AsType[*HandshakeError](err); ok {
		wait += refused.RetryAfter
	}
	return wait
}
