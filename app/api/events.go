package api

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"chatbox"
	"chatbox/hub"
	"chatbox/internal/logattr"
)

const headerLastEvent = "Last-Event-Id"

// events serves GET /sessions/{id}/events: the session's frames as server-sent
// events. The stream is a socket of the user that only reads, with the checks and
// limits of a WebSocket.
func (s *sockets) events(c echo.Context) error {
	r := c.Request()
	if s.deps.Hub.Refusing() {
		return retryLater(chatbox.Draining, "this pod is shutting down", retryDraining)
	}
	actor, err := s.socketActor(r, false)
	if err != nil {
		return err
	}
	known(c)
	w, err := streamed(c)
	if err != nil {
		return err
	}
	if err := s.turns.socket(r.Context(), actor.User()); err != nil {
		return err
	}
	if err := s.deps.Live.MayAttach(r.Context(), actor, w.sessionID); err != nil {
		return err
	}
	id := chatbox.ConnID(strings.ToLower(rand.Text()))
	if err := s.admit(r.Context(), actor, id); err != nil {
		return err
	}
	conn, err := takeOver(c)
	if err != nil {
		s.leave(r.Context(), actor, id)
		return err
	}
	ctx := logattr.Detached(r.Context(), slog.String("conn", string(id)))
	s.start(ctx, hub.NewStream(eventStream(conn, r.ProtoAtLeast(1, 1)), id, actor, s.deps.Hub.Config(), s.deps.Hub.Metrics()), w)
	return nil
}

// streamed parses the request. The id of the last event that a browser has
// received is newer than its address, with which it reconnects.
func streamed(c echo.Context) (w wish, err error) {
	r := c.Request()
	if err := readableQuery(r); err != nil {
		return w, err
	}
	if w.sessionID, err = sessionParam(c); err != nil {
		return w, err
	}
	w.sessionID, w.only = strings.Clone(w.sessionID), true // without a copy it would keep the whole request in memory
	name, raw := "last_seq", r.URL.Query().Get("last_seq")
	if last := r.Header.Get(headerLastEvent); last != "" {
		name, raw = "Last-Event-ID", last
	}
	w.after, err = lastSeen(name, raw)
	return w, err
}

// takeOver writes the response's header and returns its connection.
func takeOver(c echo.Context) (net.Conn, error) {
	res := c.Response()
	h := res.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("X-Accel-Buffering", "no") // nginx would keep events until its buffer is full
	h.Set("Connection", "close")
	h.Set("Date", time.Now().UTC().Format(http.TimeFormat))
	chunked := c.Request().ProtoAtLeast(1, 1)
	if chunked {
		h.Set("Transfer-Encoding", "chunked")
	}
	conn, _, err := http.NewResponseController(res).Hijack()
	if err != nil {
		return nil, fmt.Errorf("take over the connection: %w", err)
	}
	res.Committed, res.Status = true, http.StatusOK
	var head bytes.Buffer
	head.WriteString("HTTP/1.1 200 OK\r\n")
	_ = h.Write(&head) // a buffer takes everything
	head.WriteString("\r\n")
	_ = conn.SetWriteDeadline(time.Now().Add(handshakeTimeout))
	if _, err := conn.Write(head.Bytes()); err != nil {
		_ = conn.Close() // the stream's reader ends it
	}
	return conn, nil
}

// eventStream renders frames as events. HTTP/1.0 has no chunks: there the response
// ends with the connection.
func eventStream(conn net.Conn, chunked bool) hub.Stream {
	comment := []byte(":\n\n")
	if !chunked {
		return hub.Stream{Conn: conn, Text: asEvent, Comment: comment}
	}
	return hub.Stream{
		Conn: conn, Text: func(frame []byte) []byte { return asChunk(asEvent(frame)) }, Comment: asChunk(comment), End: []byte("0\r\n\r\n"),
	}
}

// asChunk renders one chunk, for one write.
func asChunk(p []byte) []byte {
	var out bytes.Buffer
	_, _ = httputil.NewChunkedWriter(&out).Write(p) // a buffer takes everything
	return out.Bytes()
}

// asEvent renders a frame, which is JSON on one line. Only events of the session's
// log and resumed have an id: with any other, a client would resume at a wrong
// place.
func asEvent(frame []byte) []byte {
	var f struct {
		Type string `json:"type"`
		Seq  *int64 `json:"seq"`
	}
	_ = json.Unmarshal(frame, &f) // of the pod's own making
	out := make([]byte, 0, len(frame)+64)
	if f.Type != "" {
		out = append(append(append(out, "event: "...), f.Type...), '\n')
	}
	if f.Seq != nil && f.Type != typeAck && f.Type != typeRead {
		out = append(strconv.AppendInt(append(out, "id: "...), *f.Seq, 10), '\n')
	}
	return append(append(append(out, "data: "...), frame...), "\n\n"...)
}
