package hub

import (
	"time"
)

// act is the writer's next step.
type act int

const (
	actStop act = iota
	actFrame
	actPing
	actDrained
	actClose
)

// step is one act of the writer and its data.
type step struct {
	act     act
	frame   []byte
	receipt *receipt
	groups  []any
	by      time.Time
	end     ending
}

// ping asks the client for a sign of life. If the writer is blocked in a
// write, the ping follows that write.
func (c *Conn) ping() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.end == nil {
		c.out.ping = true
		c.startWriterLocked()
	}
}

// startWriterLocked starts the writer unless it exists. The writer ends when
// there is nothing to write, or at the first failed write. Run waits for it.
func (c *Conn) startWriterLocked() {
	if c.out.writing || c.out.closed || c.dead {
		return
	}
	c.out.writing = true
	c.wg.Go(c.writeLoop)
}

func (c *Conn) writeLoop() {
	for {
		s := c.next()
		switch s.act {
		case actFrame:
			err := c.writeReceipt(s)
			if err == nil {
				err = c.wire.text(s.frame, s.by)
			}
			if err != nil {
				c.broken(s.by)
				return
			}
			c.m.out[frameText].Inc()
		case actPing:
			if err := c.wire.ping(nil, s.by); err != nil {
				c.broken(s.by)
				return
			}
			c.m.out[framePing].Inc()
		case actDrained:
			for _, g := range s.groups {
				c.onDrained(g)
			}
		case actClose:
			c.writeClose(s.end)
			return
		default:
			return
		}
	}
}

// next returns the writer's next step. With actStop the writer no longer
// exists.
func (c *Conn) next() step {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	by := now.Add(c.cfg.WriteTimeout)
	if c.end != nil {
		by = c.end.by
		c.out.ping, c.out.groups = false, nil
		if !now.Before(by) {
			c.dropOutLocked(dropSlow)
		}
	}
	switch {
	case c.dead || c.out.closed:
		c.out.writing = false
		return step{act: actStop}
	case c.out.ping:
		c.out.ping = false
		return step{act: actPing, by: by}
	case len(c.out.items) > 0:
		it := c.popLocked()
		return step{act: actFrame, frame: it.frame, receipt: it.receipt, by: by}
	case c.end != nil:
		c.out.closed = true
		return step{act: actClose, end: *c.end}
	case len(c.out.groups) > 0:
		return step{act: actDrained, groups: c.takeGroupsLocked()}
	default:
		c.out.writing = false
		return step{act: actStop}
	}
}

// writeClose writes the close frame and gives the peer Linger to answer.
// Closing at once could make the network discard data that the peer has not
// read yet.
func (c *Conn) writeClose(e ending) {
	by := time.Now().Add(c.cfg.Linger)
	err := c.wire.bye(e.code, e.reason, by)
	if err == nil {
		c.m.out[frameClose].Inc()
		err = c.wire.conn().SetReadDeadline(by)
	}
	if err != nil {
		_ = c.wire.conn().Close()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.out.writing = false
}

// broken ends a socket whose write failed: as a slow consumer if it timed out.
// Nothing can be written after half a frame, so closing the network connection
// wakes the reader.
func (c *Conn) broken(by time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	code, reason := CloseUnavailable, "write failed"
	if !time.Now().Before(by) {
		code, reason = CloseSlow, "slow consumer"
	}
	c.out.closed = true
	c.closeLocked(code, reason)
	c.dropOutLocked(dropSlow)
	c.out.writing = false
	_ = c.wire.conn().Close()
}
