package hub

import (
	"errors"
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"time"

	"chatbox"

	"github.com/gorilla/websocket"
)

// streamPing is the interval between the comments of a stream: many proxies cut
// a response that is silent for longer than 30 s.
const streamPing = 15 * time.Second

// streamBytes is how much a client may send after its request. It has nothing to
// send.
const streamBytes = 64 << 10

// errTalks is the error of a stream whose client sends more than that.
var errTalks = errors.New("the client of a stream sends data")

// Stream is a socket of which the client only reads: the body of an HTTP
// response.
type Stream struct {
	Conn net.Conn // after the response's header
	// Text, Comment and End return what is written for a frame, as a sign of life,
	// and at the end.
	Text    func(frame []byte) []byte
	Comment []byte
	End     []byte
}

// NewStream is NewConn for a stream. Each comment that the network accepts counts
// as a sign of life of the client. If the client is gone, a later write fails.
func NewStream(s Stream, id chatbox.ConnID, actor chatbox.Actor, cfg *Config, m *Metrics) *Conn {
	c := overWire(&stream{Stream: s}, id, actor, cfg, m)
	c.pingEvery = min(cfg.PingEvery, streamPing)
	return c
}

// stream is the wire of a Stream.
type stream struct {
	Stream

	ponged atomic.Pointer[func(string)]
}

func (s *stream) control(ponged func(string), _ func()) { s.ponged.Store(&ponged) }

// NextReader returns when the client has left.
func (s *stream) NextReader() (int, io.Reader, error) {
	switch _, err := io.CopyN(io.Discard, s.Conn, streamBytes); {
	case err == nil:
		return 0, nil, errTalks
	case errors.Is(err, io.EOF):
		return 0, nil, &websocket.CloseError{Code: websocket.CloseGoingAway}
	default:
		return 0, nil, fmt.Errorf("read a stream: %w", err)
	}
}

func (s *stream) write(p []byte, by time.Time) error {
	_ = s.Conn.SetWriteDeadline(by)
	_, err := s.Conn.Write(p)
	return err
}

func (s *stream) text(frame []byte, by time.Time) error { return s.write(s.Text(frame), by) }

func (s *stream) ping(_ []byte, by time.Time) error {
	err := s.write(s.Comment, by)
	if ponged := s.ponged.Load(); err == nil && ponged != nil {
		(*ponged)("")
	}
	return err
}

// bye ends the response. A client has no other way to learn the code than the
// frames before it.
func (s *stream) bye(_ int, _ string, by time.Time) error {
	if err := s.write(s.End, by); err != nil {
		return err
	}
	if tcp, ok := s.Conn.(*net.TCPConn); ok {
		return tcp.CloseWrite()
	}
	return s.Conn.Close()
}

func (s *stream) conn() net.Conn { return s.Conn }
