package hub

import (
	"io"
	"net"
	"time"

	"github.com/gorilla/websocket"
)

// wire is the transport of a socket. The reader calls NextReader and control, the
// writer calls text, ping and bye, and either may call the others.
type wire interface {
	// control sets what a sign of life of the client calls, before the first read.
	// payload is that of a ping of this side, or empty.
	control(ponged func(payload string), pinged func())
	// NextReader returns the client's next frame. It has the name of the library's
	// method, which the reader of an idle WebSocket calls without a frame between:
	// its stack would not fit into 4 KiB.
	NextReader() (kind int, r io.Reader, err error)
	text(frame []byte, by time.Time) error
	ping(payload []byte, by time.Time) error
	bye(code int, reason string, by time.Time) error
	conn() net.Conn
}

// webSocket is the wire of a WebSocket. Behind a pointer, a call of its NextReader
// by the interface is a jump to the library's.
type webSocket struct{ *websocket.Conn }

func (w *webSocket) control(ponged func(string), pinged func()) {
	w.SetPongHandler(func(payload string) error { ponged(payload); return nil })
	pong := w.PingHandler()
	w.SetPingHandler(func(data string) error { pinged(); return pong(data) })
}

func (w *webSocket) text(frame []byte, by time.Time) error {
	_ = w.SetWriteDeadline(by)
	return w.WriteMessage(websocket.TextMessage, frame)
}

func (w *webSocket) ping(payload []byte, by time.Time) error {
	return w.WriteControl(websocket.PingMessage, payload, by)
}

func (w *webSocket) bye(code int, reason string, by time.Time) error {
	return w.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(code, reason), by)
}

func (w *webSocket) conn() net.Conn { return w.NetConn() }
