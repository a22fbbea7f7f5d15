package api

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"
)

// newRequestTimes registers the metric of requests.
func newRequestTimes(reg prometheus.Registerer) *prometheus.HistogramVec {
	v := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "chat_http_seconds", Help: "How long HTTP requests took, by route and status. Sockets are not counted.",
		Buckets: prometheus.ExponentialBuckets(0.001, 4, 8), // 1 ms to 16 s
	}, []string{"route", "status"})
	reg.MustRegister(v)
	return v
}

// routeNone is the label of requests for which there is no route. Their paths are
// chosen by clients.
const routeNone = "none"

// methodOther is the label of methods that no route has. Clients choose them.
const methodOther = "other"

func methodOf(r *http.Request) string {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return r.Method
	default:
		return methodOther
	}
}

// timed counts a request. A socket lasts as long as its client likes, so it is not
// counted.
func (e *edge) timed(c echo.Context, status int, took time.Duration) {
	if status == http.StatusSwitchingProtocols {
		return
	}
	route := strings.TrimPrefix(c.Path(), e.cfg.Prefix)
	if c.Path() == "" || strings.Contains(route, "*") {
		route = routeNone
	}
	e.seconds.WithLabelValues(methodOf(c.Request())+" "+route, strconv.Itoa(status)).Observe(took.Seconds())
}
