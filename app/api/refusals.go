package api

import (
	"context"
	"log/slog"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"

	"chatbox"
	"chatbox/internal/outage"
)

// maxOriginShown is the maximum length of a refused origin in logs, in bytes.
const maxOriginShown = 200

// refusals counts refused requests by reason and logs at most one per minute and
// reason, with the number of those omitted. A log line has the address or the
// connection, never a credential.
type refusals struct {
	counted *prometheus.CounterVec
	log     *slog.Logger
	sparse  outage.Sparse // by reason
}

// newRefusals registers the metric with every reason at 0.
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

// note counts the error if it is a refusal. Unavailable dependencies are logged
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

// originOf returns the refused origin for the log, because the usual cause is
// that a list lacks it.
func originOf(r *http.Request, err error) slog.Attr {
	if chatbox.RefusalOf(err) != chatbox.RefusedOrigin {
		return slog.Attr{}
	}
	o := originsOf(r)
	return slog.String("origin", o[:min(len(o), maxOriginShown)])
}
