package hub

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"chatbox"
	"chatbox/cluster"

	"github.com/gorilla/websocket"
)

// Close codes, as listed in docs/protocol/README.md. Clients reconnect and
// resume after 4000-4499 and do not reconnect after 4500-4999.
const (
	CloseInternal     = websocket.CloseInternalServerErr
	CloseUnavailable  = 4001
	CloseSlow         = 4002
	CloseDraining     = 4003
	CloseResync       = 4004
	CloseCredential   = 4501
	CloseDisconnected = 4503
)

// OnFrame handles one frame of a client. The protocol has no binary frames, so
// a binary frame is passed without its content.
type OnFrame func(ctx context.Context, frame []byte, binary bool)

// Conn is one socket. One worker processes its frames in order, and one writer
// writes its outgoing frames in order. Both exist only while they have work.
// All methods are safe for concurrent use. None of them blocks, except Run and
// awaitRoom.
type Conn struct {
	id    chatbox.ConnID
	actor atomic.Pointer[chatbox.Actor] // from the newest credential; user and tenant never change
	cfg   *Config
	m     *Metrics
	wire  wire
	born  time.Time // origin of the monotonic times below

	pingEvery time.Duration

	// Set once: by the feed before its first push, and by the edge before Run.
	onDrained func(group any)
	onExpire  func(*Conn)
	first     func(ctx context.Context)
	// onShown receives what an old client is about to be sent, from the
	// writer, and what it has confirmed, from the reader; see Feeds.OnShown.
	// It may be nil.
	onShown func(cluster.Shown)

	expires atomic.Int64 // end of the credential in unix ns; 0: none, or handled already
	seen    atomic.Int64 // the client's last sign of life, ns since born
	waiting atomic.Bool  // the reader waits for the worker, so silence is not the client's fault
	pinged  int64        // ns since born; owned by Hub.Run
	old     atomic.Bool  // see AssumeOld

	wg sync.WaitGroup // writer and worker; joined by Run

	mu      sync.Mutex // guards following
	changed sync.Cond  // on mu: room in a queue, or the end
	out     outbox
	in      inbox
	halt    context.CancelFunc // ends the worker's context; nil: there is no worker
	end     *ending            // set: no more frames are accepted, in either direction
	dead    bool               // the reader has ended: nothing is written any more

	lastToken uint64    // of receipts
	receipts  []receipt // of an old client, oldest first: pings without a pong yet
}

// ending is how a socket is to be closed, and its deadline.
type ending struct {
	code   int
	reason string
	by     time.Time
}

// NewConn takes over an upgraded socket. The caller must call Run on it.
// Frames may be sent before Run. cfg is shared by all sockets and has no zero
// field; see Hub.Config.
func NewConn(ws *websocket.Conn, id chatbox.ConnID, actor chatbox.Actor, cfg *Config, m *Metrics) *Conn {
	ws.SetReadLimit(cfg.MaxFrame)
	return overWire(&webSocket{ws}, id, actor, cfg, m)
}

func overWire(w wire, id chatbox.ConnID, actor chatbox.Actor, cfg *Config, m *Metrics) *Conn {
	c := &Conn{id: id, cfg: cfg, m: m, wire: w, born: time.Now(), pingEvery: cfg.PingEvery}
	c.actor.Store(&actor)
	c.changed.L = &c.mu
	// By default the kernel buffers megabytes for a client that does not read.
	// This memory is not counted, and writes would block only when it is full.
	if tcp, ok := w.conn().(*net.TCPConn); ok {
		_ = tcp.SetWriteBuffer(c.cfg.SocketBytes) // on failure the socket works with the default
	}
	return c
}

// ID returns the socket's id, which is unique across the cluster.
func (c *Conn) ID() chatbox.ConnID { return c.id }

// Actor returns the subject of the socket's newest credential.
func (c *Conn) Actor() chatbox.Actor { return *c.actor.Load() }

// OnExpire sets f, which the hub's ticker calls once when the time set by
// ExpireAt has passed. f must not block. Call OnExpire before Run.
func (c *Conn) OnExpire(f func(*Conn)) { c.onExpire = f }

// ExpireAt sets the end of the socket's credential; the zero time means never.
func (c *Conn) ExpireAt(t time.Time) {
	if t.IsZero() {
		c.expires.Store(0)
		return
	}
	if t.After(time.Unix(0, math.MaxInt64)) {
		c.expires.Store(math.MaxInt64) // the latest that nanoseconds can say, in 2262
		return
	}
	c.expires.Store(t.UnixNano())
}

// Renew replaces the socket's credential with a newer one of the same user. If
// it is another user's, Renew returns chatbox.NotYours and changes nothing.
func (c *Conn) Renew(a chatbox.Actor) error {
	if c.Actor().User() != a.User() {
		return chatbox.NewError(chatbox.NotYours, "the credential is another user's", nil)
	}
	c.actor.Store(&a)
	return nil
}

// First sets f, which the worker runs before it processes the first frame.
// Call First before Run.
func (c *Conn) First(f func(ctx context.Context)) { c.first = f }

