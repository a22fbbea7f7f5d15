package app

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"chatbox"
	"chatbox/internal/outage"
)

// commons is a history to which processes report, and their rounds.
type commons struct {
	reports map[string]chatbox.Peer
	clock   time.Time
}

func newCommons() *commons {
	return &commons{reports: map[string]chatbox.Peer{}, clock: time.UnixMilli(1_750_000_000_000)}
}

func newTestPeers(name string) *peers {
	p := newPeers(chatbox.PodID(name), nil)
	p.own.Run = name
	return p
}

func (c *commons) round(p *peers, redis string) outage.Kind {
	c.clock = c.clock.Add(time.Millisecond)
	report, ok := p.report(redis)
	if !ok {
		return p.state()
	}
	if report.Since.IsZero() {
		report.Since = c.clock
	}
	c.reports[report.Run] = report
	if redis == "" {
		return p.state()
	}
	var all []chatbox.Peer
	for _, r := range c.reports {
		all = append(all, r)
	}
	p.met(all)
	return p.state()
}

func TestPeers_OneRedisIsReadyAtOnce(t *testing.T) {
	c := newCommons()
	for i := range 3 {
		assert.Empty(t, c.round(newTestPeers(fmt.Sprint("pod-", i)), "x"))
	}
}

func TestPeers_ANewPodWithAnotherRedisIsNeverReady(t *testing.T) {
	c := newCommons()
	a, b := newTestPeers("a"), newTestPeers("b")
	assert.Empty(t, c.round(a, "x"))
	for i := range 20 {
		got := c.round(b, "y")
		if i < 3 {
			assert.Equal(t, outage.Preparing, got, i)
		} else {
			assert.Equal(t, outage.OtherRedis, got, i)
		}
		assert.Empty(t, c.round(a, "x"), "the pods that were there serve on")
	}
	assert.Empty(t, c.round(b, "x"), "it has been set right")
}

func TestPeers_OfTwoThatStartTogetherOneServes(t *testing.T) {
	for _, first := range []string{"a", "b"} {
		c := newCommons()
		a, b := newTestPeers("a"), newTestPeers("b")
		redis := map[*peers]string{a: "x", b: "y"}
		order := []*peers{a, b}
		if first == "b" {
			order = []*peers{b, a}
		}
		reports := map[*peers]chatbox.Peer{}
		for range 10 { // both report before either reads
			for _, p := range order {
				r, _ := p.report(redis[p])
				if r.Since.IsZero() {
					c.clock = c.clock.Add(time.Millisecond)
					r.Since = c.clock
				}
				reports[p] = r
			}
			for _, p := range order {
				p.met([]chatbox.Peer{reports[a], reports[b]})
			}
		}
		assert.Empty(t, order[0].state())
		assert.Equal(t, outage.OtherRedis, order[1].state())
	}
}

func TestPeers_AnEmptiedRedisIsNoOtherRedis(t *testing.T) {
	c := newCommons()
	pods := []*peers{newTestPeers("a"), newTestPeers("b"), newTestPeers("c")}
	wrong := newTestPeers("wrong")
	for round := range 20 {
		for i, p := range pods {
			redis := "x"
			if round > 8 || round == 8 && i > 0 { // the first has asked just before
				redis = "emptied"
			}
			assert.Empty(t, c.round(p, redis), round)
		}
		if round > 2 {
			got := c.round(wrong, "y")
			assert.NotEmpty(t, got, "also while the right one is new")
		}
	}
	assert.Equal(t, outage.OtherRedis, wrong.state())
}

func TestPeers_OnlyALivingPodCounts(t *testing.T) {
	c := newCommons()
	dead := newTestPeers("dead")
	c.round(dead, "x")
	b := newTestPeers("b")
	var kinds []outage.Kind
	for range 7 {
		kinds = append(kinds, c.round(b, "y"))
	}
	assert.Equal(t, outage.Preparing, kinds[0], "it may be alive")
	assert.Empty(t, kinds[6])
	assert.NotContains(t, kinds, outage.OtherRedis)
}

