package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"strconv"
	"time"

	"github.com/gorilla/websocket"
	"golang.org/x/sync/errgroup"

	"chatbox/internal/sleep"
)

// writeWait limits one write.
const writeWait = 20 * time.Second

// errComeback ends a connection because its pod asked the client to reconnect.
var errComeback = errors.New("asked to reconnect")

// Run connects and reconnects until ctx ends, and then returns nil. It returns a
// *StoppedError if the server says not to reconnect. It may be called once.
func (c *Client) Run(ctx context.Context) error {
	for failures := 0; ctx.Err() == nil; failures++ {
		begun := time.Now()
		err := c.connection(ctx)
		if stop := stopping(err); stop != nil {
			return stop
		}
		if time.Since(begun) > time.Second { // a pod that drops all clients at once must not cause a storm of dials
			failures = 0
		}
		sleep.For(ctx, c.pauseAfter(failures, err))
	}
	return nil
}

// pauseAfter returns how long to wait after a connection or a dial that ended
// with err.
func (c *Client) pauseAfter(failures int, err error) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	if errors.Is(err, errDropped) {
		return c.away
	}
	if !c.comeback.IsZero() {
		return max(0, time.Until(c.comeback))
	}
	return c.cfg.backoff(failures, err)
}

// connection runs from one dial to the end of its socket, and returns why it
// ended.
func (c *Client) connection(ctx context.Context) error {
	ctx, drop := context.WithCancelCause(ctx)
	defer drop(nil)
	c.mu.Lock()
	c.conns++
	c.comeback = time.Time{}
	c.drop = drop
	session, last := c.urlLocked()
	c.mu.Unlock()
	c.note(Entry{Act: ActDialing})
	ws, err := c.dial(ctx, session, last)
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			return cause
		}
		c.note(Entry{Act: ActRefused, Note: err.Error()})
		return err
	}
	c.note(Entry{Act: ActOpened, Frame: Frame{SessionID: session, Seq: last}})
	c.mu.Lock()
	c.helloLocked(session)
	c.mu.Unlock()
	err = c.serve(ctx, ws)
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	c.mu.Lock()
	c.drop = nil
	c.mu.Unlock()
	c.note(Entry{Act: ActClosed, Note: err.Error()})
	return err
}

// urlLocked returns the session and the last seq for the next dial's URL.
func (c *Client) urlLocked() (session string, last int64) {
	if c.cfg.ResumeByFrame || len(c.attached) == 0 {
		return "", NoResume
	}
	session = c.attached[0]
	if s := c.tracker.Session(session); s != nil && (s.LastSeq > 0 || s.Resumes > 0) {
		return session, s.LastSeq
	}
	if c.cfg.FromHead {
		return session, NoResume
	}
	return session, 0
}

// helloLocked fills the outbox of a new socket: a resume for each session that
// the URL does not name, then everything that was not acked. Other waiting frames
// are transient and out of date, so they are dropped.
func (c *Client) helloLocked(named string) {
	queued := c.outbox
	c.outbox = nil
	for _, session := range c.attached {
		if session == named {
			continue
		}
		var last int64
		if s := c.tracker.Session(session); s != nil {
			last = s.LastSeq
		}
		c.outbox = append(c.outbox, Frame{Type: TypeResume, SessionID: session, Seq: last})
	}
	for _, w := range c.pending {
		w.due = time.Time{}
		c.outbox = append(c.outbox, w.frame)
	}
	for _, f := range queued {
		if f.ID == "" && f.Durable() { // never written, and not repeated otherwise
			c.outbox = append(c.outbox, f)
		}
	}
}

// dial opens one socket.
func (c *Client) dial(ctx context.Context, session string, last int64) (*websocket.Conn, error) {
	token, err := c.cfg.Token(ctx)
	if err != nil {
		return nil, fmt.Errorf("token: %w", err)
	}
	base := c.cfg.URLs[rand.IntN(len(c.cfg.URLs))] //nolint:gosec // a choice of address needs no secrecy
	u := c.cfg.upgradeTo(base, token, session, last)
	ws, res, err := c.cfg.dialer(u.subprotocols).DialContext(ctx, u.url, u.header)
	if err != nil {
		if res != nil && errors.Is(err, websocket.ErrBadHandshake) {
			_, _ = io.Copy(io.Discard, res.Body) // only the status matters
			_ = res.Body.Close()
			return nil, &HandshakeError{Status: res.StatusCode, RetryAfter: retryAfter(res.Header)}
		}
		return nil, errors.New("dial: " + redact(err)) // the cause may quote the URL and its token
	}
	if ws.Subprotocol() != subprotocol {
		c.note(Entry{Act: ActGarbled, Note: "subprotocol " + strconv.Quote(ws.Subprotocol()) + " selected"})
	}
	return ws, nil
}

