package hub

import (
	"context"
	"errors"
	"math"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"chatbox"

	"github.com/gorilla/websocket"
)

// Close codes, as docs/protocol/README.md has them: 4000-4499 mean reconnect
// and resume, 4500-4999 mean do not.
const (
	CloseInternal     = websocket.CloseInternalServerErr
	CloseUnavailable  = 4001
	CloseSlow         = 4002
	CloseDraining     = 4003
	CloseResync       = 4004
	CloseCredential   = 4501
	CloseDisconnected = 4503
)

// OnFrame handles one frame of a client; of a binary frame, which the protocol
// does not have, it is told only that it came.
type OnFrame func(ctx context.Context, frame []byte, binary bool)

// Conn is one socket. Its frames are processed strictly in order by one
// worker, what it is sent is written in order by one writer; both exist only
// while there is something to do. All methods are safe for concurrent use and
// none of them blocks, Run and awaitRoom excepted.
type Conn struct {
	id    chatbox.ConnID
	actor atomic.Pointer[chatbox.Actor] // the newest credential's; user and tenant never change
	cfg   *Config
	m     *Metrics
	ws    *websocket.Conn
	born  time.Time // origin of the monotonic times below

	// Set once, by the feed before its first push and by the edge before Run.
	onDrained func(group any)
	onExpire  func()
	first     func(ctx context.Context)
	// onShown is told what an old client is about to be sent, by the writer, and
	// what it has confirmed, by the reader; see Feeds.OnShown. nil: nobody wants
	// to know.
	onShown func(chatbox.Shown)

	expires atomic.Int64 // unix ns of the credential's end; 0: none, or dealt with
	seen    atomic.Int64 // when the client last gave a sign of life, ns since born
	waiting atomic.Bool  // the reader waits for the worker: the silence is ours
	pinged  int64        // ns since born; owned by Hub.Run
	old     atomic.Bool  // see AssumeOld

	wg sync.WaitGroup // writer and worker; joined by Run

	mu      sync.Mutex // guards following
	changed sync.Cond  // on mu: room in a queue, or the end
	out     outbox
	in      inbox
	halt    context.CancelFunc // ends Run's context, once it runs
	end     *ending            // set: nothing more is accepted, in either direction
	dead    bool               // the reader has ended: nothing is written any more

	lastToken uint64    // of the receipts
	receipts  []receipt // of an old client, oldest first: pings without a pong yet
}

// ending is how a socket is to be closed, and by when.
type ending struct {
	code   int
	reason string
	by     time.Time
}

// NewConn takes over an upgraded socket; Run must be called on it. Frames may
// be sent before.
func NewConn(ws *websocket.Conn, id chatbox.ConnID, actor chatbox.Actor, cfg Config, m *Metrics) *Conn {
	cfg = cfg.withDefaults()
	c := &Conn{id: id, cfg: &cfg, m: m, ws: ws, born: time.Now()}
	c.actor.Store(&actor)
	c.changed.L = &c.mu
	ws.SetReadLimit(c.cfg.MaxFrame)
	// Left to itself the kernel keeps megabytes for a client that does not read:
	// memory that nobody counts, and a write that waits only when they are full.
	if tcp, ok := ws.NetConn().(*net.TCPConn); ok {
		_ = tcp.SetWriteBuffer(c.cfg.SocketBytes) // it serves without
	}
	return c
}

// ID names the socket across the cluster.
func (c *Conn) ID() chatbox.ConnID { return c.id }

// Actor is who the socket's newest credential says it is.
func (c *Conn) Actor() chatbox.Actor { return *c.actor.Load() }

// OnExpire has f called once, by the hub's ticker, when the time that ExpireAt
// said has passed. f must not block. Call it before Run.
func (c *Conn) OnExpire(f func()) { c.onExpire = f }

// ExpireAt says when the socket's credential ends; the zero time means never.
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

