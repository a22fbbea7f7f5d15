package access

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"chatbox"
	"chatbox/helpdesk"
)

func (w *world) PutBlock(_ context.Context, b helpdesk.Block) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.history == nil {
		w.blocks[b.User] = b
	}
	return w.history
}

func (w *world) LiftBlock(_ context.Context, u chatbox.UserKey) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.history == nil {
		delete(w.blocks, u)
	}
	return w.history
}

func (w *world) BlockOf(_ context.Context, u chatbox.UserKey) (helpdesk.Block, error) {
	w.mu.Lock()
	b, ok := w.blocks[u]
	err, read := w.history, w.afterRead
	w.mu.Unlock()
	if read != nil {
		read()
	}
	if err == nil && !ok {
		err = chatbox.NewError(chatbox.NotFound, "", nil)
	}
	return b, err
}

func (w *world) PageBlocks(_ context.Context, q helpdesk.BlockQuery) (out []helpdesk.Block, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for u, b := range w.blocks {
		if u.Tenant == q.Tenant {
			out = append(out, b)
		}
	}
	return out, w.history
}

func (w *world) ForgetOver(context.Context, time.Time) error { return w.full }

func (w *world) AllBlocks(context.Context) (out []helpdesk.Block, err error) {
	w.mu.Lock()
	for _, b := range w.blocks {
		out = append(out, b)
	}
	err, read := w.history, w.afterRead
	w.mu.Unlock()
	if read != nil {
		read()
	}
	return out, err
}

func (w *world) PublishBlock(_ context.Context, u chatbox.UserKey) error {
	w.mu.Lock()
	pods := w.pods
	if w.deaf {
		pods = nil
	}
	err := w.redis
	w.mu.Unlock()
	if err != nil {
		return err
	}
	for _, g := range pods {
		g.BlockChanged(u)
	}
	return nil
}

// running runs the gates of two pods until the test ends.
func running(t *testing.T, w *world) (here, there *Gate, socks *sockets) {
	t.Helper()
	here, _ = w.pod()
	there, socks = w.pod()
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{}, 2)
	for _, g := range []*Gate{here, there} {
		go func() { defer func() { done <- struct{}{} }(); g.Run(ctx) }()
	}
	t.Cleanup(func() { stop(); <-done; <-done })
	synctest.Wait()
	return here, there, socks
}

func annBlocked() helpdesk.Block {
	return helpdesk.Block{User: chatbox.UserKey{Tenant: "acme", ID: "ann"}, Reason: "loud"}
}

func TestBlock_IsKnownToEveryPodAndLifted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		here, there, socks := running(t, w)
		a, other := ann(time.Now()), ann(time.Now())
		other.Tenant = "another"
		socks.open[a.User()] = []time.Time{{}, time.Now().Add(time.Hour)}
		b, err := here.Block(t.Context(), root(), annBlocked())
		require.NoError(t, err)
		assert.Equal(t, root().Tenant, b.User.Tenant)
		assert.Equal(t, root().UserID, b.By)
		assert.Equal(t, "user.block ann", w.recorded[len(w.recorded)-1])
		synctest.Wait()
		assert.Zero(t, socks.count(a.User()), "all of them")
		for _, g := range []*Gate{here, there} {
			for _, err := range []error{g.Allow(t.Context(), a), g.Admit(t.Context(), a)} {
				require.ErrorIs(t, err, chatbox.PermissionDenied)
				assert.NotContains(t, err.Error(), "loud")
			}
			assert.True(t, g.ShutOut(a))
			assert.False(t, g.Withdrawn(a), "the credential is as good as it was")
			require.NoError(t, g.Allow(t.Context(), other))
			assert.False(t, g.ShutOut(other))
		}
		got, blocked, err := there.BlockOf(t.Context(), root(), "ann")
		require.NoError(t, err)
		assert.True(t, blocked)
		assert.Equal(t, b, got)
		list, err := there.BlockList(t.Context(), root(), helpdesk.BlockQuery{Limit: 9})
		require.NoError(t, err)
		assert.Equal(t, []helpdesk.Block{b}, list)

		for range 2 {
			require.NoError(t, there.Unblock(t.Context(), root(), "ann"))
		}
		synctest.Wait()
		assert.Equal(t, "user.unblock ann", w.recorded[len(w.recorded)-1])
		for _, g := range []*Gate{here, there} {
			require.NoError(t, g.Allow(t.Context(), a))
			require.NoError(t, g.Admit(t.Context(), a))
			assert.False(t, g.ShutOut(a))
		}
		_, blocked, err = there.BlockOf(t.Context(), root(), "ann")
		require.NoError(t, err)
		assert.False(t, blocked)
	})
}

