package api

import (
	"context"
	"net/http"
	"time"

	"chatbox/hub"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// readyWithin limits the time of a readiness probe (docs/protocol/openapi.yaml: 1
// s).
const readyWithin = 800 * time.Millisecond

// probeRoutes serve probes, metrics and the descriptions of the interface.
type probeRoutes struct {
	readiness Readiness
	hub       *hub.Hub
	gatherer  prometheus.Gatherer
}

func (s *probeRoutes) register(e *edge) {
	p, probes := e.cfg.Prefix, []string{http.MethodGet, http.MethodHead}
	e.echo.Match(probes, p+"/healthz", s.healthy)
	e.echo.Match(probes, p+"/readyz", s.ready)
	if !e.cfg.NoMetrics {
		e.echo.GET(p+"/metrics/prometheus", s.metrics, e.fromMetricsNetworks)
	}
	documents(e)
}

// healthy serves GET /healthz. It contacts nothing outside the process.
func (s *probeRoutes) healthy(c echo.Context) error {
	return c.JSON(http.StatusOK, map[string]string{"status": "healthy"})
}

type readyView struct {
	Status string            `json:"status"`
	Checks map[string]bool   `json:"checks"`
	Causes map[string]string `json:"causes,omitempty"`
}

// ready serves GET /readyz. A draining pod is not ready, even if all its checks
// pass.
func (s *probeRoutes) ready(c echo.Context) error {
	ok, view := s.check(c.Request().Context())
	if !ok || s.hub.Refusing() {
		view.Status = "not ready"
		return c.JSON(http.StatusServiceUnavailable, view)
	}
	view.Status = "ready"
	return c.JSON(http.StatusOK, view)
}

// check answers within readyWithin even if a check does not. Its goroutine ends
// with the check; nobody waits for it.
func (s *probeRoutes) check(ctx context.Context) (ready bool, view readyView) {
	type result struct {
		ready bool
		view  readyView
	}
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	answered := make(chan result, 1)
	go func() {
		ready, checks, causes := s.readiness.Check(ctx)
		answered <- result{ready, readyView{Checks: checks, Causes: causes}}
	}()
	select {
	case r := <-answered:
		return r.ready, r.view
	case <-ctx.Done():
		return false, readyView{Checks: map[string]bool{}}
	}
}

// metrics serves GET /metrics/prometheus.
func (s *probeRoutes) metrics(c echo.Context) error {
	promhttp.HandlerFor(s.gatherer, promhttp.HandlerOpts{}).ServeHTTP(c.Response(), c.Request())
	return nil
}
