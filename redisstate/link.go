package redisstate

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"chatbox/internal/sleep"
)

// errMoved ends a connection whose slot has moved to another server.
var errMoved = errors.New("the server ended a subscription because its slot has moved")

var errSilent = errors.New("the pod does not receive its own messages")

// link is one subscribing connection of a bus. It is replaced when it breaks.
// All its channels are in one slot.
type link struct {
	b      *Bus
	first  string        // the channel whose subscription dials; on a Cluster its slot selects the server
	canary string        // the channel of its own messages
	every  time.Duration // interval of its canary messages
	log    *slog.Logger

	// wire orders what is decided under mu and sent afterwards. An UNSUBSCRIBE
	// that arrives after the next SUBSCRIBE would end the new subscription.
	wire sync.Mutex

	mu     sync.Mutex // guards following
	ps     *redis.PubSub
	subs   map[string]*subscription
	asked  map[string]int // SUBSCRIBEs of this connection that are not confirmed yet
	left   map[string]int // UNSUBSCRIBEs that are not confirmed yet
	fresh  bool           // the connection is new, and missed updates must still be read
	met    bool           // there was an earlier connection
	failed error          // why the latest connection ended
	heard  time.Time      // when the latest received canary message was sent; initially, when the link was created
}

// subscription counts the local interest in a channel.
type subscription struct {
	refs      int
	confirmed chan struct{} // closed by the receiver when the server has confirmed; replaced when the connection is lost
}

func newLink(b *Bus, first, canary string, every time.Duration) *link {
	return &link{
		b: b, first: first, canary: canary, every: every, log: b.log, heard: time.Now(),
		subs: map[string]*subscription{}, asked: map[string]int{}, left: map[string]int{},
	}
}

// interest adds one interest in the channel. The first one subscribes.
func (l *link) interest(ctx context.Context, ch string) (confirmed <-chan struct{}) {
	l.wire.Lock()
	defer l.wire.Unlock()
	l.mu.Lock()
	sub := l.subs[ch]
	if sub == nil {
		sub = &subscription{confirmed: make(chan struct{})}
		l.subs[ch] = sub
	}
	sub.refs++
	confirmed = sub.confirmed
	first, ps := sub.refs == 1, l.ps
	if first && ps != nil {
		l.asked[ch]++
	}
	l.mu.Unlock()
	if first && ps != nil {
		// The connection is shared, so the caller's deadline must not break
		// it.
		l.sent(ps, l.subscribe(context.WithoutCancel(ctx), ps, ch))
	}
	return confirmed
}

// forget removes one interest. Removing the last one ends the subscription.
func (l *link) forget(ch string) {
	l.wire.Lock()
	defer l.wire.Unlock()
	l.mu.Lock()
	sub, ps := l.subs[ch], l.ps
	if sub != nil {
		sub.refs--
	}
	last := sub != nil && sub.refs == 0
	if last {
		delete(l.subs, ch)
	}
	if last && ps != nil {
		l.left[ch]++
	}
	l.mu.Unlock()
	if last && ps != nil {
		ctx := context.Background() //nolint:forbidigo // a goodbye that outlives its caller; the connection's write timeout bounds it
		if l.b.c.sharded {
			l.sent(ps, ps.SUnsubscribe(ctx, ch))
		} else {
			l.sent(ps, ps.Unsubscribe(ctx, ch))
		}
	}
}

func (l *link) subscribe(ctx context.Context, ps *redis.PubSub, channels ...string) error {
	if l.b.c.sharded {
		return ps.SSubscribe(ctx, channels...)
	}
	return ps.Subscribe(ctx, channels...)
}

// sent closes a connection that could not be written to. Otherwise the library
// would silently open a new one, and updates missed in between would never be
// read. The receiver notices the close and opens the next connection.
func (l *link) sent(ps *redis.PubSub, err error) {
	if err == nil {
		return
	}
	l.log.Debug("bus connection cannot be written to", "error", err)
	_ = ps.Close()
}

// run receives until ctx ends.
func (l *link) run(ctx context.Context) {
	for ctx.Err() == nil {
		err := l.session(ctx)
		if ctx.Err() == nil {
			l.note(err)
			l.log.DebugContext(ctx, "bus connection lost", "canary", l.canary, "error", err)
			l.b.c.relearn(ctx)
		}
		sleep.For(ctx, 50*time.Millisecond+rand.N(200*time.Millisecond)) //nolint:gosec // jitter needs no secrecy
	}
}

// session runs one connection until it ends.
func (l *link) session(ctx context.Context) error {
	ps := l.b.c.rdb.Subscribe(ctx)
	stop := context.AfterFunc(ctx, func() { _ = ps.Close() }) // wakes the receiver
	defer stop()
	defer l.lose(ps)
	if err := l.connect(ctx, ps); err != nil {
		return err
	}
	return l.receive(ctx, ps)
}

