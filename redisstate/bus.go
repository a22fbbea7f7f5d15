package redisstate

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"chatbox"
)

// Handler takes what the bus brings. Its methods are called by one goroutine,
// in the order of arrival, and must not block.
type Handler interface {
	// Update is one update of a subscribed session.
	Update(u chatbox.Update)
	// Resubscribed says that updates may have been missed.
	Resubscribed()
	// Wake says that the session's turn is free to be claimed.
	Wake(s chatbox.SessionKey)
}

const (
	canaryEvery  = 400 * time.Millisecond
	canaryStale  = 1500 * time.Millisecond // readiness: not heard for so long is not ready
	silentFor    = 3 * time.Second         // the canary sings; a silent connection is a dead one
	subscribeMax = 3 * time.Second
)

// Bus is a pod's one subscribing connection. Delivery is at most once: who
// needs more reads the history. It is safe for concurrent use.
type Bus struct {
	c       *Client
	pod     chatbox.PodID
	handler Handler
	log     *slog.Logger

	// wire orders what is decided under mu and sent afterwards: a late
	// UNSUBSCRIBE after the next SUBSCRIBE would leave the pod deaf.
	wire sync.Mutex

	mu      sync.Mutex // guards the following
	ps      *redis.PubSub
	subs    map[string]*subscription
	waiting int // channels not confirmed since the connection was made
	fresh   bool
	heard   time.Time
	said    string
}

// subscription counts the local interest in a channel.
type subscription struct {
	refs      int
	confirmed chan struct{} // closed by the receiver when the server has confirmed
}

// NewBus makes the bus; nothing arrives until Run.
func NewBus(c *Client, pod chatbox.PodID, h Handler, log *slog.Logger) *Bus {
	return &Bus{c: c, pod: pod, handler: h, log: log, subs: map[string]*subscription{}}
}

// Subscribe counts one more local interest in the session and returns when the
// server has confirmed the subscription.
func (b *Bus) Subscribe(ctx context.Context, s chatbox.SessionKey) error {
	sub := b.interest(ctx, channelOf(s))
	ctx, cancel := context.WithTimeout(ctx, subscribeMax)
	defer cancel()
	for {
		b.mu.Lock()
		done := sub.confirmed
		b.mu.Unlock()
		select {
		case <-done:
			return nil
		case <-ctx.Done():
			b.Unsubscribe(s)
			return wrap("subscribe", context.Cause(ctx))
		}
	}
}

// interest counts one more interest in the channel; the first one subscribes.
func (b *Bus) interest(ctx context.Context, ch string) *subscription {
	b.wire.Lock()
	defer b.wire.Unlock()
	b.mu.Lock()
	sub := b.subs[ch]
	if sub == nil {
		sub = &subscription{confirmed: make(chan struct{})}
		b.subs[ch] = sub
		b.waiting++
	}
	sub.refs++
	first, ps := sub.refs == 1, b.ps
	b.mu.Unlock()
	if first && ps != nil {
		// An error means a broken connection: the next one subscribes to all.
		if err := ps.Subscribe(ctx, ch); err != nil {
			b.log.DebugContext(ctx, "subscribe failed", "error", err)
		}
	}
	return sub
}

// Unsubscribe takes one interest back; the last one ends the subscription.
func (b *Bus) Unsubscribe(s chatbox.SessionKey) {
	ch := channelOf(s)
	b.wire.Lock()
	defer b.wire.Unlock()
	b.mu.Lock()
	sub, ps := b.subs[ch], b.ps
	if sub != nil {
		sub.refs--
	}
	last := sub != nil && sub.refs == 0
	if last {
		delete(b.subs, ch)
		select {
		case <-sub.confirmed:
		default:
			b.waiting--
		}
	}
	b.mu.Unlock()
	if last && ps != nil {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second) //nolint:forbidigo // a goodbye that outlives its caller
		defer cancel()
		_ = ps.Unsubscribe(ctx, ch) // lost with the connection, which forgets it too
	}
}

