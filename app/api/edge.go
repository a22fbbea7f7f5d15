package api

import (
	"errors"
	"log/slog"
	"net/http"
	"net/netip"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"

	"chatbox"
	"chatbox/internal/outage"
)

// Config configures the edge.
type Config struct {
	Prefix          string // of every route; "" or "/chatbox"
	Pod             chatbox.PodID
	Origins         Origins // of sockets
	CORS            Origins // of REST; empty: no other origin
	QueryToken      bool    // ?token= is accepted by the socket
	TrustedProxies  []netip.Prefix
	MetricsNetworks []netip.Prefix
	NoMetrics       bool // another listener serves the metrics
	// Unknown is how many concurrent requests without a valid credential one
	// address may have. Behind untrusted proxies all clients share an address. 0
	// means no limit.
	Unknown int
	// FrameRate and SocketRate are how many frames of one user this pod looks at
	// in a second, and how many sockets of one user it opens; five times as many
	// may be at once. 0 is no limit.
	FrameRate, SocketRate int
	// Requests is how many requests without a body of one user this pod serves at
	// once; 0 is no limit. Further requests wait.
	Requests int
}

// edge is what all routes and sockets share: the checks before a handler, and the
// rendering of errors.
type edge struct {
	cfg  Config
	log  *slog.Logger
	echo *echo.Echo
	auth *Auth
	gate Access

	anonymous anonymous
	turns     *turns
	refusals  *refusals
	seconds   *prometheus.HistogramVec // of requests, by route and status
	troubles  outage.Sparse            // by code
}

func newEdge(cfg Config, deps Deps) *edge {
	e := &edge{
		cfg: cfg, log: deps.Logger, echo: echo.New(), auth: deps.Auth, gate: deps.Access, turns: newTurns(cfg),
		refusals: newRefusals(deps.Registerer, deps.Logger), seconds: newRequestTimes(deps.Registerer),
	}
	e.echo.HideBanner, e.echo.HidePort = true, true
	e.echo.Logger.SetLevel(off)
	e.echo.HTTPErrorHandler = e.fail
	e.echo.IPExtractor = clientIP(cfg.TrustedProxies)
	e.echo.Use(e.identify, e.secure, e.access, e.contain, e.cors, e.limitAnonymous, e.limitBody)
	return e
}

// failure is the body of every error response (docs/protocol/contract.md).
type failure struct {
	Error     string            `json:"error"`
	Code      string            `json:"code"`
	Message   string            `json:"message"`
	RequestID string            `json:"request_id"`
	Metadata  map[string]string `json:"metadata,omitempty"`
}

// fail renders a handler's error and logs it, once, if operators can act on it.
func (e *edge) fail(err error, c echo.Context) {
	if c.Response().Committed {
		return
	}
	what := e.showHTTP(err, c)
	if what.retryAfter > 0 || what.status == http.StatusTooManyRequests || what.status == http.StatusServiceUnavailable {
		c.Response().Header().Set("Retry-After", retryAfterSeconds(what.retryAfter))
	}
	body := failure{
		Error: what.message, Code: what.wire, Message: what.message,
		RequestID: requestID(c), Metadata: what.metadata,
	}
	if err := c.JSON(what.status, body); err != nil {
		e.log.DebugContext(c.Request().Context(), "response not written", "error", err)
	}
}

func (e *edge) showHTTP(err error, c echo.Context) shown {
	if he, ok := errors.AsType[*echo.HTTPError](err); ok {
		switch he.Code {
		case http.StatusNotFound:
			return shown{rendering: rendering{wireNotFound, he.Code, 0, false, "there is no such route"}}
		case http.StatusMethodNotAllowed:
			return shown{rendering: rendering{wireMalformed, he.Code, 0, false, "this route does not have that method"}}
		}
	}
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		err = chatbox.NewError(chatbox.TooLarge, "the body is too large", err)
	}
	if code := chatbox.CodeOf(err); code == chatbox.TooLarge || e.uploads(c) && code != "" {
		c.Response().Header().Set("Connection", "close") // the rest of the body is not read
	}
	e.report(c.Request().Context(), err, c.Path())
	e.refusals.note(c.Request().Context(), err, slog.String("route", c.Path()), slog.String("ip", c.RealIP()), originOf(c.Request(), err))
	what := show(err).overREST(chatbox.CodeOf(err))
	if _, ok := errors.AsType[podFullError](err); ok {
		what.status = http.StatusServiceUnavailable
	}
	return what
}
