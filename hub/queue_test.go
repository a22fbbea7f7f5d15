package hub

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// stall has the writer begin a write that nobody reads.
func stall(t *testing.T, c *Conn) {
	t.Helper()
	require.Equal(t, queued, c.push([]byte("stalled"), nil))
	synctest.Wait()
}

func TestPush_SlowReaderGetsSnapshotInsteadOfPieces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, client := pipe(t)
		c := newConn(t, server, func(cfg *Config) { cfg.CollapseBytes = 10 })
		c.onDrained = func(group any) {
			assert.Equal(t, collapsed, c.push([]byte("a"), group), "what was taken out is still missing")
			c.repaid(group)
			assert.Equal(t, queued, c.push([]byte("snapshot of "+group.(string)), group))
		}
		done := start(t.Context(), c, ignore)
		stall(t, c)
		require.Equal(t, queued, c.push([]byte("aaaa"), "s1"))
		require.Equal(t, queued, c.push([]byte("bbbb"), "s2"))
		require.Equal(t, queued, c.push([]byte("event"), nil), "what must be delivered knows no collapse")
		require.Equal(t, collapsed, c.push([]byte("aaaa"), "s1"))
		require.Equal(t, collapsed, c.push([]byte("a"), "s1"), "no piece may follow a hole")
		require.Equal(t, queued, c.push([]byte("last"), nil))
		var frames []string
		for range 5 {
			_, b, err := client.ReadMessage()
			require.NoError(t, err)
			frames = append(frames, string(b))
		}
		assert.Equal(t, []string{"stalled", "bbbb", "event", "last", "snapshot of s1"}, frames)
		c.Close(CloseDraining, "")
		_, err := readAll(client)
		assert.True(t, websocket.IsCloseError(err, CloseDraining))
		require.NoError(t, <-done)
	})
}

func TestPush_PieceBeyondTheBoundIsTakenByAnEmptyQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, client := pipe(t)
		c := newConn(t, server, func(cfg *Config) { cfg.CollapseBytes = 10 })
		done := start(t.Context(), c, ignore)
		stall(t, c)
		big := strings.Repeat("x", 100)
		require.Equal(t, queued, c.push([]byte(big), "s"), "or a snapshot would be collapsed for ever")
		c.Close(CloseDraining, "")
		frames, _ := readAll(client)
		assert.Equal(t, []string{"stalled", big}, frames)
		require.NoError(t, <-done)
	})
}

func TestPush_OverflowClosesWith4002(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, client := pipe(t)
		c := newConn(t, server, func(cfg *Config) { cfg.MaxBytes = 100 })
		done := start(t.Context(), c, ignore)
		stall(t, c)
		require.Equal(t, queued, c.push(bytes.Repeat([]byte("x"), 100), nil))
		require.Equal(t, closed, c.push([]byte("x"), nil))
		require.Equal(t, closed, c.push([]byte("x"), "s"))
		frames, err := readAll(client)
		assert.Equal(t, []string{"stalled"}, frames)
		assert.True(t, websocket.IsCloseError(err, CloseSlow), "%v", err)
		require.NoError(t, <-done)
		assert.Zero(t, value(t, c.m.queueBytes))
		assert.InDelta(t, 2, value(t, c.m.dropped[dropSlow]), 0)
	})
}

// A client that reads on is told why it was closed, unless something else hurries.
func TestPush_OverflowIsToldToWhoReadsOn(t *testing.T) {
	for _, hurried := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			server, client := pipe(t)
			c := newConn(t, server, func(cfg *Config) { cfg.MaxBytes = 100 })
			done := start(t.Context(), c, ignore)
			stall(t, c)
			require.Equal(t, closed, c.push(make([]byte, 101), nil))
			assert.Zero(t, value(t, c.m.queueBytes))
			time.AfterFunc(time.Second, func() {
				if hurried {
					c.Close(CloseDraining, "draining")
				}
			})
			<-time.After(25 * time.Second)
			frames, err := readAll(client)
			if hurried {
				assert.Empty(t, frames)
				assert.False(t, websocket.IsCloseError(err, CloseSlow, CloseDraining), "%v", err)
			} else {
				assert.Equal(t, []string{"stalled"}, frames)
				assert.True(t, websocket.IsCloseError(err, CloseSlow), "%v", err)
			}
			require.NoError(t, <-done)
			assert.InDelta(t, 1, value(t, c.m.closes[CloseSlow]), 0)
		})
	}
}

func TestPush_PiecesMakeRoomForWhatMustBeDelivered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, client := pipe(t)
		c := newConn(t, server, func(cfg *Config) { cfg.MaxBytes, cfg.CollapseBytes = 100, 100 })
		drained := make(chan any, 2)
		c.onDrained = func(group any) { drained <- group }
		done := start(t.Context(), c, ignore)
		stall(t, c)
		require.Equal(t, queued, c.push(make([]byte, 40), "s1"))
		require.Equal(t, queued, c.push(make([]byte, 40), "s2"))
		require.Equal(t, queued, c.push(bytes.Repeat([]byte("x"), 90), nil))
		go func() { _, _ = readAll(client) }()
		assert.Equal(t, "s1", <-drained)
		assert.Equal(t, "s2", <-drained)
		c.Close(CloseDraining, "")
		require.NoError(t, <-done)
	})
}

func TestPush_WriteThatTimesOutEndsTheSocket(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, _ := pipe(t)
		c := newConn(t, server, nil)
		done := start(t.Context(), c, ignore)
		began := time.Now()
		stall(t, c)
		require.NoError(t, <-done)
		assert.InDelta(t, 30, time.Since(began).Seconds(), 0.1)
		assert.InDelta(t, 1, value(t, c.m.closes[CloseSlow]), 0)
		assert.Equal(t, closed, c.push([]byte("x"), nil))
	})
}

func TestAwaitRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, client := pipe(t)
		c := newConn(t, server, func(cfg *Config) { cfg.CollapseBytes = 10 })
		done := start(t.Context(), c, ignore)
		stall(t, c)
		assert.True(t, c.awaitRoom(t.Context()))
		c.Send(make([]byte, 11))

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		assert.False(t, c.awaitRoom(ctx), "nobody reads, so the context ends it")

		go func() { _, _ = readAll(client) }()
		assert.True(t, c.awaitRoom(t.Context()))
		c.Close(CloseDraining, "")
		assert.False(t, c.awaitRoom(t.Context()))
		require.NoError(t, <-done)
	})
}

func TestIdleSocketHasNoWriterAndNoWorker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, client := pipe(t)
		c := newConn(t, server, nil)
		done := start(t.Context(), c, func(_ context.Context, f []byte, _ bool) { c.Send(f) })
		require.NoError(t, client.WriteMessage(websocket.TextMessage, []byte("echo")))
		_, b, err := client.ReadMessage()
		require.NoError(t, err)
		assert.Equal(t, "echo", string(b))
		synctest.Wait()
		working, writing := c.busy()
		assert.False(t, working || writing)
		assert.Nil(t, c.out.items)
		assert.Nil(t, c.in.items)
		_ = client.Close()
		require.Error(t, <-done)
	})
}
