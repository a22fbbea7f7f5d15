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

// errMoved ends a connection whose slot another server has now.
var errMoved = errors.New("the server has taken a subscription back: its slot has moved")

var errSilent = errors.New("the pod does not hear itself")

// link is one subscribing connection of a bus, made anew when it breaks. All
// its channels are of one slot.
type link struct {
	b      *Bus
	first  string        // the channel whose subscription dials: on a Cluster its slot says to whom
	canary string        // the channel of its own songs
	every  time.Duration // it sings
	log    *slog.Logger

	// wire orders what is decided under mu and sent afterwards: a late
	// UNSUBSCRIBE after the next SUBSCRIBE would leave the pod deaf.
	wire sync.Mutex

	mu     sync.Mutex // guards following
	ps     *redis.PubSub
	subs   map[string]*subscription
	asked  map[string]int // SUBSCRIBEs of this connection that are not confirmed yet
	left   map[string]int // UNSUBSCRIBEs likewise
	fresh  bool           // the connection is new, what was missed is still to be read
	met    bool           // there was a connection before
	failed error          // why the latest connection ended
	heard  time.Time      // when the latest song that was heard had been sung; at first, when the link was made
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

// interest counts one more interest in the channel; the first one subscribes.
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
		// The connection is everybody's: the caller's deadline must not break it.
		l.sent(ps, l.subscribe(context.WithoutCancel(ctx), ps, ch))
	}
	return confirmed
}

// forget takes one interest back; the last one ends the subscription.
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

// sent gives up a connection that could not be written to: the library would
// make a new one in silence, and what was missed in between would never be
// read. The receiver notices and makes the next one.
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

// session is the life of one connection.
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

// connect subscribes to everything anybody waits for, and to the canary last:
// what is confirmed comes in order, so with it all the others are.
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

// lose forgets the connection; who subscribes from now on waits for the next.
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

// receive hands on what arrives until the connection fails, goes silent, or
// belongs to a server that has given the slot away.
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
				l.hear(m.Payload)
			} else {
				l.b.dispatch(ctx, m.Channel, m.Payload)
			}
		}
	}
}

// wanted reports whether the end of a subscription was asked for here.
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

// confirm notes one confirmation. A channel that was left and entered again
// has several under way: only the last one is of the subscription that stays.
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
		// Before a partition's first connection nobody here listened to it.
		resync = l.met || l == l.b.trunk
		l.fresh, l.met = false, true
	}
	l.mu.Unlock()
	if resync {
		l.b.handler.Resubscribed()
	}
}

// note keeps why the connection ended, for whoever asks why nothing is heard.
func (l *link) note(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.failed = err
}

// silent is why nothing has been heard lately; nil where something was.
func (l *link) silent() error {
	if l.healthy() {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return cmp.Or(l.failed, errSilent)
}

// healthy reports whether it has heard itself lately.
func (l *link) healthy() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !l.heard.IsZero() && time.Since(l.heard) < canaryStale
}

// hear notes when a song that arrived was sung: a slow way is not a broken
// one, but an old song does not prove that the way is open now.
func (l *link) hear(song string) {
	voice, since, _ := strings.Cut(song, ".")
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

// sing publishes the link's canary until ctx ends. Each link sings for itself:
// a master that is away must not silence the others.
func (l *link) sing(ctx context.Context) {
	t := time.NewTicker(l.every)
	defer t.Stop()
	for {
		song := l.b.voice + "." + strconv.FormatInt(int64(time.Since(l.b.born)), 10)
		sctx, cancel := context.WithTimeout(ctx, canaryStale)
		if err := l.b.c.publish(sctx, l.canary, song); err != nil && ctx.Err() == nil {
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
