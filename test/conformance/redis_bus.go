package conformance

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"chatbox"
	"chatbox/cluster"
	"chatbox/helpdesk"
	"chatbox/redisstate"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A test waits this long for an event that must come. Only a hang makes it fail.
const patience = 30 * time.Second

// redisHandler keeps what a bus brings.
type redisHandler struct {
	mu      sync.Mutex // guards following
	updates []cluster.Update
	taken   int
	resyncs int
	wakes   []chatbox.SessionKey
	notices []helpdesk.Notice
	out     []chatbox.Withdrawal
	blocks  []chatbox.UserKey
	changed chan struct{} // closed and replaced at every change
}

func newRedisHandler() *redisHandler { return &redisHandler{changed: make(chan struct{})} }

func (h *redisHandler) change(f func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	f()
	close(h.changed)
	h.changed = make(chan struct{})
}

// Update keeps it.
func (h *redisHandler) Update(u cluster.Update) {
	h.change(func() { h.updates = append(h.updates, u) })
}

// Resubscribed counts.
func (h *redisHandler) Resubscribed() { h.change(func() { h.resyncs++ }) }

// Notice keeps it.
func (h *redisHandler) Notice(n helpdesk.Notice) {
	h.change(func() { h.notices = append(h.notices, n) })
}

// Wake keeps it.
func (h *redisHandler) Wake(s chatbox.SessionKey) { h.change(func() { h.wakes = append(h.wakes, s) }) }

// Disconnected keeps it.
func (h *redisHandler) Disconnected(w chatbox.Withdrawal) {
	h.change(func() { h.out = append(h.out, w) })
}

// BlockChanged keeps it.
func (h *redisHandler) BlockChanged(u chatbox.UserKey) {
	h.change(func() { h.blocks = append(h.blocks, u) })
}

// until waits until ok, which is asked under the lock.
func (h *redisHandler) until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	late := time.After(patience)
	for {
		h.mu.Lock()
		done, changed := ok(), h.changed
		h.mu.Unlock()
		if done {
			return
		}
		select {
		case <-changed:
		case <-late:
			require.Fail(t, "waited in vain for "+what)
		}
	}
}

// take waits for the next n updates.
func (h *redisHandler) take(t *testing.T, n int) []cluster.Update {
	t.Helper()
	h.until(t, fmt.Sprint(n, " updates"), func() bool { return len(h.updates) >= h.taken+n })
	h.mu.Lock()
	defer h.mu.Unlock()
	got := h.updates[h.taken : h.taken+n]
	h.taken += n
	return got
}

// runBus has a bus run until stop is called, or the test ends.
func runBus(t *testing.T, c *redisstate.Client, h redisstate.Handler) (b *redisstate.Bus, stop func()) {
	t.Helper()
	b = redisstate.NewBus(c, chatbox.PodID("pod-"+rand.Text()), slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); b.Run(ctx, h) }()
	stop = sync.OnceFunc(func() { cancel(); <-done })
	t.Cleanup(stop)
	return b, stop
}

// watch subscribes to the session while f runs.
func (k *talk) watch(f func(h *redisHandler)) {
	k.t.Helper()
	h := newRedisHandler()
	b, stop := runBus(k.t, k.c, h)
	defer stop()
	require.NoError(k.t, b.Subscribe(k.t.Context(), k.key))
	f(h)
	b.Unsubscribe(k.key)
}

