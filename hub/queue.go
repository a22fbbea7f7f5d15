package hub

import (
	"context"
	"slices"
)

// verdict is the result of push.
type verdict int

const (
	queued    verdict = iota // the frame will be written, in order, unless the socket ends first
	collapsed                // the frame and all queued frames of its group were removed; drained follows
	closed                   // the socket has ended or is being closed
)

// outbox is the queue of a socket's outgoing frames, bounded in bytes. A frame
// may be shared by many sockets and is never modified.
type outbox struct {
	items   []outgoing
	bytes   int   // sum over items
	groups  []any // collapsed groups: onDrained is called for them when items is empty
	paying  []any // groups whose onDrained is running: their frames are still rejected
	ping    bool  // a ping is to be written
	writing bool  // the writer exists
	closed  bool  // the close frame was written, or cannot be
}

type outgoing struct {
	frame   []byte
	group   any
	receipt *receipt // for an old client: a ping that confirms it precedes the frame
}

// push queues a frame and never blocks. A frame with a nil group must be
// delivered: if it does not fit into MaxBytes, even after all pieces were
// collapsed, the socket is closed with 4002. Any other group is a comparable
// value and marks the frame as a piece of that group. If the piece does not
// fit into CollapseBytes, the whole group is removed from the queue and the
// verdict is collapsed, as for all further pieces of the group. When the
// writer has written everything, it calls onDrained(group), which makes up for
// the removed frames and calls repaid. Only then are pieces of the group
// accepted again. An empty queue accepts a piece larger than the bound.
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

// awaitRoom waits until the queue has at most CollapseBytes. A long replay
// calls it between its frames. It returns false if the socket is closed or ctx
// ends first.
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

// owes reports whether frames of the group were removed and not replaced yet.
func (o *outbox) owes(group any) bool {
	return slices.Contains(o.groups, group) || slices.Contains(o.paying, group)
}

// takeGroupsLocked returns the groups for which the writer is about to call
// onDrained.
func (c *Conn) takeGroupsLocked() []any {
	groups := c.out.groups
	c.out.groups, c.out.paying = nil, append(c.out.paying, groups...)
	return groups
}

// repaid makes the queue accept the group's pieces again. onDrained calls it
// under the lock that orders the group's pieces.
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

// popLocked takes the oldest frame. An empty queue releases its memory.
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
