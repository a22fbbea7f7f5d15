package cluster

import (
	"fmt"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"chatbox/app/devstack"
	"chatbox/cmd/chatload/client"
)

const (
	floodLength = 300  // events of the session that is resumed again and again
	floodBurst  = 2000 // events that a pod replays to one user
)

// fillSession has the user put n durable events into the session.
func (c *cluster) fillSession(d *client.Client, session string, n int) {
	c.t.Helper()
	last := ""
	for range n {
		id, err := d.Send(client.Frame{Type: client.TypeModelSelect, SessionID: session, ModelID: "fast"})
		require.NoError(c.t, err)
		last = id
	}
	c.acked(d, session, last)
}

// A user who resumes a long session again and again has no more of the history
// read than the pod allows one user, is told when to come again, and loses
// nothing by it; others are replayed to as before.
func TestFlood_OfResumesReadsABoundedPartOfTheHistory(t *testing.T) {
	m := newMeter(t)
	c := start(t, 1, m.quiet, func(cfg *devstack.Config) {
		cfg.Redis.LogEntries = 10
		cfg.Live.ReplayBurst, cfg.Live.ReplayRate = floodBurst, 1
	})
	mallory, ada := c.device("mallory", "s-1", c.podURL(0)), c.device("ada", "s-2", c.podURL(0))
	c.fillSession(mallory, "s-1", floodLength)
	c.fillSession(ada, "s-2", floodLength)
	before := m.read()["range"]
	const sockets, resumes = 3, 40
	var refused atomic.Int64
	var all []*websocket.Conn
	var wg sync.WaitGroup
	for range sockets {
		ws, _ := c.dial(0, url.Values{"token": {c.token("mallory")}, "session_id": {"s-1"}})
		require.NotNil(t, ws)
		all = append(all, ws)
		wg.Go(func() {
			for i := range resumes {
				if err := ws.WriteJSON(map[string]any{"type": "resume", "session_id": "s-1", "seq": 0, "id": fmt.Sprint(i)}); !assert.NoError(t, err) {
					return
				}
				if answer := c.untilAnswered(ws); answer["type"] == "error" {
					e, _ := answer["error"].(map[string]any)
					assert.Equal(t, "TOO_MANY_REQUESTS", e["code"])
					assert.Positive(t, e["retry_after"])
					assert.Equal(t, true, e["recoverable"])
					refused.Add(1)
				}
			}
		})
	}
	wg.Wait()
	const pages, overdrawn = 2, sockets // of one resume; each socket may have one under way when the account is empty
	allowed := pages * (floodBurst/floodLength + 1 + overdrawn)
	assert.LessOrEqual(t, m.read()["range"]-before, allowed)
	assert.GreaterOrEqual(t, refused.Load(), int64(sockets*resumes-allowed))

	id := c.say(mallory, "s-1", "and on [[words=1]]")
	c.acked(mallory, "s-1", id)
	for _, ws := range all {
		assert.Equal(t, "user_message", c.untilSeq(ws, floodLength+1)["type"], "refused sockets go on live")
	}
	fresh := c.device("ada", "s-2", c.podURL(0))
	c.wait(fresh, "the replay", func(tr *client.Tracker) bool {
		s := tr.Session("s-2")
		return s != nil && s.LastSeq == floodLength
	})
}

// untilAnswered reads to the answer to a resume.
func (c *cluster) untilAnswered(ws *websocket.Conn) map[string]any {
	return c.untilFrame(ws, func(f map[string]any) bool { return f["type"] == "resumed" || f["type"] == "error" })
}

func (c *cluster) untilSeq(ws *websocket.Conn, seq float64) map[string]any {
	return c.untilFrame(ws, func(f map[string]any) bool { return f["seq"] == seq && f["type"] != "resumed" })
}

func (c *cluster) untilFrame(ws *websocket.Conn, is func(map[string]any) bool) map[string]any {
	if err := ws.SetReadDeadline(time.Now().Add(patience)); err != nil {
		c.t.Error(err)
		return nil
	}
	for {
		var f map[string]any
		if err := ws.ReadJSON(&f); !assert.NoError(c.t, err) {
			return nil
		}
		if is(f) {
			return f
		}
	}
}
