package api

import (
	"context"
	"log/slog"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"

	"chatbox/hub"
)

// Readiness reports whether the pod can serve: each check by name, whether the
// critical checks pass, and why others fail, in text without secrets.
type Readiness interface {
	Check(ctx context.Context) (ready bool, checks map[string]bool, causes map[string]string)
}

// Deps are the dependencies of the edge; all but Files and Speech are required.
type Deps struct {
	Live       Live
	Talks      Talks
	History    History
	Privacy    Privacy
	Answers    Answers
	Files      Files  // nil: there is no file store
	Speech     Speech // nil: answers are not spoken
	Feedback   Feedback
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

// Server is the edge of one pod: an http.Handler for requests and sockets. Its
// routes are those of docs/protocol/openapi.yaml, by subject.
type Server struct{ edge *edge }

// routes are the routes of one subject. Each route checks the credentials, so that
// an unknown path is 404 for everybody.
type routes interface{ register(e *edge) }

// New returns the edge. It opens and starts nothing.
func New(cfg Config, d Deps) *Server {
	e, view := newEdge(cfg, d), viewer{prefix: cfg.Prefix}
	for _, r := range []routes{
		&probeRoutes{readiness: d.Readiness, hub: d.Hub, gatherer: d.Metrics},
		newSockets(e, d),
		&ticketRoutes{d.Access},
		&sessionRoutes{library: d.History, posting: d.Talks, controls: d.Talks, privacy: d.Privacy, view: view},
		&transcriptRoutes{sharing: d.History, files: d.Files, view: view, edge: e},
		&fileRoutes{files: d.Files, view: view, edge: e},
		&speechRoutes{speech: d.Speech, view: view, edge: e},
		&ratingRoutes{d.Talks},
		&feedbackRoutes{d.Feedback},
		&clusterRoutes{d.Live},
		&overviewRoutes{overview: d.History, view: view},
		&auditRoutes{d.History},
		&takeoverRoutes{staffing: d.Talks, serving: d.Talks},
		&noteRoutes{d.HelpDesk.Notes},
		&replyRoutes{d.HelpDesk.Replies},
		&searchRoutes{d.HelpDesk.Search},
		&labelRoutes{d.HelpDesk.Labels},
		&supportRoutes{support: d.HelpDesk.Support, help: d.HelpDesk.Help, team: d.HelpDesk.Team},
		&blockRoutes{d.Blocking},
		&personRoutes{access: d.Access, privacy: d.Privacy},
	} {
		r.register(e)
	}
	return &Server{edge: e}
}

// ServeHTTP serves one request. For a socket it returns when the socket ends.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.edge.echo.ServeHTTP(w, r) }
