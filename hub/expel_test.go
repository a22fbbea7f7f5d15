package hub

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"chatbox"
)

func TestExpel_ClosesTheUsersOlderSockets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub(t, nil)
		now := time.Now()
		open := func(id chatbox.ConnID, tenant string, issued time.Time) (*websocket.Conn, <-chan error) {
			server, client := pipe(t)
			a := actor()
			a.Tenant, a.IssuedAt = tenant, issued
			c := NewConn(server, id, a, h.Config(), h.Metrics())
			h.Add(c)
			t.Cleanup(func() { h.Remove(c) })
			return client, start(t.Context(), c, ignore)
		}
		old, oldDone := open("old", "t", now.Add(-time.Hour))
		_, freshDone := open("fresh", "t", now)
		_, otherDone := open("other", "acme", now.Add(-time.Hour))
		u := actor().User()
		assert.Equal(t, 1, h.Expel(u, now))
		_, err := readAll(old)
		assert.True(t, websocket.IsCloseError(err, CloseDisconnected), "%v", err)
		require.NoError(t, <-oldDone)
		assert.Equal(t, 2, h.Expel(u, time.Time{}), "the old one is still in the index")
		require.NoError(t, <-freshDone)
		assert.Zero(t, h.Expel(chatbox.UserKey{ID: "nobody"}, time.Time{}))
		h.Expel(chatbox.UserKey{Tenant: "acme", ID: u.ID}, time.Time{})
		require.NoError(t, <-otherDone)
	})
}
