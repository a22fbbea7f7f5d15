package app

import (
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Meters are the metrics of calls of the history and of Redis. They exist before
// the pod, because the history is opened before it.
type Meters struct {
	history, redis calls
	label          *strings.Replacer // makes a label of a text
}

// calls are the metrics of calls of one server, by operation.
type calls struct {
	seconds *prometheus.HistogramVec
	failed  *prometheus.CounterVec
}

// NewMeters makes metrics that New registers.
func NewMeters() *Meters {
	m := &Meters{
		label: strings.NewReplacer(" ", "_", "'", ""),
		history: newCalls(
			prometheus.HistogramOpts{Name: "chat_history_seconds", Help: "How long calls of the history take, by operation."},
			prometheus.CounterOpts{Name: "chat_history_errors_total", Help: "Calls of the history that failed, by operation."}),
		redis: newCalls(
			prometheus.HistogramOpts{Name: "chat_redis_seconds", Help: "How long calls of Redis take, by operation."},
			prometheus.CounterOpts{Name: "chat_redis_errors_total", Help: "Calls of Redis that failed, by operation."}),
	}
	// A rate does not see the value with which a series begins. An alert watches this
	// one, which may begin with all sessions at once.
	m.redis.seconds.WithLabelValues("seed")
	return m
}

func newCalls(seconds prometheus.HistogramOpts, failed prometheus.CounterOpts) calls {
	seconds.Buckets = prometheus.ExponentialBuckets(0.0005, 2, 14) // 0.5 ms to 4 s
	return calls{seconds: prometheus.NewHistogramVec(seconds, []string{"op"}), failed: prometheus.NewCounterVec(failed, []string{"op"})}
}

// HistoryDone counts a call of the history. act is a short text from a closed set.
func (m *Meters) HistoryDone(act string, took time.Duration, err error) {
	m.history.done(m.label.Replace(act), took, err)
}

// RedisDone counts a call of Redis.
func (m *Meters) RedisDone(op string, took time.Duration, err error) { m.redis.done(op, took, err) }

func (c calls) done(op string, took time.Duration, err error) {
	c.seconds.WithLabelValues(op).Observe(took.Seconds())
	if err != nil {
		c.failed.WithLabelValues(op).Inc()
	}
}

func (m *Meters) register(reg prometheus.Registerer) {
	reg.MustRegister(m.history.seconds, m.history.failed, m.redis.seconds, m.redis.failed)
}
