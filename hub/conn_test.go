package hub

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"chatbox"
)

func TestRun_ProcessesFramesInOrderWhileReaderGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, client := pipe(t)
		c := newConn(t, server, nil)
		gate := make(chan struct{})
		var got []string
		done := start(t.Context(), c, func(_ context.Context, f []byte, _ bool) {
			<-gate
			got = append(got, string(f))
		})
		pong := make(chan struct{}, 1)
		client.SetPongHandler(func(string) error { pong <- struct{}{}; return nil })
		go func() { _, _ = readAll(client) }()
		for i := range 10 {
			require.NoError(t, client.WriteMessage(websocket.TextMessage, fmt.Append(nil, i)))
		}
		require.NoError(t, client.WriteControl(websocket.PingMessage, nil, time.Now().Add(soon)))
		<-pong // the reader answered while the worker was stuck in the first frame
		close(gate)
		require.NoError(t, client.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(1000, ""), time.Now().Add(soon)))
		require.NoError(t, <-done)
		assert.Equal(t, strings.Split("0123456789", ""), got, "frames read before the close are processed, in order")
	})
}

func TestRun_FullInboxMakesReaderWaitAndLosesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, client := pipe(t)
		c := newConn(t, server, func(cfg *Config) { cfg.InboxFrames = 4 })
		gate := make(chan struct{})
		var n atomic.Int64
		done := start(t.Context(), c, func(context.Context, []byte, bool) { <-gate; n.Add(1) })
		var sent atomic.Int64
		go func() {
			for range 50 {
				if client.WriteMessage(websocket.TextMessage, []byte("x")) != nil {
					return
				}
				sent.Add(1)
			}
			_ = client.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(1000, ""), time.Now().Add(soon))
		}()
		go func() { _, _ = readAll(client) }()
		synctest.Wait()
		assert.LessOrEqual(t, sent.Load(), int64(6), "the client's writes are held back")
		close(gate)
		require.NoError(t, <-done)
		assert.EqualValues(t, 50, n.Load())
	})
}

func TestRun_TellsOfBinaryFrames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, client := pipe(t)
		c := newConn(t, server, nil)
		type seen struct {
			frame  string
			binary bool
		}
		got := make(chan seen, 2)
		done := start(t.Context(), c, func(_ context.Context, f []byte, b bool) { got <- seen{string(f), b} })
		require.NoError(t, client.WriteMessage(websocket.BinaryMessage, []byte{1, 2}))
		require.NoError(t, client.WriteMessage(websocket.TextMessage, []byte("t")))
		assert.Equal(t, seen{"", true}, <-got)
		assert.Equal(t, seen{"t", false}, <-got)
		_ = client.Close()
		require.Error(t, <-done)
	})
}

func TestRun_FirstJobPrecedesFrames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, client := pipe(t)
		c := newConn(t, server, nil)
		gate, got := make(chan struct{}), make(chan string, 2)
		c.First(func(context.Context) { <-gate; got <- "first" })
		done := start(t.Context(), c, func(_ context.Context, f []byte, _ bool) { got <- string(f) })
		require.NoError(t, client.WriteMessage(websocket.TextMessage, []byte("frame")))
		close(gate)
		assert.Equal(t, "first", <-got)
		assert.Equal(t, "frame", <-got)
		_ = client.Close()
		require.Error(t, <-done)
	})
}

func TestRun_FrameOverLimitCloses1009(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, client := pipe(t)
		c := newConn(t, server, func(cfg *Config) { cfg.MaxFrame = 100 })
		got := make(chan int, 2)
		done := start(t.Context(), c, func(_ context.Context, f []byte, _ bool) { got <- len(f) })
		go func() {
			_ = client.WriteMessage(websocket.TextMessage, make([]byte, 100))
			_ = client.WriteMessage(websocket.TextMessage, make([]byte, 101))
		}()
		_, err := readAll(client)
		assert.True(t, websocket.IsCloseError(err, websocket.CloseMessageTooBig), "%v", err)
		_ = client.Close()
		require.Error(t, <-done)
		assert.Equal(t, 100, <-got)
		assert.Empty(t, got)
	})
}

func TestRun_PanicOfHandlerClosesThisSocketOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, client := pipe(t)
		c := newConn(t, server, nil)
		done := start(t.Context(), c, func(context.Context, []byte, bool) { panic("boom") })
		require.NoError(t, client.WriteMessage(websocket.TextMessage, []byte("x")))
		_, err := readAll(client)
		assert.True(t, websocket.IsCloseError(err, CloseInternal), "%v", err)
		require.NoError(t, <-done)
	})
}

func TestRun_ContextEndClosesWith4001(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, client := pipe(t)
		c := newConn(t, server, nil)
		ctx, cancel := context.WithCancel(t.Context())
		done := start(ctx, c, ignore)
		c.Send([]byte("last"))
		cancel()
		frames, err := readAll(client)
		assert.Equal(t, []string{"last"}, frames)
		assert.True(t, websocket.IsCloseError(err, CloseUnavailable), "%v", err)
		require.NoError(t, <-done)
	})
}

func TestClose_SendsWhatIsQueuedThenItsCodeOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, client := pipe(t)
		c := newConn(t, server, nil)
		done := start(t.Context(), c, ignore)
		c.Send([]byte("a"))
		c.Send([]byte("b"))
		c.Close(CloseDisconnected, "by admin")
		c.Close(CloseSlow, "too late")
		assert.Equal(t, closed, c.push([]byte("c"), nil))
		frames, err := readAll(client)
		assert.Equal(t, []string{"a", "b"}, frames)
		var ce *websocket.CloseError
		require.ErrorAs(t, err, &ce)
		assert.Equal(t, CloseDisconnected, ce.Code)
		assert.Equal(t, "by admin", ce.Text)
		require.NoError(t, <-done)
	})
}