// Renew takes a newer credential's word for the same user: chatbox.NotYours
// where it is another's, and then nothing has changed.
func (c *Conn) Renew(a chatbox.Actor) error {
	if c.Actor().User() != a.User() {
		return chatbox.NewError(chatbox.NotYours, "the credential is another user's", nil)
	}
	c.actor.Store(&a)
	return nil
}

// First has f run by the worker before the first frame is processed. Call it
// before Run.
func (c *Conn) First(f func(ctx context.Context)) { c.first = f }

// Run reads the socket until it ends and returns why; nil means that either
// side closed it in order. The caller's goroutine is the reader: it waits for
// the network, and for the worker when the inbox is full, for nothing else.
// When ctx ends the socket is closed with 4001. Frames that were read before
// the peer went away are still processed; after a close of ours they are
// dropped. When Run returns, reader, writer and worker have ended.
func (c *Conn) Run(ctx context.Context, onFrame OnFrame) error {
	c.m.connections.Inc()
	defer c.m.connections.Dec()
	ctx, halt := context.WithCancel(ctx)
	defer halt()
	c.mu.Lock()
	c.halt = halt
	c.mu.Unlock()
	stop := context.AfterFunc(ctx, func() { c.Close(CloseUnavailable, "unavailable") })
	defer stop()

	c.alive()
	if c.first != nil {
		c.receive(ctx, arrival{job: c.first}, onFrame)
	}
	err := c.readLoop(ctx, onFrame)
	if errors.Is(err, websocket.ErrReadLimit) {
		c.sayTooBig()
	}
	if refusedByUs(err) {
		c.linger()
	}
	ours := c.bury()
	_ = c.ws.Close() // wakes the writer; the socket is gone either way
	c.wg.Wait()
	if ours || goodbye(err) {
		return nil
	}
	return err
}

// goodbye reports whether the peer ended the socket in order.
func goodbye(err error) bool {
	e, ok := errors.AsType[*websocket.CloseError](err)
	return ok && websocket.IsCloseError(e, websocket.CloseNormalClosure,
		websocket.CloseGoingAway, websocket.CloseNoStatusReceived)
}

// bury marks the socket dead and forgets what was still to be written; it
// reports whether this side had asked for the end.
func (c *Conn) bury() bool {
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

// Close ends the socket: what is queued is sent as far as it goes within
// CloseTimeout, then a close frame. Frames of the client that wait for the
// worker are dropped. The first call says why; a later one can only hurry.
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
			// The client reads its close after all that the kernel keeps for it;
			// until then nothing else is kept.
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
	if c.out.writing { // the write under way began with another deadline
		_ = c.ws.NetConn().SetWriteDeadline(c.end.by)
	}
	c.changed.Broadcast()
	c.startWriterLocked()
}

// cancel ends what the socket is doing, as the end of Run's context does.
func (c *Conn) cancel() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closeLocked(CloseUnavailable, "unavailable")
	if c.halt != nil {
		c.halt()
	}
}

// busy reports whether something is being processed, and whether something is
// being written.
func (c *Conn) busy() (working, writing bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.in.working, c.out.writing
}

// alive notes a sign of life of the client.
func (c *Conn) alive() { c.seen.Store(int64(time.Since(c.born))) }

// beat is the socket's share of the hub's ticker; it never blocks.
func (c *Conn) beat(now time.Time) {
	if at := c.expires.Load(); at != 0 && now.UnixNano() >= at && c.expires.CompareAndSwap(at, 0) {
		c.onExpire()
		return
	}
	if c.overdue(now) {
		_ = c.ws.NetConn().Close() // neither the peer nor a write came to an end in time
		return
	}
	age := int64(now.Sub(c.born))
	if !c.waiting.Load() && age-c.seen.Load() >= int64(c.cfg.DeadAfter) {
		c.Close(CloseUnavailable, "no sign of life")
		return
	}
	if age-c.pinged >= int64(c.cfg.PingEvery) {
		c.pinged = age
		c.ping()
	}
}

// overdue reports whether a close that was asked for has taken too long.
func (c *Conn) overdue(now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.end != nil && !c.dead && now.After(c.end.by.Add(c.cfg.Linger))
}