func TestBlock_IsOverByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		here, there, _ := running(t, w)
		b := annBlocked()
		b.Until = time.Now().Add(3 * time.Hour)
		_, err := here.Block(t.Context(), root(), b)
		require.NoError(t, err)
		pass(3*time.Hour - time.Millisecond)
		for _, g := range []*Gate{here, there} {
			assert.True(t, g.Blocked(ann(time.Now()).User()))
		}
		pass(time.Millisecond)
		for _, g := range []*Gate{here, there} {
			assert.False(t, g.Blocked(ann(time.Now()).User()))
		}
		_, blocked, err := here.BlockOf(t.Context(), root(), "ann")
		require.NoError(t, err)
		assert.False(t, blocked)
		pass(2 * here.cfg.Reload)
		synctest.Wait()
		assert.Empty(t, here.blocks, "and is forgotten")
	})
}

func TestBlock_LearnsWhatItWasNotTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		here, there, socks := running(t, w)
		u := ann(time.Now()).User()
		socks.open[u] = []time.Time{{}}
		w.set(func() { w.deaf = true })
		_, err := here.Block(t.Context(), root(), annBlocked())
		require.NoError(t, err)
		synctest.Wait()
		assert.True(t, here.Blocked(u))
		assert.False(t, there.Blocked(u))
		there.Resubscribed() // its bus was disconnected
		synctest.Wait()
		assert.True(t, there.Blocked(u))
		assert.Zero(t, socks.count(u))
		w.set(func() { delete(w.blocks, u) })
		pass(here.cfg.Reload)
		synctest.Wait()
		assert.False(t, there.Blocked(u), "lifted, and nobody said so")

		w.set(func() { w.deaf, w.redis = false, errors.New("away") })
		socks.open[u] = []time.Time{{}}
		_, err = there.Block(t.Context(), root(), annBlocked())
		require.Error(t, err, "others do not know yet")
		assert.True(t, there.Blocked(u))
		assert.Zero(t, socks.count(u), "what can be done is done")
		pass(here.cfg.Reload)
		synctest.Wait()
		assert.True(t, here.Blocked(u))
	})
}

// A history that is read-only, as on a full disk, still says who is blocked.
func TestBlock_IsHeededWhereNothingCanBeForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.full = errors.New("disk full")
		over := annBlocked()
		over.User.ID, over.Until = "eve", time.Now().Add(-time.Hour)
		w.blocks[over.User], w.blocks[annBlocked().User] = over, annBlocked()
		here, _, _ := running(t, w)
		assert.True(t, here.Blocked(annBlocked().User))
		assert.False(t, here.Blocked(over.User))
	})
}

// A pod that starts while the history is unavailable does not know who is
// blocked, and reports that.
func TestBlock_APodKnowsThatItDoesNotKnow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.blocks[annBlocked().User], w.history = annBlocked(), errors.New("away")
		here, _, _ := running(t, w)
		assert.False(t, here.Blocked(annBlocked().User))
		assert.False(t, here.Informed())
		w.set(func() { w.history, w.redis = nil, errors.New("away") })
		pass(reloadAgain)
		synctest.Wait()
		assert.True(t, here.Blocked(annBlocked().User))
		assert.True(t, here.Informed())
		w.set(func() { w.history = errors.New("away") })
		pass(2 * here.cfg.Reload)
		assert.True(t, here.Informed(), "what it has learned it knows")
	})
}

