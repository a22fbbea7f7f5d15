package redisstate

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"strconv"
	"strings"
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
	canaryStale  = 1500 * time.Millisecond // readiness: a song sung longer ago proves nothing
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
	voice   string    // tells this bus's songs from those of an earlier process
	born    time.Time // songs carry the time since

	// wire orders what is decided under mu and sent afterwards: a late
	// UNSUBSCRIBE after the next SUBSCRIBE would leave the pod deaf.
	wire sync.Mutex

	mu    sync.Mutex // guards following
	ps    *redis.PubSub
	subs  map[string]*subscription
	asked map[string]int // SUBSCRIBEs of this connection that are not confirmed yet
	fresh bool           // the connection is new, what was missed is still to be read
	heard time.Time      // when the latest song that was heard had been sung
}

// subscription counts the local interest in a channel.
type subscription struct {
	refs      int
	confirmed chan struct{} // closed by the receiver when the server has confirmed; replaced when the connection is lost
}

// NewBus makes the bus; nothing arrives until Run.
func NewBus(c *Client, pod chatbox.PodID, h Handler, log *slog.Logger) *Bus {
	return &Bus{
		c: c, pod: pod, handler: h, log: log, voice: nonce(), born: time.Now(),
		subs: map[string]*subscription{}, asked: map[string]int{},
	}
}

// Subscribe counts one more local interest in the session and returns when the
// server has confirmed the subscription. One that fails leaves nothing behind.
func (b *Bus) Subscribe(ctx context.Context, s chatbox.SessionKey) error {
	ctx, cancel := context.WithTimeout(ctx, subscribeMax)
	defer cancel()
	select {
	case <-b.interest(ctx, channelOf(s)):
		return nil
	case <-ctx.Done():
		b.Unsubscribe(s) //nolint:contextcheck // the caller's has ended
		return wrap("subscribe", context.Cause(ctx))
	}
}

// interest counts one more interest in the channel; the first one subscribes.
func (b *Bus) interest(ctx context.Context, ch string) (confirmed <-chan struct{}) {
	b.wire.Lock()
	defer b.wire.Unlock()
	b.mu.Lock()
	sub := b.subs[ch]
	if sub == nil {
		sub = &subscription{confirmed: make(chan struct{})}
		b.subs[ch] = sub
	}
	sub.refs++
	confirmed = sub.confirmed
	first, ps := sub.refs == 1, b.ps
	if first && ps != nil {
		b.asked[ch]++
	}
	b.mu.Unlock()
	if first && ps != nil {
		// The connection is everybody's: the caller's deadline must not break it.
		b.sent(ps, ps.Subscribe(context.WithoutCancel(ctx), ch))
	}
	return confirmed
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
	}
	b.mu.Unlock()
	if last && ps != nil {
		b.sent(ps, ps.Unsubscribe(context.Background(), ch)) //nolint:forbidigo // a goodbye that outlives its caller; the connection's write timeout bounds it
	}
}

// sent gives up a connection that could not be written to: the library would
// make a new one in silence, and what was missed in between would never be
// read. The receiver notices and makes the next one.
func (b *Bus) sent(ps *redis.PubSub, err error) {
	if err == nil {
		return
	}
	b.log.Debug("bus connection cannot be written to", "error", err)
	_ = ps.Close()
}

// Healthy reports whether the pod has heard its own message through Redis
// lately.
func (b *Bus) Healthy() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return !b.heard.IsZero() && time.Since(b.heard) < canaryStale
}

// Run receives until ctx ends, making connections anew as they break. Started
// by the app, which waits for it.
func (b *Bus) Run(ctx context.Context) {
	var wg sync.WaitGroup
	wg.Go(func() { b.sing(ctx) }) // stopped by ctx, waited for below
	for ctx.Err() == nil {
		err := b.session(ctx)
		if ctx.Err() == nil {
			b.log.WarnContext(ctx, "bus connection lost", "error", err)
		}
		wait(ctx, 50*time.Millisecond+rand.N(200*time.Millisecond)) //nolint:gosec // jitter needs no secrecy
	}
	wg.Wait()
}

// session is the life of one connection.
func (b *Bus) session(ctx context.Context) error {
	ps := b.c.rdb.Subscribe(ctx)
	stop := context.AfterFunc(ctx, func() { _ = ps.Close() }) // wakes the receiver
	defer stop()
	defer b.lose(ps)
	if err := b.connect(ctx, ps); err != nil {
		return err
	}
	return b.receive(ctx, ps)
}

// connect subscribes to everything anybody waits for, and to the canary last:
// what is confirmed comes in order, so with it all the others are.
func (b *Bus) connect(ctx context.Context, ps *redis.PubSub) error {
	if err := ps.Subscribe(ctx, wakeChannel); err != nil { // dials, while nobody waits for wire
		return err
	}
	b.wire.Lock()
	defer b.wire.Unlock()
	b.mu.Lock()
	b.ps, b.fresh = ps, true
	channels := make([]string, 0, len(b.subs)+1)
	for ch := range b.subs {
		channels = append(channels, ch)
		b.asked[ch] = 1
	}
	b.mu.Unlock()
	return ps.Subscribe(ctx, append(channels, canaryChannel(b.pod))...)
}

// lose forgets the connection; who subscribes from now on waits for the next.
func (b *Bus) lose(ps *redis.PubSub) {
	b.mu.Lock()
	b.ps, b.fresh = nil, false
	clear(b.asked)
	for _, sub := range b.subs {
		select {
		case <-sub.confirmed:
			sub.confirmed = make(chan struct{})
		default:
		}
	}
	b.mu.Unlock()
	_ = ps.Close()
}

// receive hands on what arrives until the connection fails or goes silent.
func (b *Bus) receive(ctx context.Context, ps *redis.PubSub) error {
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

// confirm notes one confirmation. A channel that was left and entered again
// has several under way: only the last one is of the subscription that stays.
func (b *Bus) confirm(ch string) {
	b.mu.Lock()
	if b.asked[ch] > 1 {
		b.asked[ch]--
	} else {
		delete(b.asked, ch)
		if sub := b.subs[ch]; sub != nil {
			select {
			case <-sub.confirmed:
			default:
				close(sub.confirmed)
			}
		}
	}
	resync := b.fresh && ch == canaryChannel(b.pod)
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
		b.hear(m.Payload)
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

// hear notes when a song that arrived was sung: a slow way is not a broken
// one, but an old song does not prove that the way is open now.
func (b *Bus) hear(song string) {
	voice, since, _ := strings.Cut(song, ".")
	ns, err := strconv.ParseInt(since, 10, 64)
	if err != nil || voice != b.voice {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if at := b.born.Add(time.Duration(ns)); at.After(b.heard) {
		b.heard = at
	}
}

// sing publishes the pod's canary until ctx ends.
func (b *Bus) sing(ctx context.Context) {
	t := time.NewTicker(canaryEvery)
	defer t.Stop()
	for {
		song := b.voice + "." + strconv.FormatInt(int64(time.Since(b.born)), 10)
		if err := b.c.rdb.Publish(ctx, canaryChannel(b.pod), song).Err(); err != nil && ctx.Err() == nil {
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
