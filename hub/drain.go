package hub

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"
)

// Farewell returns the frame that asks a client to reconnect to another pod
// after a delay.
type Farewell func(after time.Duration) []byte

// Bounds of a drain.
const (
	maxComeBack = time.Second            // longest delay that clients are asked for
	maxReply    = 11 * time.Second       // time for a reply; an append waits up to 10 s for an unavailable history
	maxSettle   = 2 * time.Second        // time for a client to read the replies
	drainGrain  = 20 * time.Millisecond  // interval of the checks
	drainLinger = 100 * time.Millisecond // interval of the checks for sockets accepted meanwhile
)

// Drain refuses new sockets and sends the existing ones away, spread evenly
// over window. Each gets a reconnect frame and then close 4003, after its pending
// frames were processed and the replies were written. Processing may take 11 s
// after the reconnect frame, and writing 2 s more. Each client is asked to
// wait a random time of at most 1 s, since the drain itself is already spread.
// Sockets that are left when ctx ends are closed at once. Drain returns when
// no socket is left or ctx ends; its error says how many were left.
func (h *Hub) Drain(ctx context.Context, window time.Duration, farewell Farewell) error {
	began := time.Now()
	defer func() { h.m.drain.Observe(time.Since(began).Seconds()) }()
	h.Refuse()
	d := &drain{farewell: farewell, reason: "draining", jitter: min(maxComeBack, window)}
	if !d.sendAway(ctx, h.shuffled(), window) {
		return h.abandon(farewell)
	}
	return h.empty(ctx, d)
}

// Shed sends n random sockets to other pods, spread over window, as Drain
// does. It returns when they are gone or ctx ends. The result is the number of
// sockets that were asked to leave.
func (h *Hub) Shed(ctx context.Context, n int, window time.Duration, farewell Farewell) int {
	conns := h.shuffled()
	conns = conns[:min(n, len(conns))]
	d := &drain{farewell: farewell, reason: "rebalancing", jitter: min(maxComeBack, window)}
	d.sendAway(ctx, conns, window)
	h.m.shed.Add(float64(len(conns)))
	return len(conns)
}

func (h *Hub) shuffled() []*Conn {
	conns := h.snapshot(nil)
	//nolint:gosec // who goes first is no secret
	rand.Shuffle(len(conns), func(i, j int) { conns[i], conns[j] = conns[j], conns[i] })
	return conns
}

// empty sends away sockets that were being accepted when the drain began, and
// waits until none is left.
func (h *Hub) empty(ctx context.Context, d *drain) error {
	t := time.NewTicker(drainLinger)
	defer t.Stop()
	for h.Len() > 0 {
		h.Each(func(c *Conn) {
			if !c.closing() {
				d.begin(c)
			}
		})
		for _, l := range d.leaving {
			l.conn.Close(CloseDraining, "draining")
		}
		d.leaving = nil
		select {
		case <-ctx.Done():
			return h.abandon(d.farewell)
		case <-t.C:
		}
	}
	return nil
}

func (h *Hub) abandon(farewell Farewell) error {
	left := 0
	h.Each(func(c *Conn) {
		left++
		if !c.closing() {
			c.Send(farewell(anyOf(maxComeBack)))
			c.Close(CloseDraining, "draining")
		}
	})
	if left == 0 {
		return nil
	}
	return fmt.Errorf("drain: %d sockets were left when time was up", left)
}

// drain is the state of one Hub.Drain; its goroutine owns it.
type drain struct {
	farewell Farewell
	reason   string // in the close frame
	jitter   time.Duration
	leaving  []leaving
}

type leaving struct {
	conn *Conn
	told time.Time
	done time.Time // when it was last seen processing
}

// sendAway begins with one socket after the other, evenly over window, and
// closes each when it is ready. It returns false if ctx ended first.
func (d *drain) sendAway(ctx context.Context, conns []*Conn, window time.Duration) bool {
	began := time.Now()
	t := time.NewTicker(drainGrain)
	defer t.Stop()
	for i := 0; ; {
		for ; i < len(conns) && time.Since(began) >= window*time.Duration(i)/time.Duration(len(conns)); i++ {
			d.begin(conns[i])
		}
		d.finish()
		if i == len(conns) && len(d.leaving) == 0 {
			return true
		}
		select {
		case <-ctx.Done():
			return false
		case <-t.C:
		}
	}
}

func (d *drain) begin(c *Conn) {
	c.Send(d.farewell(anyOf(d.jitter)))
	now := time.Now()
	d.leaving = append(d.leaving, leaving{c, now, now})
}

// finish closes the sockets whose replies are written or whose time is up.
func (d *drain) finish() {
	kept := d.leaving[:0]
	for _, l := range d.leaving {
		if !l.over(time.Now()) {
			kept = append(kept, l)
			continue
		}
		l.conn.Close(CloseDraining, d.reason)
	}
	clear(d.leaving[len(kept):])
	d.leaving = kept
}

func (l *leaving) over(now time.Time) bool {
	working, writing := l.conn.busy()
	if working {
		l.done = now
		return now.Sub(l.told) >= maxReply
	}
	return !writing || now.Sub(l.done) >= maxSettle
}

// closing reports whether a close was requested.
func (c *Conn) closing() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.end != nil
}

// anyOf returns a random duration in [0, limit].
func anyOf(limit time.Duration) time.Duration {
	return rand.N(limit + 1) //nolint:gosec // a delay is no secret
}
