package hub

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime/debug"
	"time"

	"github.com/gorilla/websocket"
)

// lingerBytes is how much of a client that broke the rules is read on, so that
// it gets to see why it was closed.
const lingerBytes = 8 << 20

// inbox is what was read and waits for the worker, bounded in frames and
// bytes; when it is full the reader waits, and with it the client's TCP.
type inbox struct {
	items   []arrival
	bytes   int
	working bool // the worker exists
}

// arrival is a frame, or the socket's first job.
type arrival struct {
	frame  []byte
	binary bool
	job    func(ctx context.Context)
}

// clear forgets what waits and returns how many frames that were.
func (in *inbox) clear() int {
	n := len(in.items)
	in.items, in.bytes = nil, 0
	return n
}

// readLoop reads until the socket fails or ends. Once a close was asked for it
// only looks for the peer's answer.
func (c *Conn) readLoop(ctx context.Context, onFrame OnFrame) error {
	c.listen()
	for {
		kind, r, err := c.ws.NextReader()
		if err != nil {
			return fmt.Errorf("read frame: %w", err)
		}
		c.alive()
		a := arrival{binary: kind == websocket.BinaryMessage}
		if a.binary {
			c.m.in[frameBinary].Inc()
			_, err = io.Copy(io.Discard, r)
		} else {
			c.m.in[frameText].Inc()
			a.frame, err = io.ReadAll(r)
		}
		if err != nil {
			return fmt.Errorf("read frame: %w", err)
		}
		c.alive()
		c.receive(ctx, a, onFrame)
	}
}

// listen notes control frames as signs of life; pings are answered by the
// library, on the reader.
func (c *Conn) listen() {
	c.ws.SetPongHandler(func(payload string) error {
		c.alive()
		c.m.in[framePong].Inc()
		c.confirmed(payload)
		return nil
	})
	pong := c.ws.PingHandler()
	c.ws.SetPingHandler(func(data string) error {
		c.alive()
		c.m.in[framePing].Inc()
		return pong(data)
	})
}

// receive hands an arrival to the worker, which is started where there is
// none: it ends by itself when the inbox is empty, and Run waits for it. A
// full inbox makes receive wait, and only that.
func (c *Conn) receive(ctx context.Context, a arrival, onFrame OnFrame) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fullLocked(a) {
		c.waiting.Store(true)
		for c.end == nil && c.fullLocked(a) {
			c.changed.Wait()
		}
		c.alive()
		c.waiting.Store(false)
	}
	if c.end != nil {
		c.m.dropped[dropInbox].Inc()
		return
	}
	c.in.items = append(c.in.items, a)
	c.in.bytes += len(a.frame)
	if !c.in.working {
		c.in.working = true
		c.wg.Go(func() { c.work(ctx, onFrame) })
	}
}

func (c *Conn) fullLocked(a arrival) bool {
	n := len(c.in.items)
	return n >= c.cfg.InboxFrames || n > 0 && c.in.bytes+len(a.frame) > c.cfg.InboxBytes
}

func (c *Conn) work(ctx context.Context, onFrame OnFrame) {
	for {
		a, ok := c.take()
		if !ok {
			return
		}
		c.handle(ctx, a, onFrame)
	}
}

// take returns the oldest arrival; when there is none the worker no longer
// exists.
func (c *Conn) take() (arrival, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.in.items) == 0 {
		c.in.items, c.in.working = nil, false
		return arrival{}, false
	}
	a := c.in.items[0]
	c.in.items[0] = arrival{}
	c.in.items = c.in.items[1:]
	c.in.bytes -= len(a.frame)
	c.changed.Broadcast()
	return a, true
}

// handle contains a panic of the handler to its socket.
func (c *Conn) handle(ctx context.Context, a arrival, onFrame OnFrame) {
	defer func() {
		if v := recover(); v != nil {
			c.cfg.Logger.ErrorContext(ctx, "frame handler panicked", "panic", v, "stack", string(debug.Stack()))
			c.Close(CloseInternal, "internal error")
		}
	}()
	if a.job != nil {
		a.job(ctx)
		return
	}
	onFrame(ctx, a.frame, a.binary)
}

// refusedByUs reports whether the library ended the socket for a breach of the
// WebSocket protocol or of the frame limit; it has written a close frame.
func refusedByUs(err error) bool {
	var closing *websocket.CloseError
	var network net.Error
	return !errors.As(err, &closing) && !errors.As(err, &network)
}

// sayTooBig closes a socket whose frame is beyond the limit: the library leaves
// that out where the frame announces more than a signed number holds. Where it
// did not, this writes nothing.
func (c *Conn) sayTooBig() {
	message := websocket.FormatCloseMessage(websocket.CloseMessageTooBig, "")
	_ = c.ws.WriteControl(websocket.CloseMessage, message, time.Now().Add(c.cfg.Linger))
}

// linger reads on for a moment what a refused client is still sending. Closing
// at once would reset the connection and destroy the close frame on its way.
func (c *Conn) linger() {
	conn := c.ws.NetConn()
	if conn.SetReadDeadline(time.Now().Add(c.cfg.Linger)) == nil {
		_, _ = io.CopyN(io.Discard, conn, lingerBytes)
	}
}