// Run reads the socket until it ends and returns the reason; nil means that
// either side closed it properly. The caller's goroutine is the reader. It
// waits only for the network and, when the inbox is full, for the worker. When
// ctx ends, the socket is closed with 4001. Frames that were read before the
// peer disconnected are still processed; after a close by this side they are
// dropped. When Run returns, reader, writer and worker have ended.
//
// An idle socket waits here for the next frame. This function and its callers
// have few variables, so that the stack stays small: see
// TestConn_IdleSocketNeedsLittleStack.
func (c *Conn) Run(ctx context.Context, onFrame OnFrame) error {
	stop := c.begin(ctx, onFrame)
	for {
		kind, r, err := c.wire.NextReader()
		if err == nil {
			err = c.readFrame(ctx, kind, r, onFrame)
		}
		if err != nil {
			stop()
			return c.finish(err)
		}
	}
}

// begin starts the first job. stop ends the effect of ctx on the socket.
func (c *Conn) begin(ctx context.Context, onFrame OnFrame) (stop func() bool) {
	c.m.connections.Inc()
	stop = func() bool { return true }
	if ctx.Done() != nil { // an idle socket pays for no context of its own
		stop = context.AfterFunc(ctx, c.cancel)
	}
	c.listen()
	c.alive()
	if first := c.first; first != nil {
		c.first = nil
		c.receive(ctx, arrival{job: first}, onFrame)
	}
	return stop
}

// finish ends the socket after its last read, which failed with err.
func (c *Conn) finish(err error) error {
	defer c.m.connections.Dec()
	if errors.Is(err, websocket.ErrReadLimit) {
		c.sayTooBig()
	}
	if refusedByUs(err) {
		c.linger()
	}
	ours := c.markDead()
	_ = c.wire.conn().Close() // wakes the writer; the socket is gone either way
	c.wg.Wait()
	if ours || goodbye(err) {
		return nil
	}
	return fmt.Errorf("read frame: %w", err)
}

// goodbye reports whether the peer closed the socket properly.
func goodbye(err error) bool {
	e, ok := errors.AsType[*websocket.CloseError](err)
	return ok && websocket.IsCloseError(e, websocket.CloseNormalClosure,
		websocket.CloseGoingAway, websocket.CloseNoStatusReceived)
}

// markDead marks the socket dead and drops its queue. It reports whether this side
// had requested the close.
func (c *Conn) markDead() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	ours := c.end != nil
	if !ours {
		c.end = &ending{code: websocket.CloseAbnormalClosure, reason: "gone", by: time.Now()}
	}
	c.dead = true
	c.dropOutLocked(dropClosed)
	c.changed.Broadcast()
	return ours
}

// Close ends the socket. The queue is written as far as possible within
// CloseTimeout, followed by a close frame. Frames of the client that wait for
// the worker are dropped. The first call sets code and reason; a later call
// can only shorten the deadline.
func (c *Conn) Close(code int, reason string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closeLocked(code, reason)
}

func (c *Conn) closeLocked(code int, reason string) {
	by := time.Now().Add(c.cfg.CloseTimeout)
	switch {
	case c.end == nil:
		if code == CloseSlow {
			// The client receives the close frame after everything in the
			// kernel's buffer, so the queue is dropped at once.
			by = time.Now().Add(c.cfg.WriteTimeout)
			c.dropOutLocked(dropSlow)
		}
		c.end = &ending{code: code, reason: reason, by: by}
		c.m.closed(code)
		c.m.dropped[dropInbox].Add(float64(c.in.clear()))
	case by.Before(c.end.by):
		c.end.by = by
	default:
		return
	}
	if c.out.writing { // the write in progress has an earlier deadline
		_ = c.wire.conn().SetWriteDeadline(c.end.by)
	}
	c.changed.Broadcast()
	c.startWriterLocked()
}

// cancel closes the socket and ends the context of the frame in progress.
func (c *Conn) cancel() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closeLocked(CloseUnavailable, "unavailable")
	if c.halt != nil {
		c.halt()
	}
}

// busy reports whether a frame is being processed and whether one is being
// written.
func (c *Conn) busy() (working, writing bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.in.working, c.out.writing
}

// alive records a sign of life of the client.
func (c *Conn) alive() { c.seen.Store(int64(time.Since(c.born))) }

// beat does the hub ticker's work for this socket. It never blocks.
func (c *Conn) beat(now time.Time) {
	if at := c.expires.Load(); at != 0 && now.UnixNano() >= at && c.expires.CompareAndSwap(at, 0) {
		c.onExpire(c)
		return
	}
	if c.overdue(now) {
		_ = c.wire.conn().Close() // neither the peer nor a write finished in time
		return
	}
	age := int64(now.Sub(c.born))
	if !c.waiting.Load() && age-c.seen.Load() >= int64(c.cfg.DeadAfter) {
		c.Close(CloseUnavailable, "no sign of life")
		return
	}
	if age-c.pinged >= int64(c.pingEvery) {
		c.pinged = age
		c.ping()
	}
}

// overdue reports whether a requested close has taken too long.
func (c *Conn) overdue(now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.end != nil && !c.dead && now.After(c.end.by.Add(c.cfg.Linger))
}
