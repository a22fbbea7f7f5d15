package hub

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"chatbox"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// client is one socket of a hub, from the other side.
type client struct {
	ws   *websocket.Conn
	conn *Conn
	done <-chan error

	mu     sync.Mutex
	frames []string
	err    error
	ended  time.Time
	gone   chan struct{}
}

func join(t *testing.T, h *Hub, id chatbox.ConnID, user string, onFrame OnFrame) *client {
	t.Helper()
	server, ws := pipe(t)
	c := &client{ws: ws, gone: make(chan struct{})}
	c.conn = NewConn(server, id, chatbox.Actor{UserID: user}, h.Config(), h.Metrics())
	h.Add(c.conn)
	done := make(chan error, 1)
	go func() {
		err := c.conn.Run(t.Context(), onFrame)
		h.Remove(c.conn)
		done <- err
	}()
	c.done = done
	go func() {
		frames, err := readAll(ws)
		c.mu.Lock()
		defer c.mu.Unlock()
		c.frames, c.err, c.ended = frames, err, time.Now()
		close(c.gone)
	}()
	return c
}

func farewell(after time.Duration) []byte {
	b, _ := json.Marshal(after.Milliseconds())
	return b
}

func TestHub_SlotsAreBoundedAndRefusedWhileDraining(t *testing.T) {
	h := newHub(t, func(c *Config) { c.MaxConns = 2 })
	require.NoError(t, h.Acquire())
	require.NoError(t, h.Acquire())
	require.ErrorIs(t, h.Acquire(), chatbox.LimitExceeded)
	h.Release()
	require.NoError(t, h.Acquire())
	h.Refuse()
	assert.True(t, h.Refusing())
	require.ErrorIs(t, h.Acquire(), chatbox.Draining)
}

func TestHub_FindsAndClosesByUser(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub(t, nil)
		a1, a2, b := join(t, h, "a1", "a", ignore), join(t, h, "a2", "a", ignore), join(t, h, "b1", "b", ignore)
		assert.Equal(t, 3, h.Len())
		assert.Same(t, a1.conn, h.Get("a1"))
		assert.Nil(t, h.Get("a3"))
		assert.Len(t, h.User(chatbox.UserKey{ID: "a"}), 2)

		assert.Equal(t, 2, h.CloseUser(chatbox.UserKey{ID: "a"}, CloseDisconnected, "by admin"))
		<-a1.gone
		<-a2.gone
		assert.True(t, websocket.IsCloseError(a1.err, CloseDisconnected))
		require.NoError(t, errors.Join(<-a1.done, <-a2.done))
		assert.Equal(t, 1, h.Len())
		n := 0
		h.Each(func(c *Conn) { n++; assert.Same(t, b.conn, c) })
		assert.Equal(t, 1, n)
		assert.Empty(t, h.User(chatbox.UserKey{ID: "a"}))
		b.conn.Close(CloseDraining, "")
		require.NoError(t, <-b.done)
	})
}

func TestDrain_SpreadsFarewellsOverTheWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub(t, nil)
		var clients []*client
		for i := range 10 {
			clients = append(clients, join(t, h, chatbox.ConnID('a'+rune(i)), "u", ignore))
		}
		began := time.Now()
		require.NoError(t, h.Drain(t.Context(), 10*time.Second, farewell))
		assert.InDelta(t, 9, time.Since(began).Seconds(), 1)
		perSecond := map[int]int{}
		for _, c := range clients {
			<-c.gone
			require.Len(t, c.frames, 1, "each is told to come back")
			assert.True(t, websocket.IsCloseError(c.err, CloseDraining), "%v", c.err)
			perSecond[int(c.ended.Sub(began).Seconds())]++
			require.NoError(t, <-c.done)
		}
		for s, n := range perSecond {
			assert.LessOrEqual(t, n, 2, "second %d", s)
		}
		require.ErrorIs(t, h.Acquire(), chatbox.Draining)
	})
}

func TestDrain_WaitsForRepliesUnderWay(t *testing.T) {
	for took, told := range map[time.Duration]int{time.Second: 2, 10 * time.Second: 2, time.Minute: 1} {
		synctest.Test(t, func(t *testing.T) {
			h := newHub(t, nil)
			var c *client
			c = join(t, h, "a", "u", func(ctx context.Context, _ []byte, _ bool) {
				select {
				case <-time.After(took):
				case <-ctx.Done():
				}
				c.conn.Send([]byte("reply"))
			})
			require.NoError(t, c.ws.WriteMessage(websocket.TextMessage, []byte("ask")))
			synctest.Wait()
			require.NoError(t, h.Drain(t.Context(), 0, farewell))
			<-c.gone
			require.Len(t, c.frames, told, "after %v", took)
			if told == 2 {
				assert.Equal(t, "reply", c.frames[1])
			}
			require.NoError(t, <-c.done)
		})
	}
}

func TestShed_SendsSomeAwayAndServesTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub(t, nil)
		var clients []*client
		for i := range 10 {
			clients = append(clients, join(t, h, chatbox.ConnID('a'+rune(i)), "u", ignore))
		}
		assert.Equal(t, 4, h.Shed(t.Context(), 4, 4*time.Second, farewell))
		synctest.Wait()
		assert.Equal(t, 6, h.Len())
		require.NoError(t, h.Acquire(), "it serves on")
		h.Release()
		told := 0
		for _, c := range clients {
			select {
			case <-c.gone:
				told += len(c.frames)
				assert.True(t, websocket.IsCloseError(c.err, CloseDraining), "%v", c.err)
			default:
			}
		}
		assert.Equal(t, 4, told, "each of them was told to come back")
		assert.Equal(t, 6, h.Shed(t.Context(), 100, 0, farewell), "no more than there are")
		for _, c := range clients {
			require.NoError(t, <-c.done)
		}
	})
}

func TestDrain_IsBoundedByItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub(t, nil)
		c := join(t, h, "a", "u", func(context.Context, []byte, bool) { <-time.After(5 * time.Second) })
		require.NoError(t, c.ws.WriteMessage(websocket.TextMessage, []byte("ask")))
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		err := h.Drain(ctx, 0, farewell)
		require.ErrorContains(t, err, "1 sockets")
		assert.InDelta(t, 1, time.Since(began).Seconds(), 0.1)
		<-c.gone
		assert.True(t, websocket.IsCloseError(c.err, CloseDraining))
		require.NoError(t, <-c.done)
	})
}

func TestHub_RunEndsWithItsSockets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub(t, nil)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { defer close(ended); h.Run(ctx) }()
		require.NoError(t, h.Acquire())
		c := join(t, h, "a", "u", func(ctx context.Context, _ []byte, _ bool) { <-ctx.Done() })
		require.NoError(t, c.ws.WriteMessage(websocket.TextMessage, []byte("hangs until it is cancelled")))
		synctest.Wait()
		cancel()
		<-c.gone
		assert.True(t, websocket.IsCloseError(c.err, CloseUnavailable), "%v", c.err)
		require.NoError(t, <-c.done)
		synctest.Wait()
		select {
		case <-ended:
			t.Fatal("Run ended before the last slot was given back")
		default:
		}
		require.ErrorIs(t, h.Acquire(), chatbox.Draining)
		h.Release()
		<-ended
	})
}
