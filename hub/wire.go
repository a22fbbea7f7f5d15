package hub

import (
	"io"
	"net"
	"time"

	"github.com/gorilla/websocket"
)

// wire is the transport of a socket. The reader calls read and control, the
// writer calls text, ping and bye, and either may call the others.
type wire interface {
	// control sets what a sign of life of the client calls, before the first read.
	// payload is that of a ping of this side, or empty.
	control(ponged func(payload string), pinged func())
	// read returns the client's next frame.
	read() (kind int, r io.Reader, err error)
	text(frame []byte, by time.Time) error
	ping(payload []byte, by time.Time) error
	bye(code int, reason string, by time.Time) error
	conn() net.Conn
}

// webSocket is the wire of a WebSocket.
type webSocket struct{ ws *websocket.Conn }

func (w webSocket) control(ponged func(string), pinged func()) {
	w.ws.SetPongHandler(func(payload string) error { ponged(payload); return nil })
	pong := w.ws.PingHandler()
	w.ws.SetPingHandler(func(data string) error { pinged(); return pong(data) })
}

func (w webSocket) read() (int, io.Reader, error) { return w.ws.NextReader() }

func (w webSocket) text(frame []byte, by time.Time) error {
	_ = w.ws.SetWriteDeadline(by)
	return w.ws.WriteMessage(websocket.TextMessage, frame)
}

func (w webSocket) ping(payload []byte, by time.Time) error {
	return w.ws.WriteControl(websocket.PingMessage, payload, by)
}

func (w webSocket) bye(code int, reason string, by time.Time) error {
	return w.ws.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(code, reason), by)
}

func (w webSocket) conn() net.Conn { return w.ws.NetConn() }
