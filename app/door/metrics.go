package door

import "github.com/prometheus/client_golang/prometheus"

// reason is why a connection was refused or cut.
type reason int

const (
	noReason       reason = iota - 1
	refusedAddress        // too many without a credential from its address
	refusedPod            // too many without a credential on the pod, and none could be evicted
	cutEvicted            // evicted for a newer one
	cutHeader             // a request's header was not complete in time
	cutBody               // a request's body did not arrive, or too slowly
	cutResponse           // the client did not read a response, or too slowly
	cutFraming            // a request's length was ambiguous
	reasons
)

func (r reason) String() string {
	return [reasons]string{"address", "pod", "evicted", "header", "body", "response", "framing"}[r]
}

func (d *Door) register(reg prometheus.Registerer) {
	cut := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "chat_connections_refused_total", Help: "TCP connections that were refused or cut off, by reason.",
	}, []string{"reason"})
	for r := range reasons {
		d.refused[r] = cut.WithLabelValues(r.String())
	}
	reg.MustRegister(cut, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "chat_unauthenticated_connections", Help: "Open TCP connections that have shown no valid credential.",
	}, func() float64 { return float64(d.Waiting()) }))
}
