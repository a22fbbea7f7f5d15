package hub

import (
	"context"
	"errors"
	"io"
	"net"
	"runtime/debug"
	"time"

	"github.com/gorilla/websocket"
)

// lingerBytes bounds the bytes read from a client that violated the protocol,
// so that it receives the close frame.
const lingerBytes = 8 << 20

// inbox is the queue of frames for the worker, bounded in frames and bytes.
// When it is full the reader waits, and so does the client's TCP.
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

// clear drops the queue and returns the number of frames.
func (in *inbox) clear() int {
	n := len(in.items)
	in.items, in.bytes = nil, 0
	return n
}

// readFrame reads the rest of a frame and passes it on.
func (c *Conn) readFrame(ctx context.Context, kind int, r io.Reader, onFrame OnFrame) (err error) {
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
		return err
	}
	c.alive()
	c.receive(ctx, a, onFrame)
	return nil
}

// listen treats control frames as signs of life. The library answers pings on
// the reader.
func (c *Conn) listen() {
	c.wire.control(func(payload string) {
		c.alive()
		c.m.in[framePong].Inc()
		c.confirmed(payload)
	}, func() {
		c.alive()
		c.m.in[framePing].Inc()
	})
}

// receive passes an arrival to the worker, which it starts if necessary. The
// worker ends when the inbox is empty, and Run waits for it. receive waits
// only for a full inbox.
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
		ctx, c.halt = context.WithCancel(ctx)
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

// take returns the oldest arrival. It returns false and ends the worker if
// there is none.
func (c *Conn) take() (arrival, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.in.items) == 0 {
		c.in.items, c.in.working = nil, false
		c.halt()
		c.halt = nil
		return arrival{}, false
	}
	a := c.in.items[0]
	c.in.items[0] = arrival{}
	c.in.items = c.in.items[1:]
	c.in.bytes -= len(a.frame)
	c.changed.Broadcast()
	return a, true
}

// handle processes one arrival. A panic of the handler closes only this
// socket.
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

// refusedByUs reports whether the library closed the socket because the client
// violated the WebSocket protocol or the frame limit. It has written a close
// frame.
func refusedByUs(err error) bool {
	var closing *websocket.CloseError
	var network net.Error
	return !errors.As(err, &closing) && !errors.As(err, &network)
}

// sayTooBig closes a socket whose frame exceeds the limit. The library omits
// the close frame if the announced length does not fit into a signed integer.
// If it has written one, this writes nothing.
func (c *Conn) sayTooBig() {
	_ = c.wire.bye(websocket.CloseMessageTooBig, "", time.Now().Add(c.cfg.Linger))
}

// linger briefly reads what a refused client is still sending. Closing at once
// would reset the connection and destroy the close frame on its way.
func (c *Conn) linger() {
	conn := c.wire.conn()
	if conn.SetReadDeadline(time.Now().Add(c.cfg.Linger)) == nil {
		_, _ = io.CopyN(io.Discard, conn, lingerBytes)
	}
}
