package hub

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
)

// dropReason is why a frame was dropped.
type dropReason int

const (
	dropCollapsed dropReason = iota // a piece that a snapshot replaces
	dropSlow                        // queued for a client that does not read
	dropClosed                      // for a socket that has ended
	dropInbox                       // from a client, not yet processed when its socket was closed
	dropReasons
)

func (r dropReason) String() string {
	return [dropReasons]string{"collapsed", "slow", "closed", "inbox"}[r]
}

// frameKind is the type of a frame that was read or written.
type frameKind int

const (
	frameText frameKind = iota
	frameBinary
	framePing
	framePong
	frameClose
	frameKinds
)

func (k frameKind) String() string {
	return [frameKinds]string{"text", "binary", "ping", "pong", "close"}[k]
}

// Metrics counts the activity of one pod's sockets. Labels come from closed
// sets.
type Metrics struct {
	connections prometheus.Gauge
	queueBytes  prometheus.Gauge
	in, out     [frameKinds]prometheus.Counter
	dropped     [dropReasons]prometheus.Counter
	closes      map[int]prometheus.Counter
	otherCloses prometheus.Counter
	drain       prometheus.Histogram
	shed        prometheus.Counter
}

// NewMetrics creates the hub's metrics and registers them.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	frames := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "chat_frames_total", Help: "Frames read from and written to clients.",
	}, []string{"dir", "type"})
	drops := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "chat_frames_dropped_total", Help: "Frames that were not delivered, by reason.",
	}, []string{"reason"})
	closes := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "chat_closes_total", Help: "Sockets that this pod closed, by code.",
	}, []string{"code"})
	m := &Metrics{
		connections: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "chat_connections", Help: "Open sockets.",
		}),
		queueBytes: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "chat_queue_bytes", Help: "Bytes that wait to be written to clients; a frame sent to many counts for each.",
		}),
		drain: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "chat_drain_seconds", Help: "How long it took to send all clients away.",
			Buckets: []float64{.1, .5, 1, 2, 5, 10, 20, 30},
		}),
		shed: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "chat_shed_total", Help: "Sockets that this pod sent to pods with fewer of them.",
		}),
		closes:      map[int]prometheus.Counter{},
		otherCloses: closes.WithLabelValues("other"),
	}
	for k := range frameKinds {
		m.in[k] = frames.WithLabelValues("in", k.String())
		m.out[k] = frames.WithLabelValues("out", k.String())
	}
	for r := range dropReasons {
		m.dropped[r] = drops.WithLabelValues(r.String())
	}
	for _, code := range []int{
		CloseInternal, CloseUnavailable, CloseSlow, CloseDraining, CloseResync, CloseCredential, CloseDisconnected,
	} {
		m.closes[code] = closes.WithLabelValues(strconv.Itoa(code))
	}
	reg.MustRegister(frames, drops, closes, m.connections, m.queueBytes, m.drain, m.shed)
	return m
}

func (m *Metrics) closed(code int) {
	if c, ok := m.closes[code]; ok {
		c.Inc()
		return
	}
	m.otherCloses.Inc()
}
