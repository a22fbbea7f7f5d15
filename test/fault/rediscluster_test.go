//go:build fault

package fault

import (
	"encoding/base64"
	"fmt"
	"syscall"
	"testing"
	"time"

	"chatbox/cmd/chatload/ledger"
	"chatbox/test/servers"
)

func TestCluster_LiveSlotsMoved(t *testing.T) {
	c := start(t, setup{redis: servers.Cluster})
	w := c.gather(talkers)
	hold(c.ctx, t, 2*time.Second)
	moves := pick(5, talkers)
	var worstAck, worstAnswer time.Duration
	for n := range moves {
		half := func() {}
		if n == 0 { // long enough for every user to speak into it
			half = func() { hold(c.ctx, t, 2*time.Second) }
		}
		key := c.stateKey(w.talkers[n].session)
		from, to := c.set.MoveSlot(c.ctx, t, key, half)
		moved := time.Now()
		acks, answers := w.recovered(moved)
		worstAck, worstAnswer = max(worstAck, acks), max(worstAnswer, answers)
		t.Logf("the slot of %s moved from %s to %s", w.talkers[n].session, from, to)
	}
	r := w.settle(ledger.ErrorShown)
	c.recoverable(r)
	c.untouched()
	figure(t, "cluster-slots", "%d slots with live sessions moved to another of three masters, one after 2 s in between, under %d talking users with 2 devices: "+
		"%d acked, %d answers verified, lost 0, repeated 0, holes 0, %s; move to everybody's next ack %v, to everybody's next answer %v",
		moves, talkers, r.Messages, r.Verified, errorsShown(r), worstAck.Round(time.Millisecond), worstAnswer.Round(time.Millisecond))
}

func TestCluster_MasterKilled(t *testing.T) {
	if !long() {
		t.Skip("NOT RUN: FAULT=long plays it")
	}
	c := start(t, setup{redis: servers.Cluster})
	w := c.gather(talkers)
	const rounds = 3
	var worstAck, worstAnswer time.Duration
	for range rounds {
		hold(c.ctx, t, 2*time.Second)
		master := c.set.MasterOf(c.ctx, t, c.stateKey(w.talkers[0].session))
		c.set.Signal(t, master, syscall.SIGKILL)
		killed := time.Now()
		acks, answers := w.recovered(killed)
		worstAck, worstAnswer = max(worstAck, acks), max(worstAnswer, answers)
		c.set.Restart(t, master)
		c.clusterWhole()
	}
	r := w.settle(ledger.ErrorShown)
	c.recoverable(r)
	c.untouched()
	figure(t, "cluster-killed", "%d times kill -9 of one of three masters, its replica taking over (node timeout 2 s), under %d talking users with 2 devices: "+
		"%d acked, %d answers verified, lost 0, repeated 0, holes 0, %s; kill to everybody's next ack %v, to everybody's next answer %v",
		rounds, talkers, r.Messages, r.Verified, errorsShown(r), worstAck.Round(time.Millisecond), worstAnswer.Round(time.Millisecond))
}

// stateKey is a session's key as some node of the Cluster has it.
func (c *cluster) stateKey(session string) string {
	c.t.Helper()
	pattern := "cb:{*}:s:*." + base64.RawURLEncoding.EncodeToString([]byte(session))
	for n := 1; n <= 6; n++ {
		rdb := c.direct(fmt.Sprint("cluster-", n))
		keys, _ := rdb.Keys(c.ctx, pattern).Result() // one that is away has none
		_ = rdb.Close()
		if len(keys) == 1 {
			return keys[0]
		}
	}
	c.t.Fatalf("no node knows %s", session)
	return ""
}

// clusterWhole waits until three masters have a replica each.
func (c *cluster) clusterWhole() {
	c.t.Helper()
	c.set.Await(c.t, servers.Cluster)
}
