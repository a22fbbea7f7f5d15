package redisstate

import (
	"log/slog"
	"strconv"
	"testing"
	"time"

	"chatbox"
	"chatbox/cluster"
	"chatbox/helpdesk"

	"github.com/stretchr/testify/assert"
)

// resyncs is a handler that counts them.
type resyncs int

func (*resyncs) Update(cluster.Update)           {}
func (r *resyncs) Resubscribed()                 { *r++ }
func (*resyncs) Wake(chatbox.SessionKey)         {}
func (*resyncs) Disconnected(chatbox.Withdrawal) {}

func (*resyncs) BlockChanged(chatbox.UserKey) {}

func (*resyncs) Notice(helpdesk.Notice) {}

func isConfirmed(sub *subscription) bool {
	select {
	case <-sub.confirmed:
		return true
	default:
		return false
	}
}

func newBus(h Handler) *Bus {
	b := NewBus(&Client{}, "pod", slog.New(slog.DiscardHandler))
	b.handler = h
	return b
}

func TestBus_OnlyTheLastConfirmationCounts(t *testing.T) {
	var h resyncs
	b := newBus(&h)
	sub := &subscription{refs: 1, confirmed: make(chan struct{})}
	b.trunk.subs["ch"], b.trunk.asked["ch"] = sub, 2 // SUBSCRIBE, UNSUBSCRIBE, SUBSCRIBE are on their way
	b.trunk.confirm("ch")
	assert.False(t, isConfirmed(sub), "the server may not have seen the second SUBSCRIBE")
	b.trunk.confirm("ch")
	assert.True(t, isConfirmed(sub))
	assert.Empty(t, b.trunk.asked)
	b.trunk.confirm("left meanwhile")
	assert.Empty(t, b.trunk.asked)
}

func TestBus_ResyncWaitsForTheConnectionAndForNobodyElse(t *testing.T) {
	var h resyncs
	b := newBus(&h)
	b.trunk.fresh = true
	b.trunk.subs["of the connection"] = &subscription{refs: 1, confirmed: make(chan struct{})}
	b.trunk.subs["added meanwhile"] = &subscription{refs: 1, confirmed: make(chan struct{})}
	b.trunk.confirm("of the connection")
	assert.Zero(t, h, "the canary is the last")
	b.trunk.confirm(trunkCanary("pod"))
	assert.EqualValues(t, 1, h)
	b.trunk.confirm("added meanwhile")
	b.trunk.confirm(trunkCanary("pod"))
	assert.EqualValues(t, 1, h, "once for a connection")
}

func TestBus_HealthCountsFromTheTimeOfSending(t *testing.T) {
	var h resyncs
	b := newBus(&h)
	canary := func(voice string, ago time.Duration) string {
		return voice + "." + strconv.FormatInt(int64(time.Since(b.born)-ago), 10)
	}
	b.born = b.born.Add(-time.Hour)
	for _, s := range []string{"", ".", "x", b.voice, b.voice + ".x", canary("another's", 0), canary(b.voice, 2*time.Second)} {
		b.trunk.noteCanary(s)
		assert.False(t, b.Healthy(), s)
	}
	b.trunk.noteCanary(canary(b.voice, time.Second))
	assert.True(t, b.Healthy(), "late is not lost")
	b.trunk.noteCanary(canary(b.voice, 3*time.Second))
	assert.True(t, b.Healthy(), "an old one takes nothing back")
}
