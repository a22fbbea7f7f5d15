package hub

import (
	"bufio"
	"context"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// follow joins a stream to the hub. Frames are lines.
func follow(t *testing.T, h *Hub) (c *Conn, client net.Conn, done <-chan error) {
	t.Helper()
	server, client := net.Pipe()
	line := func(p []byte) []byte { return append(append([]byte{}, p...), '\n') }
	c = NewStream(Stream{Conn: server, Text: line, Comment: []byte(":\n"), End: []byte("end\n")}, "s1", actor(), h.Config(), h.Metrics())
	h.Add(c)
	ended := make(chan error, 1)
	go func() {
		err := c.Run(t.Context(), ignore)
		h.Remove(c)
		ended <- err
	}()
	t.Cleanup(func() { _ = client.Close() })
	return c, client, ended
}

// An idle stream has a comment every 15 s and lives, although its client sends
// nothing.
func TestStream_LivesByItsComments(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub(t, nil)
		ctx, stop := context.WithCancel(t.Context())
		over := make(chan struct{})
		go func() { h.Run(ctx); close(over) }()
		defer func() { stop(); <-over }()
		c, client, done := follow(t, h)
		r, began := bufio.NewReader(client), time.Now()
		for n := range 20 {
			line, err := r.ReadString('\n')
			require.NoError(t, err)
			assert.Equal(t, ":\n", line)
			assert.InDelta(t, float64(n+1)*15, time.Since(began).Seconds(), 2)
		}
		c.Send([]byte("frame"))
		c.Close(CloseDraining, "")
		rest, err := io.ReadAll(r)
		require.NoError(t, err)
		assert.Equal(t, "frame\nend\n", string(rest))
		require.NoError(t, <-done)
		assert.Zero(t, h.Len())
	})
}

// A client that stops reading is closed like a slow WebSocket.
func TestStream_ASlowClientIsClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub(t, nil)
		c, _, done := follow(t, h)
		c.Send([]byte("a frame that nobody reads"))
		require.NoError(t, <-done)
		assert.InDelta(t, 1, value(t, h.Metrics().closes[CloseSlow]), 0)
		assert.Zero(t, h.Len())
	})
}

// The client of a stream has nothing to send.
func TestStream_AClientThatTalksIsClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub(t, nil)
		_, client, done := follow(t, h)
		go func() { _, _ = client.Write(make([]byte, 2*streamBytes)) }()
		require.ErrorIs(t, <-done, errTalks)
		assert.Zero(t, h.Len())
	})
}
