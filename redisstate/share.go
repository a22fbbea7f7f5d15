package redisstate

import (
	"context"
	"sync"
	"time"
)

const (
	sharedFlushes = 2   // on their way at the same time
	sharedMost    = 128 // callers of one flush
)

// sharing combines the flushes of concurrent callers. A lone caller sends at
// once, in its own goroutine. While sharedFlushes are on their way, further
// callers wait, and one of them sends for all: under load a pod writes to Redis
// and reads from it once for many commands.
type sharing struct {
	mu      sync.Mutex // guards following, and the callers' fields
	waiting []*sharer
	sending int
}

// sharer is a caller.
type sharer struct {
	fill func(p batch)
	err  error
	wake chan struct{} // closed when err is set, or when the caller shall send
	send bool          // the caller shall send, for itself and the waiting ones
	gone bool          // the caller no longer waits
}

// share is flush together with concurrent callers. fill may run in another
// goroutine, but never after share has returned nil. On a Cluster nobody waits
// for a master of others, so each caller flushes alone.
func (c *Client) share(ctx context.Context, fill func(p batch)) error {
	if c.sharded {
		return c.flush(ctx, fill)
	}
	s, me := &c.sharing, &sharer{fill: fill, wake: make(chan struct{})}
	s.mu.Lock()
	if s.sending < sharedFlushes {
		s.sending++
		s.mu.Unlock()
		return c.sendFor(ctx, me)
	}
	s.waiting = append(s.waiting, me)
	s.mu.Unlock()
	select {
	case <-me.wake:
	case <-ctx.Done():
	}
	s.mu.Lock()
	send := me.send
	me.gone = !send
	err := me.err
	s.mu.Unlock()
	switch {
	case send:
		return c.sendFor(ctx, me)
	case ctx.Err() != nil && err == nil && !isClosed(me.wake):
		return ctx.Err()
	default:
		return err
	}
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// sendFor flushes for me and for those who wait, and lets one of those who came
// meanwhile send next.
func (c *Client) sendFor(ctx context.Context, me *sharer) error {
	s := &c.sharing
	s.mu.Lock()
	group := append([]*sharer{me}, s.takeLocked(sharedMost-1)...)
	s.mu.Unlock()
	// One caller's end must not end the others' commands. Each command has the
	// client's own time-out.
	all, cancel := context.WithTimeout(context.WithoutCancel(ctx), 4*c.cfg.CommandTimeout+time.Second)
	defer cancel()
	errs := c.flushAll(all, group)
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, w := range group {
		if w.err = errs[i]; w != me {
			close(w.wake)
		}
	}
	if next := s.takeLocked(1); len(next) > 0 {
		next[0].send = true
		close(next[0].wake)
	} else {
		s.sending--
	}
	return me.err
}

// takeLocked removes up to n callers who still wait.
func (s *sharing) takeLocked(n int) []*sharer {
	var taken []*sharer
	for len(s.waiting) > 0 && len(taken) < n {
		if w := s.waiting[0]; !w.gone {
			taken = append(taken, w)
		}
		s.waiting[0], s.waiting = nil, s.waiting[1:]
	}
	return taken
}

// flushAll sends the commands of all callers in one flush and returns an error
// for each.
func (c *Client) flushAll(ctx context.Context, group []*sharer) []error {
	errs := make([]error, len(group))
	for _, whole := range []bool{false, true} {
		p := batch{c.rdb.Pipeline(), whole}
		ends := make([]int, len(group))
		for i, w := range group {
			w.fill(p)
			ends[i] = p.Len()
		}
		cmds, err := p.Exec(ctx)
		if err == nil {
			return errs
		}
		if !whole && missesScript(cmds) {
			continue
		}
		begin := 0
		for i, end := range ends {
			errs[i] = firstFailure(cmds[begin:end])
			begin = end
		}
		break
	}
	return errs
}
