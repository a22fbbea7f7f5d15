package access

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"chatbox"
	"chatbox/helpdesk"
)

// world is the Redis and the history that several gates share. told is called
// with every notification.
type world struct {
	mu       sync.Mutex // guards following
	marks    map[chatbox.UserKey]time.Time
	kept     map[chatbox.UserKey]chatbox.Withdrawal
	counted  map[chatbox.UserKey]int
	asked    int // round trips to Redis
	reads    int // withdrawals read from the history
	redis    error
	history  error
	full     error // of deleting expired withdrawals
	slow     bool  // the history answers after its caller has given up
	recorded []string
	deaf     bool          // notifications are lost
	ahead    time.Duration // clocks: the pods' and Redis'
	pods     []*Gate

	blocks    map[chatbox.UserKey]helpdesk.Block
	afterRead func() // runs before the result of a read is returned
}

func newWorld() *world {
	return &world{
		marks: map[chatbox.UserKey]time.Time{}, kept: map[chatbox.UserKey]chatbox.Withdrawal{}, counted: map[chatbox.UserKey]int{},
		blocks: map[chatbox.UserKey]helpdesk.Block{},
	}
}

func (w *world) Time(context.Context) (time.Time, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return time.Now().Add(w.ahead), w.redis
}

func (w *world) Mark(_ context.Context, x chatbox.Withdrawal) error {
	w.mu.Lock()
	if w.redis != nil {
		defer w.mu.Unlock()
		return w.redis
	}
	w.marks[x.User] = x.Before
	pods := w.pods
	if w.deaf {
		pods = nil
	}
	w.mu.Unlock()
	for _, g := range pods {
		g.Disconnected(x)
	}
	return nil
}

func (w *world) Remark(_ context.Context, xs []chatbox.Withdrawal) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, x := range xs {
		if time.Now().Before(x.Until) {
			w.marks[x.User] = x.Before
		}
	}
	return w.redis
}

func (w *world) MarkOf(_ context.Context, u chatbox.UserKey) (time.Time, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked++
	return w.marks[u], w.redis
}

// wait makes callers wait for a slow history.
func (w *world) wait(ctx context.Context) {
	w.mu.Lock()
	slow := w.slow
	w.mu.Unlock()
	if slow {
		<-ctx.Done()
	}
}

func (w *world) Keep(ctx context.Context, x chatbox.Withdrawal) error {
	w.wait(ctx)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.history == nil {
		w.kept[x.User] = x
	}
	return w.history
}

func (w *world) Kept(_ context.Context, since time.Time, after chatbox.UserKey, limit int) (xs []chatbox.Withdrawal, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, x := range w.kept {
		if !x.Before.Before(since) && x.User.String() > after.String() {
			xs = append(xs, x)
		}
	}
	slices.SortFunc(xs, func(a, b chatbox.Withdrawal) int { return strings.Compare(a.User.String(), b.User.String()) })
	w.reads += len(xs[:min(limit, len(xs))])
	return xs[:min(limit, len(xs))], w.history
}

// A pod of a cluster that has disconnected many users starts, and does not read
// all of them again every minute.
func TestReload_ManyWithdrawals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		g, _ := w.pod()
		const users = 2*archivePage + 500
		for n := range users {
			u := chatbox.UserKey{Tenant: "t", ID: fmt.Sprint("u", n)}
			w.kept[u] = chatbox.Withdrawal{User: u, Before: time.Now(), Until: time.Now().Add(2 * time.Hour)}
		}
		pass(time.Hour)
		require.NoError(t, g.reload(t.Context(), true))
		assert.True(t, g.Informed())
		assert.Equal(t, users, w.reads)
		assert.Len(t, w.marks, users, "Redis has all of them again")
		assert.True(t, g.Withdrawn(chatbox.Actor{Tenant: "t", UserID: fmt.Sprint("u", users-1)}))

		late := chatbox.UserKey{Tenant: "t", ID: "late"}
		w.kept[late] = chatbox.Withdrawal{User: late, Before: time.Now(), Until: time.Now().Add(2 * time.Hour)}
		require.NoError(t, g.reload(t.Context(), false))
		assert.Equal(t, users+1, w.reads, "only what is new is read")
		assert.True(t, g.Withdrawn(chatbox.Actor{Tenant: "t", UserID: "late"}))
	})
}