func redisBus(t *testing.T, s RedisServer) {
	t.Helper()
	t.Run("NothingIsMissedAfterSubscribe", func(t *testing.T) {
		k := newTalk(t, s, nil)
		h := newRedisHandler()
		b, _ := runBus(t, k.c, h)
		for range 20 {
			o := k.again()
			require.NoError(t, b.Subscribe(t.Context(), o.key))
			e := o.say(o.note("x"))
			got := h.take(t, 1)
			require.NotNil(t, got[0].Event)
			assert.Equal(t, e, *got[0].Event)
			assert.EqualValues(t, 1, got[0].Head)
			b.Unsubscribe(o.key)
		}
	})
	t.Run("InterestIsCounted", func(t *testing.T) { redisInterest(t, s) })
	t.Run("LeavingAndEnteringRace", func(t *testing.T) { redisBusRace(t, s) })
	t.Run("WakesAndHealth", func(t *testing.T) {
		k := newTalk(t, s, nil)
		h := newRedisHandler()
		b, stop := runBus(t, k.c, h)
		require.Eventually(t, b.Healthy, patience, 10*time.Millisecond)
		k.say(k.message("q"))
		require.NoError(t, k.c.Release(t.Context(), k.taken()))
		h.until(t, "a wake", func() bool { return slices.Contains(h.wakes, k.key) })
		n := helpdesk.Notice{
			Tenant: unique("t-"), Event: helpdesk.NoticeHelp, SessionID: "s-1", UserID: unique("canary-"), Time: time.UnixMilli(1_750_000_000_123).UTC(),
		}
		require.NoError(t, k.c.NotifyStaff(t.Context(), n))
		h.until(t, "a notice", func() bool { return slices.Contains(h.notices, n) })
		began := time.Now()
		stop()
		assert.Less(t, time.Since(began), 2*time.Second, "Run ends with its context, not with a timeout")
	})
	t.Run("SubscribeFailsInTimeAndLeavesNothing", func(t *testing.T) {
		k := newTalk(t, s, nil)
		b := redisstate.NewBus(k.c, "never runs", slog.New(slog.DiscardHandler))
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		hasCode(t, b.Subscribe(ctx, k.key), chatbox.Unavailable)
		assert.False(t, b.Healthy())
	})
	t.Run("ACallersDeadlineDoesNotBreakTheConnection", func(t *testing.T) {
		k := newTalk(t, s, nil)
		h := newRedisHandler()
		b, _ := runBus(t, k.c, h)
		require.NoError(t, b.Subscribe(t.Context(), k.key))
		gone, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
		defer cancel()
		for range 10 {
			o := k.again()
			if err := b.Subscribe(gone, o.key); err != nil {
				hasCode(t, err, chatbox.Unavailable)
			} else { // confirmed before anybody looked at the time
				b.Unsubscribe(o.key)
			}
		}
		k.say(k.note("x"))
		h.take(t, 1)
		// On a Cluster the trunk may come up later than the partition's link.
		h.until(t, "the first connection", func() bool { return h.resyncs > 0 })
		h.mu.Lock()
		defer h.mu.Unlock()
		assert.Equal(t, 1, h.resyncs)
	})
}

// redisBusRace has many sockets enter and leave few sessions, and at once after
// each Subscribe something is published, which must arrive.
func redisBusRace(t *testing.T, s RedisServer) {
	t.Helper()
	k := newTalk(t, s, nil)
	h := newRedisHandler()
	b, _ := runBus(t, k.c, h)
	h.until(t, "the first connection", func() bool { return h.resyncs > 0 })
	const workers, sessions, rounds = 12, 3, 25
	var wg sync.WaitGroup
	keys := make([]chatbox.SessionKey, sessions)
	channels := make([]string, sessions)
	for i := range keys {
		o := k.again()
		o.say(o.note("x"))
		keys[i], channels[i] = o.key, o.channel()
	}
	for w := range workers {
		wg.Go(func() {
			for r := range rounds {
				i := (w + r) % sessions
				if err := b.Subscribe(t.Context(), keys[i]); err != nil {
					t.Error(err)
					return
				}
				id := int64(w*rounds + r) // told as a head
				if err := tell(t.Context(), k.rdb, channels[i], fmt.Sprint(id, "|")); err != nil {
					t.Error(err)
					return
				}
				h.until(t, fmt.Sprint("notice ", id), func() bool {
					return slices.Contains(h.updates, cluster.Update{Session: keys[i], Head: id, Notice: true})
				})
				b.Unsubscribe(keys[i])
			}
		})
	}
	wg.Wait()
	h.mu.Lock()
	defer h.mu.Unlock()
	assert.Equal(t, 1, h.resyncs, "one connection served all")
}

func redisInterest(t *testing.T, s RedisServer) {
	t.Helper()
	k := newTalk(t, s, nil)
	h := newRedisHandler()
	b, _ := runBus(t, k.c, h)
	for range 3 {
		require.NoError(t, b.Subscribe(t.Context(), k.key))
	}
	b.Unsubscribe(k.key)
	b.Unsubscribe(k.key)
	k.say(k.note("heard"))
	assert.EqualValues(t, 1, h.take(t, 1)[0].Event.Seq)
	b.Unsubscribe(k.key)
	b.Unsubscribe(k.key) // one too many is no harm
	channel := k.channel()
	require.Eventually(t, func() bool {
		n, err := listeners(t.Context(), k.rdb, channel)
		return err == nil && n == 0
	}, patience, 10*time.Millisecond)
	k.say(k.note("not heard"))
	require.NoError(t, b.Subscribe(t.Context(), k.key))
	k.say(k.note("heard again"))
	assert.EqualValues(t, 3, h.take(t, 1)[0].Event.Seq)
}