// serve runs the socket's reader and writer. It returns when both have ended,
// with the first error. Cancelling ctx closes the socket, which ends them.
func (c *Client) serve(ctx context.Context, ws *websocket.Conn) error {
	group, ctx := errgroup.WithContext(ctx)
	stop := context.AfterFunc(ctx, func() { _ = ws.Close() }) // unblocks reader and writer
	defer func() {
		stop()
		_ = ws.Close() // already closed, or closed here
	}()
	group.Go(func() error { return c.read(ws) })
	group.Go(func() error { return c.write(ctx, ws) })
	return group.Wait() //nolint:wrapcheck // already says what happened
}

// read is the socket's only reader: started by serve, stopped by the socket's end, waited for by serve.
func (c *Client) read(ws *websocket.Conn) error {
	ws.SetReadLimit(2 << 20)
	alive := func() error { return ws.SetReadDeadline(time.Now().Add(c.cfg.ReadTimeout)) }
	pong := ws.PingHandler()
	ws.SetPingHandler(func(data string) error {
		_ = alive() // a dead socket shows in the read
		return pong(data)
	})
	for {
		_ = alive() // a dead socket shows in the read
		kind, text, err := ws.ReadMessage()
		if err != nil {
			return fmt.Errorf("read: %w", err)
		}
		if kind != websocket.TextMessage {
			c.note(Entry{Act: ActGarbled, Note: "binary frame"})
			continue
		}
		if c.cfg.Raw != nil {
			c.cfg.Raw(false, text)
		}
		f, err := decode(text)
		if err != nil {
			c.note(Entry{Act: ActGarbled, Note: err.Error()})
			continue
		}
		c.note(Entry{Act: ActReceived, Frame: f})
	}
}

// write is the socket's only writer of data frames: started by serve, stopped by
// ctx or a failed write, waited for by serve.
func (c *Client) write(ctx context.Context, ws *websocket.Conn) error {
	for {
		frames, wake, next := c.takeOutbox(time.Now())
		for _, f := range frames {
			if err := c.writeOne(ws, f); err != nil {
				return err
			}
		}
		if len(frames) > 0 {
			continue
		}
		var timer <-chan time.Time
		if !next.IsZero() {
			timer = time.After(max(0, time.Until(next)))
		}
		select {
		case <-wake:
		case <-timer:
			if c.leaving(time.Now()) {
				return errComeback
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func (c *Client) writeOne(ws *websocket.Conn, f Frame) error {
	text, err := encode(f)
	if err != nil {
		return err
	}
	if c.cfg.Raw != nil {
		c.cfg.Raw(true, text)
	}
	c.note(Entry{Act: ActSent, Frame: f}) // before the write, because the ack may arrive before Write returns
	_ = ws.SetWriteDeadline(time.Now().Add(writeWait))
	if err := ws.WriteMessage(websocket.TextMessage, text); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	return nil
}

// takeOutbox returns the frames to write now. If there are none, it returns when
// to look again: when wake is closed, or at next.
func (c *Client) takeOutbox(now time.Time) (frames []Frame, wake <-chan struct{}, next time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	frames, c.outbox = c.outbox, nil
	next = c.comeback
	for _, w := range c.pending {
		switch {
		case w.due.IsZero():
		case !w.due.After(now):
			w.due = time.Time{}
			frames = append(frames, w.frame)
		case next.IsZero() || w.due.Before(next):
			next = w.due
		}
	}
	return slices.Clip(frames), c.wake, next
}

func (c *Client) leaving(now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.comeback.IsZero() && !c.comeback.After(now)
}

func afterMS(f Frame) time.Duration {
	ms, err := strconv.ParseInt(f.Metadata["after_ms"], 10, 64)
	if err != nil || ms < 0 {
		return 0
	}
	return min(time.Duration(ms)*time.Millisecond, maxWait)
}

func jitter(window time.Duration) time.Duration {
	return rand.N(window + 1) //nolint:gosec // jitter needs no secrecy
}

// redact returns the error of a failed dial without the URL's query, which may
// contain a token.
func redact(err error) string {
	var timeout interface{ Timeout() bool }
	if errors.As(err, &timeout) && timeout.Timeout() {
		return "timed out"
	}
	if op, ok := errors.AsType[*net.OpError](err); ok {
		return op.Error()
	}
	return fmt.Sprintf("%T", err)
}
