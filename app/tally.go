package app

import (
	"context"
	crand "crypto/rand"
	mrand "math/rand/v2"
	"time"

	"chatbox"
	"chatbox/helpdesk"
)

const (
	tallyEvery  = 10 * time.Second    // interval of writing; counts that have grown are written at once
	samplesKept = 90 * 24 * time.Hour // older minutes are deleted
	minuteOf    = time.Minute
)

// tally counts the sessions that have sockets on this pod, per tenant and minute,
// and writes the counts. Only the heartbeat calls its methods.
type tally struct {
	pod         chatbox.PodID
	run         string // of this process, so that it does not overwrite another's counts of the same minute
	concurrency Concurrency
	count       func() map[string]int // sessions with sockets, by tenant

	at      time.Time // time of the last count
	written time.Time
	minutes map[minute]*sample
}

type minute struct {
	tenant string
	start  time.Time
}

type sample struct {
	since   time.Time // time of the first count, or of the beat before it
	seconds float64
	peak    int64
	fresh   bool // changed since it was written
}

func newTally(pod chatbox.PodID, concurrency Concurrency, count func() map[string]int) *tally {
	return &tally{pod: pod, run: crand.Text()[:8], concurrency: concurrency, count: count, minutes: map[minute]*sample{}}
}

// beat counts once. The sessions open now are taken to have been open since the
// last beat. It writes every tallyEvery, and at once if a peak has grown, so that
// staff do not see an empty minute.
func (t *tally) beat(ctx context.Context, now time.Time) error {
	span := now.Sub(t.at).Seconds()
	if t.at.IsZero() || span < 0 || span > tallyEvery.Seconds() {
		span = podBeat.Seconds() // the first beat, or the clock was set
	}
	t.at = now
	grown := false
	for tenant, n := range t.count() {
		k := minute{tenant, now.UTC().Truncate(minuteOf)}
		c := t.minutes[k]
		if c == nil {
			c = &sample{since: now.UTC().Add(-time.Duration(span * float64(time.Second)))}
			if c.since.Before(k.start) {
				c.since = k.start
			}
			t.minutes[k] = c
		}
		c.seconds += span * float64(n)
		c.fresh = true
		if int64(n) > c.peak {
			c.peak, grown = int64(n), true
		}
	}
	if !grown && now.Sub(t.written) < tallyEvery {
		return nil
	}
	t.written = now
	return t.write(ctx, now)
}

// write writes changed counts. It drops a past minute once it is written, or
// after a while if it cannot be.
func (t *tally) write(ctx context.Context, now time.Time) error {
	var fresh []helpdesk.ConcurrencySample
	for k, c := range t.minutes {
		if c.fresh {
			fresh = append(fresh, helpdesk.ConcurrencySample{
				Tenant: k.tenant, Pod: t.pod, Run: t.run, Minute: k.start, Since: c.since, Seconds: c.seconds, Peak: c.peak,
			})
		}
	}
	err := t.concurrency.Tally(ctx, fresh)
	for k, c := range t.minutes {
		if err == nil {
			c.fresh = false
		}
		over := now.Sub(k.start)
		if over > minuteOf && !c.fresh || over > 10*minuteOf {
			delete(t.minutes, k)
		}
	}
	if err == nil && mrand.N(2000) == 0 { //nolint:gosec // every few hours, by no pod in particular
		err = t.concurrency.Forget(ctx, now.Add(-samplesKept))
	}
	return err
}
