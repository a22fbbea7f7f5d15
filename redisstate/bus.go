package redisstate

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"chatbox"
)

// Handler takes what the bus brings. What is of one session comes in the order
// of arrival; the methods may be called by several goroutines and must not
// block.
type Handler interface {
	// Update is one update of a subscribed session.
	Update(u chatbox.Update)
	// Resubscribed says that updates may have been missed.
	Resubscribed()
	// Wake says that the session's turn is free to be claimed.
	Wake(s chatbox.SessionKey)
	// Notice is something for the tenant's connected admins.
	Notice(n chatbox.Notice)
	// Disconnected says that an admin has shut a user out.
	Disconnected(w chatbox.Withdrawal)
	// BlockChanged says that an admin has blocked or unblocked a user.
	BlockChanged(u chatbox.UserKey)
}

const (
	canaryEvery  = 400 * time.Millisecond
	shardEvery   = 600 * time.Millisecond  // the same of a partition's link: there may be 64
	canaryStale  = 1500 * time.Millisecond // readiness: a song sung longer ago proves nothing
	silentFor    = 3 * time.Second         // the canary sings; a silent connection is a dead one
	subscribeMax = 3 * time.Second
)

// Bus is a pod's ear. Delivery is at most once: who needs more reads the
// history. It is safe for concurrent use.
//
// On one Redis, and behind sentinels, everything comes over one connection, the
// trunk. On a Cluster pub/sub is sharded: the trunk has what is for all pods,
// and every partition with sessions here a link of its own, to the master that
// serves it.
type Bus struct {
	c       *Client
	pod     chatbox.PodID
	handler Handler // from Run on
	log     *slog.Logger
	voice   string    // tells this bus's songs from those of an earlier process
	born    time.Time // songs carry the time since
	trunk   *link

	mu     sync.Mutex    // guards following
	shards map[int]*link // on a Cluster, by partition, from the first interest on
	launch func(l *link) // runs a link; nil while the bus does not run
}

// NewBus makes the bus; nothing arrives until Run.
func NewBus(c *Client, pod chatbox.PodID, log *slog.Logger) *Bus {
	b := &Bus{
		c: c, pod: pod, log: log, voice: nonce(), born: time.Now(), shards: map[int]*link{},
	}
	b.trunk = newLink(b, wakeChannel, trunkCanary(pod), canaryEvery)
	for _, ch := range []string{staffChannel, outChannel, blockChannel} {
		b.trunk.subs[ch] = &subscription{refs: 1, confirmed: make(chan struct{})} // for as long as the bus lives
	}
	b.trunk.heard = time.Time{} // a pod that has heard nothing yet is not ready
	return b
}

// Subscribe counts one more local interest in the session and returns when the
// server has confirmed the subscription. One that fails leaves nothing behind.
func (b *Bus) Subscribe(ctx context.Context, s chatbox.SessionKey) error {
	ctx, cancel := context.WithTimeout(ctx, subscribeMax)
	defer cancel()
	l, ch := b.linkOf(s), channelOf(s)
	select {
	case <-l.interest(ctx, ch):
		return nil
	case <-ctx.Done():
		l.forget(ch) //nolint:contextcheck // the caller's has ended
		return wrap("subscribe", context.Cause(ctx))
	}
}

// Unsubscribe takes one interest back; the last one ends the subscription.
func (b *Bus) Unsubscribe(s chatbox.SessionKey) { b.linkOf(s).forget(channelOf(s)) }

// linkOf is the connection that brings the session's updates. A partition's is
// made at the first interest and stays: there are 64 at the most.
func (b *Bus) linkOf(s chatbox.SessionKey) *link {
	if !b.c.sharded {
		return b.trunk
	}
	p := partitionOf(s)
	b.mu.Lock()
	defer b.mu.Unlock()
	l := b.shards[p]
	if l == nil {
		l = newLink(b, silentChannel(p), shardCanary(p, b.pod), shardEvery)
		b.shards[p] = l
		if b.launch != nil {
			b.launch(l)
		}
	}
	return l
}

// Healthy reports whether the pod has heard its own message through Redis
// lately, on every connection that it listens on. So on a Cluster it proves
// every master that serves one of the pod's sessions, and the trunk's; a
// partition where nobody here has a session is not asked.
func (b *Bus) Healthy() bool {
	for _, l := range b.links() {
		if !l.healthy() {
			return false
		}
	}
	return true
}

// Silent is why the bus is not Healthy; nil where it is.
func (b *Bus) Silent() error {
	for _, l := range b.links() {
		if err := l.silent(); err != nil {
			return err
		}
	}
	return nil
}

func (b *Bus) links() []*link {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := []*link{b.trunk}
	for _, l := range b.shards {
		all = append(all, l)
	}
	return all
}

// Run hands what arrives to h until ctx ends, and reconnects where connections
// break. The app starts it once and waits for it.
func (b *Bus) Run(ctx context.Context, h Handler) {
	var wg sync.WaitGroup
	b.mu.Lock()
	b.handler = h
	b.launch = func(l *link) {
		wg.Go(func() { l.run(ctx) })  // stopped by ctx, waited for below
		wg.Go(func() { l.sing(ctx) }) // likewise
	}
	b.launch(b.trunk)
	for _, l := range b.shards {
		b.launch(l)
	}
	b.mu.Unlock()
	<-ctx.Done()
	b.mu.Lock()
	b.launch = nil
	b.mu.Unlock()
	wg.Wait()
}

func (b *Bus) dispatch(ctx context.Context, channel, payload string) {
	switch channel {
	case wakeChannel:
		if s, ok := parseMember(payload); ok {
			b.handler.Wake(s)
		}
		return
	case blockChannel:
		if u, ok := parseMember(payload); ok {
			b.handler.BlockChanged(chatbox.UserKey(u))
		}
		return
	case outChannel:
		if w, ok := parseWithdrawal(payload); ok {
			b.handler.Disconnected(w)
		}
		return
	case staffChannel:
		n, err := b.c.openNotice(payload)
		if err != nil {
			b.log.ErrorContext(ctx, "notice cannot be read", "error", err)
			return
		}
		b.handler.Notice(n)
		return
	}
	s, ok := sessionOfChannel(channel)
	if !ok {
		return
	}
	u, err := b.c.decodeMessage(s, payload)
	if err != nil {
		// Nothing is lost: the head in the next message shows the gap.
		b.log.ErrorContext(ctx, "update cannot be read", "session", s.ID, "error", err)
		return
	}
	b.handler.Update(u)
}
