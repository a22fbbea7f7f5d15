package main

import (
	"sync"
	"sync/atomic"
	"time"

	"chatbox/cmd/chatload/histogram"
	"chatbox/cmd/chatload/ledger"
)

// meter counts and times the whole load. It is safe for concurrent use.
type meter struct {
	sockets    atomic.Int64 // currently open
	dials      atomic.Int64 // sockets opened
	reconnects atomic.Int64
	refused    atomic.Int64 // dials that failed
	drops      atomic.Int64 // connections broken on purpose
	sentCount  atomic.Int64
	repeats    atomic.Int64
	cancels    atomic.Int64
	retries    atomic.Int64
	acks       atomic.Int64
	answers    atomic.Int64
	frames     atomic.Int64
	sessions   atomic.Int64 // done

	connect, ack, ackLate, first, whole, delivery, resume histogram.Histogram

	mu     sync.Mutex // guards following
	report ledger.Report
}

func (m *meter) opened(again bool) {
	m.sockets.Add(1)
	m.dials.Add(1)
	if again {
		m.reconnects.Add(1)
	}
}

// acked records the time from the first write to the ack. Messages that needed
// another connection are recorded separately.
func (m *meter) acked(d time.Duration, sameConn bool) {
	m.acks.Add(1)
	if sameConn {
		m.ack.Add(d)
	} else {
		m.ackLate.Add(d)
	}
}

func (m *meter) merge(r ledger.Report) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.report.Merge(r)
	m.sessions.Add(1)
}

// verdict returns the ledger's findings so far.
func (m *meter) verdict() ledger.Report {
	m.mu.Lock()
	defer m.mu.Unlock()
	var r ledger.Report
	r.Merge(m.report)
	return r
}
