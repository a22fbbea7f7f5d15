package client

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// maxOutbox limits the frames that are sent but not acked, and the frames that
// wait for the writer.
const maxOutbox = 4096

// ErrBusy is returned by Send if too many frames are waiting.
var ErrBusy = errors.New("too many frames wait for the socket")

// Client is one device of one user. Run moves its frames. All other methods may
// be called from any goroutine, before and during Run.
type Client struct {
	cfg Config

	mu       sync.Mutex // guards following
	tracker  *Tracker
	entries  []Entry
	conns    int
	attached []string // sessions to resume on each connection, the URL's first
	pending  []*waiting
	outbox   []Frame
	wake     chan struct{} // closed and replaced when the writer has something to do
	changed  chan struct{} // closed and replaced when a waiter's condition may have changed
	waiters  int
	drop     context.CancelCauseFunc // ends the current connection
	away     time.Duration           // how long to stay disconnected after the current connection
	comeback time.Time               // when to reconnect, from a reconnect frame
}

// waiting is a durable frame without its ack.
type waiting struct {
	frame Frame
	due   time.Time // when to write it again after a refusal; zero: not planned
}

// New returns a client that Run connects.
func New(cfg Config) *Client {
	c := &Client{
		cfg: cfg.withDefaults(), tracker: NewTracker(),
		wake: make(chan struct{}), changed: make(chan struct{}),
	}
	if cfg.SessionID != "" {
		c.attached = []string{cfg.SessionID}
	}
	return c
}

// NewID returns a unique message id.
func NewID() string { return rand.Text() }

// Send queues a frame and returns its id, which it creates if a durable frame has
// none. The frame is written as soon as there is a socket. A durable frame is
// written again on every new socket until it is acked or finally refused.
func (c *Client) Send(f Frame) (string, error) {
	if f.ID == "" && f.Durable() {
		f.ID = NewID()
	}
	return f.ID, c.SendBare(f)
}

// SendBare queues a frame unchanged. A durable frame without an id is written at
// most once.
func (c *Client) SendBare(f Frame) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.outbox)+len(c.pending) >= maxOutbox {
		return ErrBusy
	}
	if f.ID != "" && f.Durable() {
		c.pending = append(c.pending, &waiting{frame: f})
	}
	if f.Type == TypeResume {
		c.attachLocked(f.SessionID)
	}
	c.outbox = append(c.outbox, f)
	c.wakeLocked()
	return nil
}

// Repeat writes a frame again that was sent before, acked or not. It returns
// false if this device has not sent the id in that session.
func (c *Client) Repeat(session, id string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.tracker.Session(session)
	if s == nil || s.Sent[id] == nil || len(c.outbox) >= maxOutbox {
		return false
	}
	c.outbox = append(c.outbox, s.Sent[id].Frame)
	c.wakeLocked()
	return true
}

// Resume requests all of a session's events after those that this device has, on
// the current socket.
func (c *Client) Resume(session string) error {
	var last int64
	c.View(func(t *Tracker) {
		if s := t.Session(session); s != nil {
			last = s.LastSeq
		}
	})
	return c.SendBare(Frame{Type: TypeResume, SessionID: session, Seq: last})
}

// Drop breaks the current connection without a close frame and stays disconnected
// for a while. It does nothing if there is no connection.
func (c *Client) Drop(away time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.drop != nil {
		c.away = away
		c.drop(errDropped)
	}
}

// View calls f with the device's tracker. f must not keep or change it, nor call
// the client.
func (c *Client) View(f func(*Tracker)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f(c.tracker)
}

// Transcript returns a copy of the transcript so far.
func (c *Client) Transcript() []Entry {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.entries)
}

// WaitFor returns once ok accepts the tracker, or with the context's cause.
func (c *Client) WaitFor(ctx context.Context, ok func(*Tracker) bool) error {
	c.mu.Lock()
	c.waiters++
	defer func() {
		c.mu.Lock()
		c.waiters--
		c.mu.Unlock()
	}()
	for {
		done, changed := ok(c.tracker), c.changed
		c.mu.Unlock()
		if done {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("wait: %w", context.Cause(ctx))
		}
		c.mu.Lock()
	}
}

// note records and applies an entry, lets the client react to it, and notifies
// the hook and waiters.
func (c *Client) note(e Entry) {
	e.At = time.Now()
	c.mu.Lock()
	c.noteLocked(&e)
	c.mu.Unlock()
	if c.cfg.Hook != nil {
		c.cfg.Hook(e)
	}
}

func (c *Client) noteLocked(e *Entry) {
	e.Conn = c.conns
	c.tracker.Apply(*e)
	if e.Act == ActReceived {
		c.reactLocked(e.Frame, e.At)
	}
	live := e.Frame.Type == TypeAIResponse && !e.Frame.final() && !e.Frame.snapshot()
	if c.cfg.Record && (c.cfg.KeepPieces || !live) {
		c.entries = append(c.entries, *e)
	}
	if c.waiters > 0 {
		close(c.changed)
		c.changed = make(chan struct{})
	}
}

// reactLocked updates acks and refusals, and plans what a frame asks of the
// client.
func (c *Client) reactLocked(f Frame, now time.Time) {
	switch f.Type {
	case TypeAck:
		c.settleLocked(f.SessionID, f.ID)
		c.attachLocked(f.SessionID)
	case TypeError:
		c.refusedLocked(f, now)
	case TypeReconnect:
		c.comeback = now.Add(afterMS(f))
		c.wakeLocked()
	}
}

// settleLocked removes a pending frame.
func (c *Client) settleLocked(session, id string) {
	for i, w := range c.pending {
		if w.frame.ID == id && (w.frame.SessionID == session || w.frame.SessionID == "") {
			c.pending = slices.Delete(c.pending, i, i+1)
			return
		}
	}
}

// refusedLocked plans the retry of a refused frame, or gives it up.
func (c *Client) refusedLocked(f Frame, now time.Time) {
	if f.Error == nil {
		return
	}
	for _, w := range c.pending {
		if w.frame.ID != f.ID || f.SessionID != "" && w.frame.SessionID != "" && f.SessionID != w.frame.SessionID {
			continue
		}
		if !f.Error.Recoverable && f.Error.Code != CodeTooManyRequests {
			c.settleLocked(f.SessionID, f.ID)
			return
		}
		wait := min(time.Duration(f.Error.RetryAfter)*time.Millisecond, maxWait)
		w.due = now.Add(max(wait, c.cfg.BackoffMin) + jitter(c.cfg.BackoffMin))
		c.wakeLocked()
		return
	}
}

func (c *Client) attachLocked(session string) {
	if !slices.Contains(c.attached, session) {
		c.attached = append(c.attached, session)
	}
}

func (c *Client) wakeLocked() {
	close(c.wake)
	c.wake = make(chan struct{})
}
