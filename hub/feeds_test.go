package hub

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"

	"chatbox"
	"chatbox/cluster"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestFeeds_AttachmentsAreBoundedAndFreed(t *testing.T) {
	s := newStage(t)
	c := s.socket("c", "u", false)
	for i := range maxAttached {
		fresh, err := s.fs.Enter(c.id, chatbox.SessionKey{ID: fmt.Sprint(i)})
		require.NoError(t, err)
		require.True(t, fresh)
		fresh, err = s.fs.Enter(c.id, chatbox.SessionKey{ID: fmt.Sprint(i)})
		require.NoError(t, err)
		require.False(t, fresh)
	}
	_, err := s.fs.Enter(c.id, chatbox.SessionKey{ID: "one more"})
	require.ErrorIs(t, err, chatbox.LimitExceeded)
	s.fs.SetCurrent(c.id, "3")
	assert.True(t, s.fs.Leave(c.id, chatbox.SessionKey{ID: "3"}))
	assert.False(t, s.fs.Leave(c.id, chatbox.SessionKey{ID: "3"}))
	assert.Empty(t, s.fs.Current(c.id))
	_, err = s.fs.Enter(c.id, chatbox.SessionKey{ID: "one more"})
	require.NoError(t, err)
	assert.Len(t, s.fs.LeaveAll(c.id), maxAttached)
	assert.Empty(t, s.fs.feeds)
	assert.Empty(t, s.fs.standings)
	assert.Empty(t, s.fs.LeaveAll(c.id))
	_, err = s.fs.Enter("gone", chatbox.SessionKey{ID: "s"})
	require.ErrorIs(t, err, chatbox.Unavailable)
	require.ErrorIs(t, s.fs.Join(t.Context(), c.id, s.tr.key, Join{}), chatbox.Unavailable)
}

func TestFeeds_Await(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		c := s.socket("c", "u", true)
		await := func(ctx context.Context, seq int64) <-chan bool {
			done := make(chan bool, 1)
			go func() { done <- s.fs.Await(ctx, c.id, s.tr.key, seq) }()
			synctest.Wait()
			return done
		}
		done := await(t.Context(), 2)
		s.tr.message("")
		s.flow()
		synctest.Wait()
		assert.Empty(t, done)
		s.tr.message("")
		s.flow()
		assert.True(t, <-done)
		assert.True(t, <-await(t.Context(), 1), "sent already")
		ctx, cancel := context.WithCancel(t.Context())
		done = await(ctx, 3)
		cancel()
		assert.False(t, <-done)
		done = await(t.Context(), 3)
		s.fs.LeaveAll(c.id)
		assert.False(t, <-done, "it has left")
		assert.False(t, s.fs.Await(t.Context(), c.id, s.tr.key, 1))
	})
}

// TestFeed_ConcurrentUse has real sockets enter, resume and leave while updates
// and catch-ups come from other goroutines: for the race detector.
func TestFeed_ConcurrentUse(t *testing.T) {
	h := New(Config{CollapseBytes: 500}, encodeTold, NewMetrics(prometheus.NewRegistry()))
	fs := NewFeeds(h)
	tr := newTruth()
	for range 300 {
		tr.message("")
		tr.start()
		tr.piece("some text", false)
		tr.piece("more", false)
		tr.final(chatbox.FinishStop, nil)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var sockets, others sync.WaitGroup
	for i := range 3 {
		server, ws := pipe(t)
		conn := NewConn(server, chatbox.ConnID(fmt.Sprint(i)), chatbox.Actor{UserID: "u"}, h.Config(), h.Metrics())
		h.Add(conn)
		sockets.Go(func() { _ = conn.Run(ctx, ignore) })
		sockets.Go(func() { _, _ = readAll(ws) })
		others.Go(func() {
			for n := range 100 {
				if _, err := fs.Enter(conn.ID(), tr.key); err != nil {
					return
				}
				from := tr.state.Head - int64(n%20)
				err := fs.Join(ctx, conn.ID(), tr.key, Join{From: from, Events: tr.log[from:], State: tr.state, Announce: true})
				if err != nil && !errors.Is(err, chatbox.Clash) {
					return
				}
				fs.Expect(conn.ID(), tr.key, "k", true)
				fs.Attached(conn.ID(), tr.key)
				if n%7 == 0 {
					fs.LeaveAll(conn.ID())
				}
			}
		})
	}
	others.Go(func() {
		for _, u := range tr.channel {
			if !fs.Deliver(u) {
				if after, mine := fs.BeginCatchUp(tr.key); mine {
					fs.CatchUp(tr.key, tr.log[after:], nil)
					fs.EndCatchUp(tr.key)
				}
			}
			fs.Positions()
		}
	})
	others.Wait()
	for i := range 3 {
		fs.LeaveAll(chatbox.ConnID(fmt.Sprint(i)))
	}
	cancel()
	sockets.Wait()
	assert.Empty(t, fs.feeds)
}

func BenchmarkFeed_Deliver(b *testing.B) {
	for _, n := range []int{1, 10, 100} {
		b.Run(fmt.Sprint(n, "_sockets"), func(b *testing.B) {
			frame, err := json.Marshal(Delivery{})
			if err != nil {
				b.Fatal(err)
			}
			h := New(Config{}, func(Delivery) []byte { return frame }, nil)
			fs, tr := NewFeeds(h), newTruth()
			for i := range n {
				c := newListener(tr, fmt.Sprint(i), "u", 1<<29)
				h.Add(c.conn)
				if _, err := fs.Enter(c.id, tr.key); err != nil {
					b.Fatal(err)
				}
				if err := fs.Join(b.Context(), c.id, tr.key, Join{}); err != nil {
					b.Fatal(err)
				}
			}
			u := cluster.Update{Session: tr.key, Owner: "u", Event: &chatbox.Event{Owner: "u", Type: chatbox.TypeUserMessage}}
			b.ReportAllocs()
			for b.Loop() {
				u.Event.Seq++
				if !fs.Deliver(u) {
					b.Fatal("not delivered")
				}
				if u.Event.Seq%1024 == 0 {
					h.Each(func(c *Conn) {
						c.mu.Lock()
						c.dropOutLocked(dropSlow)
						c.mu.Unlock()
					})
				}
			}
		})
	}
}
