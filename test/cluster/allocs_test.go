//go:build !race

package cluster

import (
	"testing"

	"chatbox/app/devstack"
	"chatbox/cmd/chatload/client"
	"chatbox/test/budget"
	"chatbox/test/childredis"
)

// A message counts with all that it causes outside of Redis: the client, the pod
// that stores it, the history, the pod and the client that receive it.
func TestAllocations_OfAMessage(t *testing.T) {
	redis := "redis://" + childredis.Start(t)
	c := start(t, 2, func(cfg *devstack.Config) { cfg.RedisURL = redis })
	unrecorded := func(cfg *client.Config) { cfg.Record, cfg.Raw = false, nil }
	from, to := c.device("ada", "s-1", c.podURL(0), unrecorded), c.device("ada", "s-1", c.podURL(1), unrecorded)
	seq := int64(0)
	budget.Hold(t, budget.Budget{Objects: 480, Bytes: 39_500}, 500, func() {
		id, err := from.Send(client.Frame{Type: client.TypeModelSelect, SessionID: "s-1", ModelID: "fast"})
		if err != nil {
			t.Fatal(err)
		}
		c.acked(from, "s-1", id)
		seq++
		c.wait(to, "the message", func(tr *client.Tracker) bool {
			s := tr.Session("s-1")
			return s != nil && s.LastSeq >= seq
		})
	})
}
