package hub

import (
	"context"
	"slices"
)

// verdict is what became of a frame given to push.
type verdict int

const (
	queued    verdict = iota // it will be written, in order, unless the socket ends first
	collapsed                // it and all queued frames of its group were removed; drained follows
	closed                   // the socket has ended or is being closed
)

// outbox is what a socket is still to be sent, bounded in bytes. A frame may
// be shared by many sockets and is never modified.
type outbox struct {
	items   []outgoing
	bytes   int   // of items
	groups  []any // collapsed, and owed a call of onDrained when items is empty
	paying  []any // of these onDrained is being called: still nothing of theirs is taken
	ping    bool  // a ping is to be written
	writing bool  // the writer exists
	closed  bool  // the close frame was written, or cannot be
}

type outgoing struct {
	frame   []byte
	group   any
	receipt *receipt // of an old client: a ping that confirms it goes before the frame
}

// push queues a frame and never blocks. With group nil the frame must be
// delivered: where it does not fit into MaxBytes, even after all pieces were
// collapsed, the socket is closed with 4002. Any other group, a comparable
// value, marks a piece of that group: where it does not fit into CollapseBytes
// the whole group is removed from the queue and the verdict is collapsed, for
// all further pieces of the group too, until the writer has written everything
// and calls onDrained(group), which calls repaid: from then on pieces are
// accepted again. Not sooner: what was removed is still missing, and only
// onDrained makes up for it. A piece larger than the bound is accepted by an
// empty queue.
func (c *Conn) push(frame []byte, group any) verdict {
	return c.pushItem(outgoing{frame: frame, group: group})
}

func (c *Conn) pushItem(it outgoing) verdict {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.end != nil {
		c.m.dropped[dropClosed].Inc()
		return closed
	}
	if it.group != nil {
		return c.pushPieceLocked(it)
	}
	if c.out.bytes+len(it.frame) > c.cfg.MaxBytes {
		c.collapseAllLocked()
	}
	if c.out.bytes+len(it.frame) > c.cfg.MaxBytes {
		c.m.dropped[dropSlow].Inc()
		c.closeLocked(CloseSlow, "slow consumer")
		return closed
	}
	c.addLocked(it)
	return queued
}

// Send queues a frame that must be delivered; see push.
func (c *Conn) Send(frame []byte) { c.push(frame, nil) }

// awaitRoom waits until what is queued is no more than CollapseBytes: what a
// long replay calls between its frames. It reports false when the socket is
// closed or ctx ends first.
func (c *Conn) awaitRoom(ctx context.Context) bool {
	stop := context.AfterFunc(ctx, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.changed.Broadcast()
	})
	defer stop()
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.end == nil && ctx.Err() == nil && c.out.bytes > c.cfg.CollapseBytes {
		c.changed.Wait()
	}
	return c.end == nil && ctx.Err() == nil
}

func (c *Conn) pushPieceLocked(it outgoing) verdict {
	if c.out.owes(it.group) {
		c.m.dropped[dropCollapsed].Inc()
		return collapsed
	}
	if len(c.out.items) > 0 && c.out.bytes+len(it.frame) > c.cfg.CollapseBytes {
		c.m.dropped[dropCollapsed].Inc()
		c.collapseLocked(it.group)
		return collapsed
	}
	c.addLocked(it)
	return queued
}

// owes reports whether frames of the group were removed and not made up for.
func (o *outbox) owes(group any) bool {
	return slices.Contains(o.groups, group) || slices.Contains(o.paying, group)
}

// takeGroupsLocked is for the writer, which is about to call onDrained for each.
func (c *Conn) takeGroupsLocked() []any {
	groups := c.out.groups
	c.out.groups, c.out.paying = nil, append(c.out.paying, groups...)
	return groups
}

// repaid has the group's pieces accepted again; onDrained calls it, under the
// lock that orders the group's pieces.
func (c *Conn) repaid(group any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.out.paying = slices.DeleteFunc(c.out.paying, func(g any) bool { return g == group })
}

func (c *Conn) addLocked(it outgoing) {
	c.out.items = append(c.out.items, it)
	c.out.bytes += len(it.frame)
	c.m.queueBytes.Add(float64(len(it.frame)))
	c.startWriterLocked()
}

// collapseLocked removes the group's frames and remembers the group.
func (c *Conn) collapseLocked(group any) {
	kept := c.out.items[:0]
	for _, it := range c.out.items {
		if it.group == group {
			c.forgetLocked(it, dropCollapsed)
		} else {
			kept = append(kept, it)
		}
	}
	clear(c.out.items[len(kept):])
	c.out.items = kept
	c.out.groups = append(c.out.groups, group)
}

func (c *Conn) collapseAllLocked() {
	for {
		i := slices.IndexFunc(c.out.items, func(it outgoing) bool { return it.group != nil })
		if i < 0 {
			return
		}
		c.collapseLocked(c.out.items[i].group)
	}
}

// popLocked takes the oldest frame. An empty queue keeps no memory to speak
// of.
func (c *Conn) popLocked() outgoing {
	it := c.out.items[0]
	c.out.items[0] = outgoing{}
	c.out.items = c.out.items[1:]
	if len(c.out.items) == 0 {
		c.out.items = nil
	}
	c.out.bytes -= len(it.frame)
	c.m.queueBytes.Sub(float64(len(it.frame)))
	c.changed.Broadcast()
	return it
}

func (c *Conn) dropOutLocked(why dropReason) {
	for _, it := range c.out.items {
		c.forgetLocked(it, why)
	}
	c.out.items, c.out.groups, c.out.paying, c.out.ping = nil, nil, nil, false
}

func (c *Conn) forgetLocked(it outgoing, why dropReason) {
	c.out.bytes -= len(it.frame)
	c.m.queueBytes.Sub(float64(len(it.frame)))
	c.m.dropped[why].Inc()
}
