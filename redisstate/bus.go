package redisstate

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"chatbox"
	"chatbox/cluster"
	"chatbox/helpdesk"
)

// Handler receives the messages of the bus. Messages of one session arrive in
// order. The methods may be called from several goroutines and must not block.
type Handler interface {
	// Update handles one update of a subscribed session.
	Update(u cluster.Update)
	// Resubscribed is called when updates may have been missed.
	Resubscribed()
	// Wake is called when the session's turn can be claimed.
	Wake(s chatbox.SessionKey)
	// Notice handles a notice for the tenant's connected admins.
	Notice(n helpdesk.Notice)
	// Disconnected is called when an admin has invalidated a user's
	// credentials.
	Disconnected(w chatbox.Withdrawal)
	// BlockChanged is called when an admin has blocked or unblocked a user.
	BlockChanged(u chatbox.UserKey)
}

const (
	canaryEvery  = 400 * time.Millisecond
	shardEvery   = 600 * time.Millisecond  // the same for a partition's link; there may be 64
	canaryStale  = 1500 * time.Millisecond // readiness: an older canary message proves nothing
	silentFor    = 3 * time.Second         // canary messages arrive more often, so a silent connection is dead
	subscribeMax = 3 * time.Second
)

// Bus receives a pod's messages from Redis. Delivery is at most once; missed
// events are read from the history. It is safe for concurrent use.
//
// On one Redis, and with sentinels, all messages come over one connection, the
// trunk. On a Cluster pub/sub is sharded: the trunk carries the messages for
// all pods, and every partition with sessions on this pod has its own link to
// the master that serves it.
type Bus struct {
	c       *Client
	pod     chatbox.PodID
	handler Handler // set by Run
	log     *slog.Logger
	voice   string    // distinguishes this bus's canary messages from those of an earlier process
	born    time.Time // canary messages carry the time since born
	trunk   *link

	mu     sync.Mutex    // guards following
	shards map[int]*link // on a Cluster: links by partition, created at the first interest
	launch func(l *link) // starts a link; nil while the bus does not run
}

// NewBus returns a bus. It receives nothing before Run.
func NewBus(c *Client, pod chatbox.PodID, log *slog.Logger) *Bus {
	b := &Bus{
		c: c, pod: pod, log: log, voice: nonce(), born: time.Now(), shards: map[int]*link{},
	}
	b.trunk = newLink(b, wakeChannel, trunkCanary(pod), canaryEvery)
	for _, ch := range []string{staffChannel, outChannel, blockChannel, lifeChannel(c.boot)} {
		b.trunk.subs[ch] = &subscription{refs: 1, confirmed: make(chan struct{})} // for as long as the bus lives
	}
	b.trunk.heard = time.Time{} // not ready before the first canary message
	return b
}

// Subscribe adds one local interest in the session and returns when the server
// has confirmed the subscription. A failed call adds no interest.
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

// Unsubscribe removes one interest. Removing the last one ends the
// subscription.
func (b *Bus) Unsubscribe(s chatbox.SessionKey) { b.linkOf(s).forget(channelOf(s)) }

// linkOf returns the link that carries the session's updates. A partition's
// link is created at the first interest and stays; there are at most 64.
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

// Healthy reports whether the pod has recently received its own canary message
// on every link. On a Cluster this covers the trunk's master and every master
// that serves one of the pod's sessions, but not partitions without sessions
// here.
func (b *Bus) Healthy() bool {
	for _, l := range b.links() {
		if !l.healthy() {
			return false
		}
	}
	return true
}

// Silent returns the reason why the bus is not Healthy; nil if it is.
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

// Run passes messages to h until ctx ends, and reconnects broken links. The
// app starts it once and waits for it.
func (b *Bus) Run(ctx context.Context, h Handler) {
	var wg sync.WaitGroup
	b.mu.Lock()
	b.handler = h
	b.launch = func(l *link) {
		wg.Go(func() { l.run(ctx) })             // stopped by ctx, waited for below
		wg.Go(func() { l.publishCanaries(ctx) }) // stopped by ctx, waited for below
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
		// The next message's head reveals the missing event.
		b.log.ErrorContext(ctx, "update cannot be read", "session", s.ID, "error", err)
		return
	}
	b.handler.Update(u)
}