// Without Redis a pod learns all withdrawals and blocks from the history.
func TestReload_RedisIsUnavailable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		g, _ := w.pod()
		w.redis = errors.New("unavailable")
		const users = archivePage + 500
		for n := range users {
			u := chatbox.UserKey{Tenant: "t", ID: fmt.Sprintf("u%04d", n)}
			w.kept[u] = chatbox.Withdrawal{User: u, Before: time.Now(), Until: time.Now().Add(2 * time.Hour)}
		}
		b := annBlocked()
		w.blocks[b.User] = b
		pass(time.Hour)
		require.Error(t, g.reload(t.Context(), true), "Redis is to be told again")
		assert.True(t, g.Informed())
		assert.True(t, g.Withdrawn(chatbox.Actor{Tenant: "t", UserID: fmt.Sprintf("u%04d", users-1)}))
		assert.True(t, g.Blocked(b.User))
	})
}

func (w *world) CountRequest(_ context.Context, u chatbox.UserKey, limit int) (time.Duration, time.Time, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked++
	if w.redis != nil {
		return 0, time.Time{}, w.redis
	}
	if w.counted[u] >= limit {
		return time.Second, w.marks[u], nil
	}
	w.counted[u]++
	return 0, w.marks[u], nil
}

func (w *world) Record(ctx context.Context, _ chatbox.Actor, action chatbox.AuditAction, about chatbox.AuditSubject) error {
	w.wait(ctx)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.history == nil {
		w.recorded = append(w.recorded, string(action)+" "+about.UserID)
	}
	return w.history
}

func (w *world) set(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f()
}

// sockets are one pod's sockets: users by the time of issue.
type sockets struct {
	mu   sync.Mutex // guards following
	open map[chatbox.UserKey][]time.Time
}

func (s *sockets) Expel(u chatbox.UserKey, before time.Time) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	var stay []time.Time
	for _, issued := range s.open[u] {
		if !before.IsZero() && !issued.Before(before) {
			stay = append(stay, issued)
		}
	}
	n := len(s.open[u]) - len(stay)
	s.open[u] = stay
	return n
}

func (s *sockets) count(u chatbox.UserKey) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.open[u])
}

// pod adds a gate to the world.
func (w *world) pod() (*Gate, *sockets) {
	s := &sockets{open: map[chatbox.UserKey][]time.Time{}}
	g, _ := newGate(func(c *Config, d *Deps) {
		c.UserRate, c.AdminRate = 3, 5
		d.Marks, d.Archive, d.Blocks, d.News, d.Counts, d.Sockets, d.Audit = w, w, w, w, w, s, w
	})
	w.set(func() { w.pods = append(w.pods, g) })
	return g, s
}

func ann(issued time.Time) chatbox.Actor {
	return chatbox.Actor{Tenant: "acme", UserID: "ann", IssuedAt: issued.Truncate(time.Second)}
}

func root() chatbox.Actor {
	return chatbox.Actor{Tenant: "acme", UserID: "root", Roles: []string{chatbox.RoleAdmin}}
}

// pass advances the clock of a synctest bubble.
func pass(d time.Duration) { <-time.After(d) }

// A pod whose clock is slow still withdraws all credentials issued until now.
func TestDisconnect_IsDatedByRedis(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.ahead = time.Hour
		g, _ := w.pod()
		issued := ann(time.Now().Add(time.Hour))
		began := time.Now()
		got, err := g.Disconnect(t.Context(), root(), "ann")
		require.NoError(t, err)
		assert.True(t, got.Covers(issued))
		assert.LessOrEqual(t, time.Since(began), 2*time.Second)
	})
}

