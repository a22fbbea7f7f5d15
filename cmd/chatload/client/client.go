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

// maxOutbox bounds what a device has sent and not had acked, and what waits for the writer.
const maxOutbox = 4096

// ErrBusy is returned by Send when too much waits already.
var ErrBusy = errors.New("too many frames wait for the socket")

// Client is one device of one user. Run moves its frames; every other method may be called
// from any goroutine, before and during Run.
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
	drop     context.CancelCauseFunc // ends the present connection
	away     time.Duration           // how long to stay away after the present connection
	comeback time.Time               // when a reconnect frame told to come back
}

// waiting is a durable frame without its ack.
type waiting struct {
	frame Frame
	due   time.Time // when to write it again after a refusal, zero: no plan
}

// New returns a client at rest.
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

// NewID returns an id no other message has.
func NewID() string { return rand.Text() }

// Send queues a frame and returns its id, made here where a durable frame has none. The frame
// is written when there is a socket and, if it is durable, again on every new one until it is
// acked or refused for good.
func (c *Client) Send(f Frame) (string, error) {
	if f.ID == "" && f.Durable() {
		f.ID = NewID()
	}
	return f.ID, c.SendBare(f)
}

// SendBare queues a frame as it is. A durable frame without an id is written at most once.
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

// Repeat writes a frame once more that was sent before, acked or not. It returns false where
// this device does not know the id in that session.
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

// Resume asks for everything of a session after what this device has, on the present socket.
func (c *Client) Resume(session string) error {
	var last int64
	c.View(func(t *Tracker) {
		if s := t.Session(session); s != nil {
			last = s.LastSeq
		}
	})
	return c.SendBare(Frame{Type: TypeResume, SessionID: session, Seq: last})
}

// Drop breaks the present connection without a goodbye and stays away for a while. It does
// nothing where there is none.
func (c *Client) Drop(away time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.drop != nil {
		c.away = away
		c.drop(errDropped)
	}
}

// View calls f with what the device knows. f must not keep or change it, nor call the client.
func (c *Client) View(f func(*Tracker)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f(c.tracker)
}

// Transcript returns a copy of what was recorded so far.
func (c *Client) Transcript() []Entry {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.entries)
}

// WaitFor returns once ok is true of what the device knows, or with the context's cause.
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

// note records an entry, applies it, lets the client react, and tells hook and waiters.
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

// reactLocked keeps the books of acks and refusals and plans what a frame asks of the client.
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

// settleLocked forgets a pending frame.
func (c *Client) settleLocked(session, id string) {
	for i, w := range c.pending {
		if w.frame.ID == id && (w.frame.SessionID == session || w.frame.SessionID == "") {
			c.pending = slices.Delete(c.pending, i, i+1)
			return
		}
	}
}

// refusedLocked plans the repetition of a pending frame that may be sent again, or gives it up.
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