func TestClose_OfStalledClientIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, _ := pipe(t)
		c := newConn(t, server, nil)
		done := start(t.Context(), c, ignore)
		for range 100 {
			c.Send([]byte("nobody reads this"))
		}
		began := time.Now()
		c.Close(CloseDraining, "draining")
		require.NoError(t, <-done)
		assert.LessOrEqual(t, time.Since(began), 5*time.Second)
		assert.Zero(t, value(t, c.m.queueBytes))
	})
}

func TestBeat_PingsAndBuriesSilentPeer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub(t, nil)
		ticking(t, h)
		server, client := pipe(t)
		c := NewConn(server, "c1", actor(), h.Config(), h.Metrics())
		h.Add(c)
		var pings atomic.Int64
		client.SetPingHandler(func(string) error { pings.Add(1); return nil }) // a half-open peer answers nothing
		go func() { _, _ = readAll(client) }()
		began := time.Now()
		require.NoError(t, <-start(t.Context(), c, ignore))
		assert.InDelta(t, 60, time.Since(began).Seconds(), 3)
		assert.EqualValues(t, 2, pings.Load())
		h.Remove(c)
		assert.Zero(t, h.Len())
	})
}

func TestBeat_AnyFrameCountsAsLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub(t, nil)
		ticking(t, h)
		server, client := pipe(t)
		c := NewConn(server, "c1", actor(), h.Config(), h.Metrics())
		h.Add(c)
		defer h.Remove(c)
		done := start(t.Context(), c, ignore)
		go func() { _, _ = readAll(client) }() // answers pings
		select {
		case err := <-done:
			t.Fatalf("closed: %v", err)
		case <-time.After(10 * time.Minute):
		}
		c.Close(CloseDraining, "")
		require.NoError(t, <-done)
	})
}

func TestBeat_SlowWorkerIsNotASilentClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub(t, func(cfg *Config) { cfg.InboxFrames = 1 })
		ticking(t, h)
		server, client := pipe(t)
		c := NewConn(server, "c1", actor(), h.Config(), h.Metrics())
		h.Add(c)
		defer h.Remove(c)
		gate := make(chan struct{})
		done := start(t.Context(), c, func(context.Context, []byte, bool) { <-gate })
		go func() { _, _ = readAll(client) }()
		go func() {
			for range 3 {
				_ = client.WriteMessage(websocket.TextMessage, []byte("x"))
			}
		}()
		select {
		case err := <-done:
			t.Fatalf("closed: %v", err)
		case <-time.After(5 * time.Minute):
		}
		close(gate)
		c.Close(CloseDraining, "")
		require.NoError(t, <-done)
	})
}

func TestBeat_ExpiryIsToldOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub(t, nil)
		ticking(t, h)
		server, client := pipe(t)
		c := NewConn(server, "c1", actor(), h.Config(), h.Metrics())
		began := time.Now()
		c.OnExpire(func(*Conn) {
			c.Send([]byte("expired"))
			c.Close(CloseCredential, "token expired")
		})
		c.ExpireAt(began.Add(7 * time.Second))
		h.Add(c)
		defer h.Remove(c)
		done := start(t.Context(), c, ignore)
		frames, err := readAll(client)
		assert.Equal(t, []string{"expired"}, frames)
		assert.True(t, websocket.IsCloseError(err, CloseCredential), "%v", err)
		assert.InDelta(t, 7, time.Since(began).Seconds(), 1.5)
		require.NoError(t, <-done)
	})
}

// Nanoseconds since 1970 end in the year 2262.
func TestBeat_AnEndFarAwayIsNoExpiry(t *testing.T) {
	for _, year := range []int{2262, 2263, 2400, 9999, 285_428_751} {
		synctest.Test(t, func(t *testing.T) {
			h := newHub(t, nil)
			ticking(t, h)
			server, _ := pipe(t)
			c := NewConn(server, "c1", actor(), h.Config(), h.Metrics())
			expired := false
			c.OnExpire(func(*Conn) { expired = true })
			c.ExpireAt(time.Date(year, 12, 31, 0, 0, 0, 0, time.UTC))
			h.Add(c)
			defer h.Remove(c)
			<-time.After(3 * tick)
			synctest.Wait()
			assert.False(t, expired, year)
		})
	}
}

func TestRenew_MovesTheEndAndTakesTheNewestRoles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub(t, nil)
		ticking(t, h)
		server, client := pipe(t)
		c := NewConn(server, "c1", actor(), h.Config(), h.Metrics())
		began := time.Now()
		c.OnExpire(func(*Conn) { c.Close(CloseCredential, "token expired") })
		c.ExpireAt(began.Add(7 * time.Second))
		h.Add(c)
		defer h.Remove(c)
		done := start(t.Context(), c, ignore)

		other := actor()
		other.Tenant += "x"
		require.ErrorIs(t, c.Renew(other), chatbox.NotYours)
		assert.Equal(t, actor(), c.Actor())
		staff := actor()
		staff.Roles = []string{chatbox.RoleAdmin}
		require.NoError(t, c.Renew(staff))
		assert.True(t, c.Actor().Admin())
		c.ExpireAt(time.Time{})
		c.ExpireAt(began.Add(20 * time.Second))
		_, err := readAll(client)
		assert.True(t, websocket.IsCloseError(err, CloseCredential), "%v", err)
		assert.InDelta(t, 20, time.Since(began).Seconds(), 1.5)
		require.NoError(t, <-done)
	})
}
