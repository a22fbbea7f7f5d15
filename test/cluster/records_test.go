package cluster

import (
	"context"
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"chatbox"
	"chatbox/app"
	"chatbox/app/devstack"
)

// slowRecords is a history that refuses to update sessions' records while off is
// set.
type slowRecords struct {
	app.SessionStore
	off *atomic.Bool
}

func (s slowRecords) SaveState(ctx context.Context, k chatbox.SessionKey, st chatbox.State) error {
	if s.off.Load() {
		return chatbox.NewError(chatbox.StoreFailed, "", nil)
	}
	return s.SessionStore.SaveState(ctx, k, st)
}

// Records are written behind the messages. The lists of all pods show what the
// records lack, and another pod writes the records of a pod that was killed.
func TestRecords_AreWrittenBehindTheMessages(t *testing.T) {
	var off atomic.Bool
	var store app.SessionStore
	c := start(t, 2, func(cfg *devstack.Config) {
		cfg.Watch = func(s app.Stores) app.Stores {
			store = s.Sessions
			s.Sessions = slowRecords{s.Sessions, &off}
			return s
		}
	})
	k := chatbox.SessionKey{ID: "s-1"}
	recorded := func() chatbox.State {
		sess, err := store.Load(c.ctx, k)
		require.NoError(t, err)
		return sess.State
	}
	d := c.device("ada", "s-1", c.podURL(0))
	c.answered(d, "s-1", c.say(d, "s-1", "first [[words=1]]"))
	c.until("the first record", func() bool { return recorded().Head == 2 })
	off.Store(true)
	last := c.say(d, "s-1", "second [[words=1]]")
	c.answered(d, "s-1", last)
	require.EqualValues(t, 2, recorded().Head)
	for pod := range 2 {
		status, _, list := c.call(pod, http.MethodGet, "/sessions", c.token("ada"))
		require.Equal(t, http.StatusOK, status)
		sessions, _ := list["sessions"].([]any)
		require.Len(t, sessions, 1)
		row, _ := sessions[0].(map[string]any)
		assert.EqualValues(t, 4, row["message_count"])
	}
	previews := c.as("", "sam", "admin").want(http.StatusOK, http.MethodGet, "/admin/previews?sessions=s-1", "")
	assert.Contains(t, previews.Body, `"seq":4`, "the last words are of the answer that the record lacks")
	require.NoError(t, c.stack.KillPod(c.stack.Pods()[0].ID))
	off.Store(false)
	c.until("the killed pod's record", func() bool { return recorded().Head == 4 })
}
