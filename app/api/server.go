package api

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"

	"github.com/gorilla/websocket"
	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"

	"chatbox"
	"chatbox/hub"
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
	// Unknown is how many concurrent requests without a valid credential one
	// address may have. Behind untrusted proxies all clients share an address. 0
	// means no limit.
	Unknown int
	// FrameRate and SocketRate are how many frames of one user this pod looks at
	// in a second, and how many sockets of one user it opens; five times as many
	// may be at once. 0 is no limit.
	FrameRate, SocketRate int
	// Requests is how many requests of one user this pod serves at once; 0 is no
	// limit. Further requests wait.
	Requests int
}

// Readiness reports whether the pod can serve: each check by name, whether the
// critical checks pass, and why others fail, in text without secrets.
type Readiness interface {
	Check(ctx context.Context) (ready bool, checks map[string]bool, causes map[string]string)
}

// Deps are the dependencies of the edge; all are required.
type Deps struct {
	Live       Live
	Talks      Talks
	History    History
	Privacy    Privacy
	Answers    Answers
	HelpDesk   HelpDesk
	Hub        *hub.Hub
	Auth       *Auth
	Access     Access
	Blocking   Blocking
	Readiness  Readiness
	Metrics    prometheus.Gatherer
	Registerer prometheus.Registerer
	Logger     *slog.Logger
}

// Server is the edge of one pod: an http.Handler for requests and sockets.
type Server struct {
	cfg      Config
	deps     Deps
	log      *slog.Logger
	echo     *echo.Echo
	upgrader websocket.Upgrader
	frames   map[string]frameHandler

	strangers strangers
	turns     *turns
	refusals  *refusals
	troubles  outage.Sparse // by code
}

// New returns the edge. It opens and starts nothing.
func New(cfg Config, deps Deps) *Server {
	s := &Server{cfg: cfg, deps: deps, log: deps.Logger, echo: echo.New(), turns: newTurns(cfg)}
	s.upgrader = newUpgrader()
	s.frames = s.frameHandlers()
	s.refusals = newRefusals(deps.Registerer, deps.Logger)
	s.echo.HideBanner, s.echo.HidePort = true, true
	s.echo.Logger.SetLevel(off)
	s.echo.HTTPErrorHandler = s.fail
	s.echo.IPExtractor = clientIP(cfg.TrustedProxies)
	s.echo.Use(s.identify, s.secure, s.access, s.contain, s.cors, s.crowd, s.limitBody)
	s.routes()
	return s
}

// ServeHTTP serves one request. For a socket it returns when the socket ends.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.echo.ServeHTTP(w, r) }

// routes registers the routes of docs/protocol/openapi.yaml. Each route
// checks the credentials, so that an unknown path is 404 for everybody.
func (s *Server) routes() {
	p := s.cfg.Prefix
	probes := []string{http.MethodGet, http.MethodHead}
	s.echo.Match(probes, p+"/healthz", s.healthy)
	s.echo.Match(probes, p+"/readyz", s.ready)
	s.documentRoutes()
	s.echo.GET(p+"/metrics/prometheus", s.metrics, s.fromMetricsNetworks)
	s.echo.GET(p+"/ws", s.socket)
	s.echo.POST(p+"/ticket", s.makeTicket, s.user)
	s.echo.GET(p+"/sessions", s.listSessions, s.user, s.query)
	s.echo.GET(p+"/sessions/:id", s.showSession, s.user, s.query)
	s.echo.PATCH(p+"/sessions/:id", s.renameSession, s.user)
	s.echo.DELETE(p+"/sessions/:id", s.eraseSession, s.user)
	s.echo.POST(p+"/sessions/:id/end", s.endSession, s.user)
	s.echo.POST(p+"/sessions/:id/messages", s.postMessage, s.user)
	s.echo.GET(p+"/sessions/:id/export", s.exportSession, s.signedIn, s.query) // as slow as its reader
	s.echo.POST(p+"/sessions/:id/share", s.shareSession, s.user)
	s.echo.DELETE(p+"/sessions/:id/share", s.unshareSession, s.user)
	s.echo.GET(p+"/shared/:token", s.shared, s.stranger)
	s.echo.GET(p+"/admin/cluster", s.cluster, s.user, s.staff)
	s.adminRoutes(p)
	s.ratingRoutes(p)
	s.noteRoutes(p)
	s.replyRoutes(p)
	s.searchRoutes(p)
	s.blockRoutes(p)
	s.labelRoutes(p)
	s.supportRoutes(p)
	s.echo.POST(p+"/admin/users/:id/disconnect", s.disconnectUser, s.user, s.admin)
	s.echo.POST(p+"/admin/takeover/:id", s.takeOver, s.user, s.admin)
	s.echo.DELETE(p+"/admin/takeover/:id", s.handBack, s.user, s.admin)
	s.echo.POST(p+"/admin/takeover/:id/transfer", s.transfer, s.user, s.admin)
	s.echo.POST(p+"/admin/sessions/:id/messages", s.postAsHolder, s.user, s.admin)
	s.echo.POST(p+"/admin/sessions/:id/end", s.endAsStaff, s.user, s.admin)
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
func (s *Server) fail(err error, c echo.Context) {
	if c.Response().Committed {
		return
	}
	what := s.showHTTP(err, c)
	if what.retryAfter > 0 || what.status == http.StatusTooManyRequests || what.status == http.StatusServiceUnavailable {
		c.Response().Header().Set("Retry-After", retryAfterSeconds(what.retryAfter))
	}
	body := failure{
		Error: what.message, Code: what.wire, Message: what.message,
		RequestID: requestID(c), Metadata: what.metadata,
	}
	if err := c.JSON(what.status, body); err != nil {
		s.log.DebugContext(c.Request().Context(), "response not written", "error", err)
	}
}

func (s *Server) showHTTP(err error, c echo.Context) shown {
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
	if chatbox.CodeOf(err) == chatbox.TooLarge {
		c.Response().Header().Set("Connection", "close") // the rest of the body is not read
	}
	s.report(c.Request().Context(), err, c.Path())
	s.refusals.note(c.Request().Context(), err, slog.String("route", c.Path()), slog.String("ip", c.RealIP()), originOf(c.Request(), err))
	what := show(err).overREST(chatbox.CodeOf(err))
	if _, ok := errors.AsType[podFullError](err); ok {
		what.status = http.StatusServiceUnavailable
	}
	return what
}