// Notifications may arrive out of order; the stored state counts.
func TestBlock_ReadsWhatHasBecomeOfIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		here, there, _ := running(t, w)
		u := ann(time.Now()).User()
		w.set(func() { w.deaf = true })
		_, err := here.Block(t.Context(), root(), annBlocked())
		require.NoError(t, err)
		require.NoError(t, here.Unblock(t.Context(), root(), "ann"))
		there.BlockChanged(u) // for the lift
		there.BlockChanged(u) // for the block, late
		synctest.Wait()
		assert.False(t, there.Blocked(u))

		w.set(func() { w.history = errors.New("away"); w.blocks[u] = annBlocked() })
		there.BlockChanged(u)
		synctest.Wait()
		assert.False(t, there.Blocked(u))
		w.set(func() { w.history = nil; w.blocks[u] = annBlocked() })
		pass(reloadAgain)
		synctest.Wait()
		assert.True(t, there.Blocked(u), "read as soon as the history is back")

		w.set(func() { clear(w.blocks) })
		for i := range 10 * maxNews {
			there.BlockChanged(chatbox.UserKey{ID: fmt.Sprint(i)})
		}
		synctest.Wait()
		assert.False(t, there.Blocked(u), "too many at once: all of them are read")
	})
}

// A read that began before a change does not undo it.
func TestBlock_AReadUnderWayIsOlder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, all := range []bool{true, false} {
			w := newWorld()
			g, _ := w.pod()
			u := ann(time.Now()).User()
			read := func() error {
				pass(time.Millisecond)
				if all {
					return g.reloadBlocks(t.Context())
				}
				return g.look(t.Context(), u)
			}
			w.set(func() {
				w.afterRead = func() {
					pass(time.Millisecond)
					w.set(func() { w.afterRead = nil })
					_, err := g.Block(t.Context(), root(), annBlocked())
					assert.NoError(t, err)
				}
			})
			require.NoError(t, read())
			assert.True(t, g.Blocked(u))
			w.set(func() {
				w.afterRead = func() {
					pass(time.Millisecond)
					w.set(func() { w.afterRead = nil })
					assert.NoError(t, g.Unblock(t.Context(), root(), "ann"))
				}
			})
			require.NoError(t, read())
			assert.False(t, g.Blocked(u))
		}
	})
}

func TestBlock_Refuses(t *testing.T) {
	w := newWorld()
	g, _ := w.pod()
	for field, b := range map[string]helpdesk.Block{
		"id":     {User: chatbox.UserKey{ID: "a\x00b"}},
		"until":  {User: chatbox.UserKey{ID: "ann"}, Until: time.Now().Add(-time.Millisecond)},
		"reason": {User: chatbox.UserKey{ID: "ann"}, Reason: strings.Repeat("ü", helpdesk.MaxBlockReason+1)},
	} {
		_, err := g.Block(t.Context(), root(), b)
		e, _ := errors.AsType[*chatbox.Error](err)
		require.NotNil(t, e)
		assert.Equal(t, field, e.Field)
	}
	self := root()
	_, err := g.Block(t.Context(), self, helpdesk.Block{User: chatbox.UserKey{ID: self.UserID}})
	require.ErrorIs(t, err, chatbox.InvalidArgument, "nobody locks themselves out")
	require.ErrorIs(t, g.Unblock(t.Context(), self, ""), chatbox.InvalidArgument)
	assert.Empty(t, w.blocks)
	assert.Empty(t, w.recorded)

	w.set(func() { w.history = errors.New("away") })
	_, err = g.Block(t.Context(), self, annBlocked())
	require.Error(t, err)
	require.Error(t, g.Unblock(t.Context(), self, "ann"))
	assert.False(t, slices.Contains(w.recorded, "user.block ann"))
	assert.False(t, g.Blocked(ann(time.Now()).User()), "what is not kept is not promised")
}
