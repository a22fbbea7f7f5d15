// Package app builds a pod from its parts, and starts, drains and stops it. It is
// the only package that imports all of them.
package app

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"chatbox"
	"chatbox/app/access"
	"chatbox/app/alert"
	"chatbox/app/answer"
	"chatbox/app/api"
	"chatbox/app/config"
	"chatbox/app/conversation"
	"chatbox/app/desk"
	"chatbox/app/door"
	"chatbox/app/feedback"
	"chatbox/app/files"
	"chatbox/app/history"
	"chatbox/app/live"
	"chatbox/app/privacy"
	"chatbox/app/sessionlog"
	"chatbox/app/speech"
	"chatbox/app/transcribe"
	"chatbox/hub"
	"chatbox/redisstate"
)

// Options are the parts and settings of one pod.
type Options struct {
	UseCases

	ID        chatbox.PodID
	Listen    string
	Door      door.Config
	API       api.Config
	Auth      *api.Auth
	Access    access.Config
	Hub       hub.Config
	Redis     redisstate.Config
	Sealer    redisstate.Sealer
	Stores    Stores
	LLM       answer.LLM
	Alerts    alert.Config
	Desk      desk.Config
	Channels  []alert.Channel // alert channels to staff who are not connected; may be empty
	Drain     config.Drain
	Files     Files
	Voice     Voice
	Env       string // checks of Redis' settings: as in Production or Development; empty: none
	Logger    *slog.Logger
	Clock     func() time.Time // nil: the machine's clock
	ShedAbove int              // number of sockets above which some are moved to other pods; 0: never
	// DeletionCost is nil if the pod does not tell Kubernetes its load.
	DeletionCost TellCost
	Console      bool // serve the console; set in development only
	// Private is the address of a listener of its own for metrics, profiles and the
	// level of the log; empty: the edge serves the metrics.
	Private string
	Level   *slog.LevelVar // of the log; nil: it cannot be changed
	Meters  *Meters        // of the history, which was opened before; nil: there are none
	// DecryptFailures returns how many boxes could not be opened.
	DecryptFailures func() uint64
}

// App is one pod. One process may contain several, because nothing is global.
type App struct {
	id          chatbox.PodID
	opts        Options
	log         *slog.Logger
	registry    *prometheus.Registry
	hub         *hub.Hub
	redis       *redisstate.Client
	bus         *redisstate.Bus
	stores      Stores
	sessions    *sessionlog.Log
	answers     *answer.Service
	live        *live.Service
	privacy     *privacy.Service
	files       *files.Service
	speech      *speech.Service // nil: answers are not spoken
	feedback    *feedback.Service
	history     *history.Service
	transcripts *transcribe.Service // nil: none are made
	talks       *conversation.Service
	gate        *access.Gate
	tally       *tally // used by the heartbeat only
	name        podName
	clock       podClock
	around      surroundings
	peers       *peers // nil: the pod does not compare its Redis with that of others
	costFailed  prometheus.Counter
	failed      chan error // capacity 1: the error that ends the process; never closed
	alerts      *alert.Service
	team        *desk.Team
	help        *desk.Help
	desk        api.HelpDesk
	door        *door.Door
	server      *http.Server
	private     *privateServer // nil: there is none
	listener    net.Listener
	draining    atomic.Bool
	cancel      context.CancelFunc // stops the background work
	work        sync.WaitGroup     // the background work
	stopped     sync.Once
	stopErr     error
}

// Start listens and starts the background work. It returns when the pod accepts
// connections, which is before it is ready. The caller must then call Stop or
// Kill. It returns a *chatbox.UnfitError if the address cannot be listened on.
func (a *App) Start(ctx context.Context) error {
	l, err := listen(ctx, "LISTEN_ADDR", a.opts.Listen)
	if err != nil {
		return err
	}
	a.listener = l
	if err := a.listenPrivately(ctx); err != nil {
		return errors.Join(err, l.Close())
	}
	run, cancel := context.WithCancel(context.WithoutCancel(ctx))
	a.cancel = cancel
	a.server = newHTTPServer(run, a.handler(), a.door)
	a.work.Go(func() { a.hub.Run(run) })
	a.work.Go(func() {
		a.bus.Run(run, inbox{sessions: a.sessions, live: a.live, answers: a.answers, gate: a.gate, hub: a.hub})
	})
	a.work.Go(func() { a.sessions.Run(run) })
	a.work.Go(func() { a.answers.Run(run) })
	a.work.Go(func() { a.live.Run(run) })
	a.work.Go(func() { a.privacy.Run(run) })
	a.work.Go(func() { a.files.Run(run) })
	if a.speech != nil {
		a.work.Go(func() { a.speech.Run(run) })
	}
	a.work.Go(func() { a.prepareDocuments(run) })
	if a.transcripts != nil {
		a.work.Go(func() { a.transcripts.Run(run) })
	}
	a.work.Go(func() { a.talks.Run(run) })
	a.work.Go(func() { a.alerts.Run(run) })
	a.work.Go(func() { a.team.KeepPresence(run) })
	a.work.Go(func() { a.help.SendPositions(run) })
	a.work.Go(func() { a.heartbeat(run) })
	a.work.Go(func() { a.watchSurroundings(run) })
	a.work.Go(func() { a.shed(run) })
	a.work.Go(func() { a.keepDeletionCost(run) })
	a.work.Go(func() { a.opts.Auth.Run(run) })
	a.work.Go(func() { a.gate.Run(run) })
	a.work.Go(func() { a.private.serve(run, a.log) })
	a.work.Go(func() {
		if err := a.server.Serve(a.door.Listen(l)); err != nil && !errors.Is(err, http.ErrServerClosed) {
			a.log.ErrorContext(run, "serving ended", "error", err)
		}
	})
	a.log.InfoContext(ctx, "pod serves", "addr", l.Addr().String(), "version", Version)
	return nil
}

// Addr returns the address on which the started pod listens.
func (a *App) Addr() string { return a.listener.Addr().String() }

// ID returns the pod's id.
func (a *App) ID() chatbox.PodID { return a.id }

// newHTTPServer returns the server behind the door. The door limits clients;
// WebSockets have limits of their own.
func newHTTPServer(ctx context.Context, h http.Handler, d *door.Door) *http.Server {
	s := &http.Server{ //nolint:gosec // the door sets the time for headers
		Handler:        h,
		MaxHeaderBytes: 32 << 10,
		BaseContext:    func(net.Listener) context.Context { return ctx },
		ErrorLog:       slog.NewLogLogger(slog.DiscardHandler, slog.LevelError),
	}
	d.Guard(s)
	return s
}

// Generations returns how many answers the pod is generating.
func (a *App) Generations() int { return a.answers.Generations() }