// connect subscribes to all channels with an interest, and to the canary last.
// Confirmations come in order, so the canary's confirms the others too.
func (l *link) connect(ctx context.Context, ps *redis.PubSub) error {
	if err := l.subscribe(ctx, ps, l.first); err != nil { // dials, while nobody waits for wire
		return err
	}
	l.wire.Lock()
	defer l.wire.Unlock()
	l.mu.Lock()
	l.ps, l.fresh = ps, true
	channels := make([]string, 0, len(l.subs)+1)
	for ch := range l.subs {
		channels = append(channels, ch)
		l.asked[ch] = 1
	}
	l.mu.Unlock()
	return l.subscribe(ctx, ps, append(channels, l.canary)...)
}

// lose forgets the connection. Later subscribers wait for the next one.
func (l *link) lose(ps *redis.PubSub) {
	l.mu.Lock()
	l.ps, l.fresh = nil, false
	clear(l.asked)
	clear(l.left)
	for _, sub := range l.subs {
		select {
		case <-sub.confirmed:
			sub.confirmed = make(chan struct{})
		default:
		}
	}
	l.mu.Unlock()
	_ = ps.Close()
}

// receive passes messages on until the connection fails, goes silent, or its
// server no longer owns the slot.
func (l *link) receive(ctx context.Context, ps *redis.PubSub) error {
	for {
		msg, err := ps.ReceiveTimeout(ctx, silentFor)
		if err != nil {
			return err
		}
		switch m := msg.(type) {
		case *redis.Subscription:
			switch m.Kind {
			case "subscribe", "ssubscribe":
				l.confirm(m.Channel)
			case "unsubscribe", "sunsubscribe":
				if !l.wanted(m.Channel) {
					return errMoved
				}
			}
		case *redis.Message:
			if m.Channel == l.canary {
				l.noteCanary(m.Payload)
			} else {
				l.b.dispatch(ctx, m.Channel, m.Payload)
			}
		}
	}
}

// wanted reports whether this pod requested the end of the subscription.
func (l *link) wanted(ch string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := l.left[ch]
	if n > 1 {
		l.left[ch] = n - 1
	} else {
		delete(l.left, ch)
	}
	return n > 0
}

// confirm records one confirmation. A channel that was left and entered again
// has several in progress; only the last one belongs to the current
// subscription.
func (l *link) confirm(ch string) {
	l.mu.Lock()
	if l.asked[ch] > 1 {
		l.asked[ch]--
	} else {
		delete(l.asked, ch)
		if sub := l.subs[ch]; sub != nil {
			select {
			case <-sub.confirmed:
			default:
				close(sub.confirmed)
			}
		}
	}
	resync := false
	if l.fresh && ch == l.canary {
		// Before its first connection a partition had no sockets that could
		// miss an update.
		resync = l.met || l == l.b.trunk
		l.fresh, l.met = false, true
	}
	l.mu.Unlock()
	if resync {
		l.b.handler.Resubscribed()
	}
}

// note records why the connection ended, for silent.
func (l *link) note(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.failed = err
}

// silent returns why no canary message arrived recently; nil if one did.
func (l *link) silent() error {
	if l.healthy() {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return cmp.Or(l.failed, errSilent)
}

// healthy reports whether a canary message arrived recently.
func (l *link) healthy() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !l.heard.IsZero() && time.Since(l.heard) < canaryStale
}

// noteCanary records when the received canary message was sent. A slow connection
// is not broken, but an old message does not prove that it works now.
func (l *link) noteCanary(message string) {
	voice, since, _ := strings.Cut(message, ".")
	ns, err := strconv.ParseInt(since, 10, 64)
	if err != nil || voice != l.b.voice {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if at := l.b.born.Add(time.Duration(ns)); at.After(l.heard) {
		l.heard = at
	}
}

// publishCanaries publishes the link's canary messages until ctx ends. Each link
// has its own sender, so that an unavailable master does not silence the others.
func (l *link) publishCanaries(ctx context.Context) {
	t := time.NewTicker(l.every)
	defer t.Stop()
	for {
		message := l.b.voice + "." + strconv.FormatInt(int64(time.Since(l.b.born)), 10)
		sctx, cancel := context.WithTimeout(ctx, canaryStale)
		if err := l.b.c.publish(sctx, l.canary, message); err != nil && ctx.Err() == nil {
			l.log.DebugContext(ctx, "canary failed", "canary", l.canary, "error", err)
		}
		cancel()
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
	}
}
