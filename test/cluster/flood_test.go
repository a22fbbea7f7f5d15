package cluster

import (
	"fmt"
	"net/url"
	"os"
	"slices"
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

// TestFlood_Measured prints what floods of one user do to the acks of others,
// with and without, in turn. It asserts nothing: CHATBOX_TEST_FLOOD=1 runs it.
func TestFlood_Measured(t *testing.T) {
	if os.Getenv("CHATBOX_TEST_FLOOD") == "" {
		t.Skip("a measurement: CHATBOX_TEST_FLOOD=1")
	}
	c := start(t, 3, func(cfg *devstack.Config) {
		cfg.Redis.HelpLimit, cfg.Redis.MaxSocketsPerUsr = 5, 100
		cfg.Access.AdminRate = 1200
		if os.Getenv("CHATBOX_TEST_UNBOUNDED") != "" {
			cfg.Live.ReplayBurst = 1 << 40
		}
	})
	var healthy []*client.Client
	for i := range 20 {
		healthy = append(healthy, c.device(fmt.Sprint("user-", i), fmt.Sprint("h-", i), c.podURL(i%3)))
	}
	mallory := c.device("mallory", "flood", c.podURL(0))
	c.fillSession(mallory, "flood", 900)
	floods := map[string]func(ws *websocket.Conn) error{
		"resumes": func(ws *websocket.Conn) error {
			if err := ws.WriteJSON(map[string]any{"type": "resume", "session_id": "flood", "seq": 0}); err != nil {
				return err
			}
			c.untilAnswered(ws)
			return nil
		},
		"help requests": func(ws *websocket.Conn) error {
			if err := ws.WriteJSON(map[string]any{"type": "help_request", "session_id": "flood", "id": client.NewID()}); err != nil {
				return err
			}
			c.untilFrame(ws, func(f map[string]any) bool { return f["type"] == "ack" || f["type"] == "error" })
			return nil
		},
	}
	for name, once := range floods {
		acks := map[bool][]time.Duration{}
		for range 3 {
			for _, under := range []bool{false, true} {
				var stop atomic.Bool
				var wg sync.WaitGroup
				var frames atomic.Int64
				if under {
					for i := range 10 {
						ws, _ := c.dial(i%3, url.Values{"token": {c.token("mallory")}})
						wg.Go(func() {
							for !stop.Load() && once(ws) == nil {
								frames.Add(1)
							}
							_ = ws.Close()
						})
					}
				}
				acks[under] = append(acks[under], c.ackTimes(healthy, 10)...)
				stop.Store(true)
				wg.Wait()
				t.Logf("%s %v: %d frames of the flood", name, under, frames.Load())
			}
		}
		t.Logf("flood of %s: p50 %v without, %v with; p99 %v without, %v with", name,
			quantile(acks[false], 0.5), quantile(acks[true], 0.5), quantile(acks[false], 0.99), quantile(acks[true], 0.99))
	}
}

// ackTimes has each device send n messages, one after the other.
func (c *cluster) ackTimes(devices []*client.Client, n int) []time.Duration {
	var mu sync.Mutex
	var all []time.Duration
	var wg sync.WaitGroup
	for i, d := range devices {
		wg.Go(func() {
			for range n {
				began := time.Now()
				session := fmt.Sprint("h-", i)
				id, err := d.Send(client.Frame{Type: client.TypeModelSelect, SessionID: session, ModelID: "fast"})
				if !assert.NoError(c.t, err) {
					return
				}
				assert.NoError(c.t, d.WaitFor(c.ctx, func(t *client.Tracker) bool {
					s := t.Session(session)
					return s != nil && s.Sent[id] != nil && s.Sent[id].Seq > 0
				}))
				mu.Lock()
				all = append(all, time.Since(began))
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return all
}

func quantile(all []time.Duration, q float64) time.Duration {
	slices.Sort(all)
	return all[int(float64(len(all)-1)*q)].Round(time.Millisecond)
}