func TestPeers_APodWithoutItsRedisStillCounts(t *testing.T) {
	c := newCommons()
	a, b := newTestPeers("a"), newTestPeers("b")
	c.round(a, "x")
	for range 5 {
		c.round(b, "y")
		c.round(a, "x")
	}
	for range 20 { // the right Redis is unavailable
		c.round(a, "")
		assert.Equal(t, outage.OtherRedis, c.round(b, "y"))
	}
	for range 8 { // its pods are gone
		c.round(b, "y")
	}
	assert.Empty(t, b.state())
}

func TestPeers_OlderVersionsReportNothing(t *testing.T) {
	p := newTestPeers("a")
	r, _ := p.report("x")
	p.met([]chatbox.Peer{{Run: "old"}, r})
	assert.Empty(t, p.state())
}

// A refused pod that stays, and even outlives the pod that was there first, does
// not keep new pods with the right Redis out.
func TestPeers_ARefusedPodKeepsNobodyOut(t *testing.T) {
	c := newCommons()
	a, wrong := newTestPeers("a"), newTestPeers("wrong")
	assert.Empty(t, c.round(a, "x"))
	for range 6 {
		c.round(wrong, "y")
		c.round(a, "x")
	}
	assert.Equal(t, outage.OtherRedis, wrong.state())
	b := newTestPeers("b")
	for range 3 {
		c.round(b, "x")
		c.round(a, "x")
		c.round(wrong, "y")
	}
	assert.Empty(t, b.state())
	delete(c.reports, "a")
	for range 12 {
		assert.Empty(t, c.round(b, "x"))
		assert.Equal(t, outage.OtherRedis, c.round(wrong, "y"))
	}
}

// A pod that does not reach its Redis does not know that it was emptied.
func TestPeers_APodWithoutItsRedisStopsNobody(t *testing.T) {
	c := newCommons()
	a, b, away := newTestPeers("a"), newTestPeers("b"), newTestPeers("away")
	for range 4 {
		c.round(a, "x")
		c.round(b, "x")
		c.round(away, "x")
	}
	late := newTestPeers("late")
	for i := range 12 {
		c.round(away, "")
		assert.Empty(t, c.round(a, "emptied"))
		assert.Empty(t, c.round(b, "emptied"))
		if got := c.round(late, "emptied"); i > 2 {
			assert.Empty(t, got)
		}
	}
	assert.Empty(t, c.round(away, "emptied"))
}

func TestPeers_APodKilledWhileRedisIsEmptied(t *testing.T) {
	c := newCommons()
	a, b, killed := newTestPeers("a"), newTestPeers("b"), newTestPeers("killed")
	for range 4 {
		c.round(a, "x")
		c.round(b, "x")
		c.round(killed, "x")
	}
	for range 12 {
		assert.Empty(t, c.round(a, "emptied"))
		assert.Empty(t, c.round(b, "emptied"))
	}
}

func TestPeers_RedisEmptiedBetweenRounds(t *testing.T) {
	c := newCommons()
	a, b := newTestPeers("a"), newTestPeers("b")
	for i := range 6 {
		redis := fmt.Sprint("emptied-", max(0, i-2))
		assert.Empty(t, c.round(a, redis))
		assert.Empty(t, c.round(b, redis))
	}
}

// Pods with another Redis that crash and restart do not keep a new pod waiting.
func TestPeers_CrashingPodsKeepNobodyWaiting(t *testing.T) {
	c := newCommons()
	a, b := newTestPeers("a"), newTestPeers("b")
	c.round(a, "x")
	for i := range 30 {
		c.round(a, "x")
		if i%3 == 0 {
			c.round(newTestPeers(fmt.Sprint("crashing-", i)), "y")
		}
		if got := c.round(b, "x"); i > 2 {
			assert.Empty(t, got)
		}
	}
}
