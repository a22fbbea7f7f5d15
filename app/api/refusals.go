package api

import (
	"context"
	"log/slog"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"

	"chatbox"
	"chatbox/internal/outage"
)

// maxOriginShown is how much of a refused origin is logged, in bytes.
const maxOriginShown = 200

// refusals makes visible whom the pod refuses: each is counted by its reason,
// and of each reason one a minute is logged, with how many were not. A line has
// the address or the connection, never a credential.
type refusals struct {
	counted *prometheus.CounterVec
	log     *slog.Logger
	sparse  outage.Sparse // by reason
}

// newRefusals registers the metric; every reason is there from the start.
func newRefusals(reg prometheus.Registerer, log *slog.Logger) *refusals {
	r := &refusals{log: log, counted: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "chat_refused_total", Help: "Requests, sockets and frames that were refused, by reason.",
	}, []string{"reason"})}
	for _, reason := range chatbox.Refusals() {
		r.counted.WithLabelValues(string(reason))
	}
	reg.MustRegister(r.counted)
	return r
}

// note counts the error if it refuses somebody. That something is away is logged
// elsewhere.
func (r *refusals) note(ctx context.Context, err error, about ...slog.Attr) {
	reason := chatbox.RefusalOf(err)
	if reason == "" {
		return
	}
	r.counted.WithLabelValues(string(reason)).Inc()
	if reason == chatbox.RefusedUnavailable || reason == chatbox.RefusedHistory {
		return
	}
	if more, ok := r.sparse.Pass(string(reason)); ok {
		r.log.LogAttrs(ctx, slog.LevelInfo, "refused", append(about, slog.String("reason", string(reason)), slog.Int("others_since", more))...)
	}
}

// originOf is the origin that was refused: most often it is missing in a list.
func originOf(r *http.Request, err error) slog.Attr {
	if chatbox.RefusalOf(err) != chatbox.RefusedOrigin {
		return slog.Attr{}
	}
	o := r.Header.Get("Origin")
	return slog.String("origin", o[:min(len(o), maxOriginShown)])
}