// Healthy reports whether the pod has heard its own message through Redis
// lately.
func (b *Bus) Healthy() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return time.Since(b.heard) < canaryStale
}

// Run receives until ctx ends, making connections anew as they break. Started
// by the app, which waits for it.
func (b *Bus) Run(ctx context.Context) {
	var wg sync.WaitGroup
	wg.Go(func() { b.sing(ctx) })
	for ctx.Err() == nil {
		err := b.receive(ctx, b.connect(ctx))
		if ctx.Err() == nil {
			b.log.WarnContext(ctx, "bus connection lost", "error", err)
		}
		wait(ctx, 50*time.Millisecond+rand.N(200*time.Millisecond)) //nolint:gosec // jitter needs no secrecy
	}
	wg.Wait()
}

// connect makes a connection that subscribes to everything anybody waits for.
func (b *Bus) connect(ctx context.Context) *redis.PubSub {
	b.wire.Lock()
	defer b.wire.Unlock()
	b.mu.Lock()
	channels := []string{canaryChannel(b.pod), wakeChannel}
	for ch, sub := range b.subs {
		channels = append(channels, ch)
		select {
		case <-sub.confirmed:
			sub.confirmed = make(chan struct{})
		default:
		}
	}
	b.waiting, b.fresh = len(b.subs), true
	b.mu.Unlock()
	ps := b.c.rdb.Subscribe(ctx, channels...)
	b.mu.Lock()
	b.ps = ps
	b.mu.Unlock()
	return ps
}

// receive hands on what arrives until the connection fails or goes silent.
func (b *Bus) receive(ctx context.Context, ps *redis.PubSub) error {
	defer func() {
		b.mu.Lock()
		b.ps = nil
		b.mu.Unlock()
		_ = ps.Close()
	}()
	for {
		msg, err := ps.ReceiveTimeout(ctx, silentFor)
		if err != nil {
			return err
		}
		switch m := msg.(type) {
		case *redis.Subscription:
			if m.Kind == "subscribe" {
				b.confirm(m.Channel)
			}
		case *redis.Message:
			b.dispatch(ctx, m)
		}
	}
}

// confirm notes one confirmation; when the last one of a new connection is in,
// what was missed meanwhile can be read.
func (b *Bus) confirm(ch string) {
	b.mu.Lock()
	if sub := b.subs[ch]; sub != nil {
		select {
		case <-sub.confirmed:
		default:
			close(sub.confirmed)
			b.waiting--
		}
	}
	resync := b.fresh && b.waiting <= 0
	if resync {
		b.fresh = false
	}
	b.mu.Unlock()
	if resync {
		b.handler.Resubscribed()
	}
}

func (b *Bus) dispatch(ctx context.Context, m *redis.Message) {
	switch m.Channel {
	case canaryChannel(b.pod):
		b.mu.Lock()
		if m.Payload == b.said {
			b.heard = time.Now()
		}
		b.mu.Unlock()
	case wakeChannel:
		if s, ok := parseMember(m.Payload); ok {
			b.handler.Wake(s)
		}
	default:
		s, ok := sessionOfChannel(m.Channel)
		if !ok {
			return
		}
		u, err := b.c.decodeMessage(s, m.Payload)
		if err != nil {
			// Nothing is lost: the head in the next message shows the gap.
			b.log.ErrorContext(ctx, "update cannot be read", "session", s.ID, "error", err)
			return
		}
		b.handler.Update(u)
	}
}

// sing publishes the pod's canary. Only one song is in the air: hearing an old
// one proves nothing.
func (b *Bus) sing(ctx context.Context) {
	t := time.NewTicker(canaryEvery)
	defer t.Stop()
	for {
		song := nonce()
		b.mu.Lock()
		b.said = song
		b.mu.Unlock()
		err := b.c.rdb.Publish(ctx, canaryChannel(b.pod), song).Err()
		if err != nil && !errors.Is(err, context.Canceled) {
			b.log.DebugContext(ctx, "canary failed", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
	}
}

func wait(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