func TestDisconnect_WithdrawsWhatWasIssuedBeforeAndNothingElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		here, _ := w.pod()
		there, socks := w.pod()
		pass(300 * time.Millisecond)
		old := ann(time.Now())
		socks.open[old.User()] = []time.Time{old.IssuedAt, time.Now().Add(time.Hour)}
		require.NoError(t, there.Allow(t.Context(), old))

		began := time.Now()
		got, err := here.Disconnect(t.Context(), root(), "ann")
		require.NoError(t, err)
		assert.Equal(t, 700*time.Millisecond, time.Since(began), "the second is over")
		assert.Equal(t, got, w.kept[old.User()], "durable")
		assert.Zero(t, socks.count(old.User()), "all of them, whatever the issuer's clock says")

		fresh := ann(time.Now())
		ageless := fresh
		ageless.IssuedAt = time.Time{}
		other := old
		other.Tenant = "another"
		for _, g := range []*Gate{here, there} {
			for _, a := range []chatbox.Actor{old, ageless} {
				require.ErrorIs(t, g.Allow(t.Context(), a), chatbox.Unauthenticated)
				require.ErrorIs(t, g.Admit(t.Context(), a), chatbox.Unauthenticated)
				assert.True(t, g.Withdrawn(a))
			}
			require.NoError(t, g.Allow(t.Context(), fresh), "issued in the next second")
			require.NoError(t, g.Admit(t.Context(), fresh))
			require.NoError(t, g.Allow(t.Context(), other))
			assert.False(t, g.Withdrawn(fresh))
		}
	})
}

// Nobody knows how long a token lives that was issued before: the mark in Redis
// ends, what the history has does not.
func TestDisconnect_IsNeverForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		g, _ := w.pod()
		old := ann(time.Now())
		ageless := old
		ageless.IssuedAt = time.Time{}
		ctx, stop := context.WithCancel(t.Context())
		var pods sync.WaitGroup
		pods.Go(func() { g.Run(ctx) })
		synctest.Wait()
		_, err := g.Disconnect(t.Context(), root(), "ann")
		require.NoError(t, err)
		pass(2 * g.cfg.MarkLife)
		w.set(func() { clear(w.marks); clear(w.counted) })
		late, _ := w.pod() // a process that begins now
		pods.Go(func() { late.Run(ctx) })
		synctest.Wait()
		for _, g := range []*Gate{g, late} {
			for _, a := range []chatbox.Actor{old, ageless} {
				require.ErrorIs(t, g.Allow(t.Context(), a), chatbox.Unauthenticated)
				require.ErrorIs(t, g.Admit(t.Context(), a), chatbox.Unauthenticated)
				assert.True(t, g.Withdrawn(a))
			}
			require.NoError(t, g.Allow(t.Context(), ann(time.Now())))
		}
		stop()
		pods.Wait()
	})
}

func TestDisconnect_SaysWhatFailedAndMayBeRepeated(t *testing.T) {
	w := newWorld()
	g, socks := w.pod()
	u := ann(time.Now()).User()
	for _, fail := range []func(){
		func() { w.redis, w.history = chatbox.NewError(chatbox.Unavailable, "", nil), nil },
		func() { w.redis, w.history = nil, chatbox.NewError(chatbox.StoreFailed, "", nil) },
	} {
		socks.open[u] = []time.Time{{}}
		w.set(fail)
		_, err := g.Disconnect(t.Context(), root(), "ann")
		require.Error(t, err)
		assert.NotEqual(t, chatbox.Internal, chatbox.CodeOf(err))
		assert.Zero(t, socks.count(u), "what can be done is done")
	}
	w.set(func() { w.redis, w.history = nil, nil })
	_, err := g.Disconnect(t.Context(), root(), "ann")
	require.NoError(t, err)
	assert.Equal(t, "user.disconnect ann", w.recorded[len(w.recorded)-1])
	_, err = g.Disconnect(t.Context(), root(), "a\x00b")
	require.ErrorIs(t, err, chatbox.InvalidArgument)
}

// Sockets are closed through Redis, without waiting for a history that does not
// answer.
func TestDisconnect_ClosesSocketsBeforeTheHistoryAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		here, there, socks := running(t, w)
		old := ann(time.Now().Add(-time.Minute))
		u := old.User()
		socks.open[u] = []time.Time{old.IssuedAt}
		w.set(func() { w.slow, w.history = true, errors.New("away") })
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		done := make(chan error, 1)
		go func() { _, err := here.Disconnect(ctx, root(), u.ID); done <- err }()
		pass(time.Second)
		synctest.Wait()
		assert.Zero(t, socks.count(u))
		assert.True(t, there.Withdrawn(old))
		require.Error(t, <-done, "it is not on record, and not kept")
	})
}

func TestRun_LearnsWhatItWasNotTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		g, socks := w.pod()
		old := ann(time.Now())
		socks.open[old.User()] = []time.Time{old.IssuedAt, time.Now().Add(time.Hour)}
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); g.Run(ctx) }()
		synctest.Wait()
		w.set(func() {
			w.history = errors.New("away")
			w.kept[old.User()] = chatbox.Withdrawal{User: old.User(), Before: time.Now().Add(time.Second), Until: time.Now().Add(time.Hour)}
		})
		pass(2 * time.Minute)
		synctest.Wait()
		w.set(func() { w.history = nil })
		pass(reloadAgain)
		synctest.Wait()
		assert.True(t, g.Withdrawn(old))
		assert.Equal(t, 1, socks.count(old.User()), "only those it covers: who came since may stay")
		w.mu.Lock()
		assert.Empty(t, w.marks, "Redis was told nothing without need")
		w.mu.Unlock()

		g.Resubscribed() // it may have lost its data
		g.Resubscribed()
		synctest.Wait()
		w.mu.Lock()
		assert.Len(t, w.marks, 1)
		w.mu.Unlock()

		stop()
		<-done
	})
}

func TestAllow_WithoutRedisGoesByWhatThePodKnows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		g, _ := w.pod()
		old := ann(time.Now())
		w.set(func() { w.redis = errors.New("away"); w.marks[old.User()] = time.Now().Add(time.Second) })
		require.NoError(t, g.Allow(t.Context(), old))
		require.NoError(t, g.Allow(t.Context(), old))
		assert.Equal(t, 1, w.asked, "who did not answer is not asked again at once")
		w.set(func() { w.redis = nil })
		pass(awayFor)
		require.ErrorIs(t, g.Allow(t.Context(), old), chatbox.Unauthenticated)
		w.set(func() { w.redis = errors.New("away") })
		g.Disconnected(chatbox.Withdrawal{User: old.User(), Before: time.Now(), Until: time.Now().Add(time.Hour)})
		require.ErrorIs(t, g.Allow(t.Context(), ann(time.Now().Add(-time.Minute))), chatbox.Unauthenticated)
	})
}

func TestAdmit_LimitsUsersAndAdminsOverAllPods(t *testing.T) {
	w := newWorld()
	one, _ := w.pod()
	two, _ := w.pod()
	for _, tc := range []struct {
		who   chatbox.Actor
		limit int
	}{{ann(time.Now()), 3}, {root(), 5}} {
		for i := range tc.limit {
			require.NoError(t, []*Gate{one, two}[i%2].Admit(t.Context(), tc.who))
		}
		for _, g := range []*Gate{one, two} {
			err := g.Admit(t.Context(), tc.who)
			require.ErrorIs(t, err, chatbox.RateLimited)
			e, _ := errors.AsType[*chatbox.Error](err)
			assert.Equal(t, time.Second, e.RetryAfter)
		}
	}
}

func TestAdmit_WithoutRedisTheLimitIsThePods(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		g, _ := w.pod()
		w.set(func() { w.redis = errors.New("away") })
		who := ann(time.Now())
		for range 3 {
			require.NoError(t, g.Admit(t.Context(), who))
		}
		pass(10 * time.Second)
		err := g.Admit(t.Context(), who)
		require.ErrorIs(t, err, chatbox.RateLimited)
		e, _ := errors.AsType[*chatbox.Error](err)
		assert.Equal(t, 50*time.Second, e.RetryAfter)
		require.NoError(t, g.Admit(t.Context(), root()), "others are not in the way")
		pass(50 * time.Second)
		require.NoError(t, g.Admit(t.Context(), who))
		assert.Equal(t, 3, w.asked, "once at the start, and twice when it might have come back")
	})
}

func TestTally_IsBounded(t *testing.T) {
	var tl tally
	now := time.Now()
	for i := range maxTallied + 10 {
		assert.Zero(t, tl.count(chatbox.UserKey{ID: fmt.Sprint(i)}, 1, now))
	}
	assert.LessOrEqual(t, len(tl.users), maxTallied)
	assert.Positive(t, tl.count(chatbox.UserKey{ID: fmt.Sprint(7)}, 1, now), "who was there before is counted on")
}
