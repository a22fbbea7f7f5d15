// Package app makes a pod out of its parts and is the only one that sees them
// all: it wires, starts, drains and stops.
package app

import (
	"context"
	"errors"
	"fmt"
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
	"chatbox/app/history"
	"chatbox/app/live"
	"chatbox/app/privacy"
	"chatbox/app/sessionlog"
	"chatbox/hub"
	"chatbox/redisstate"
)

// Version is what the cluster view shows; the linker sets it for releases.
var Version = "dev" //nolint:gochecknoglobals // set by -ldflags

// Options is what one pod is made of; all parts are required.
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
	Channels  []alert.Channel // to staff that is not connected; may be none
	Drain     config.Drain
	Env       string // how Redis must be set up: as in Production, or Development; empty: it is not asked
	Logger    *slog.Logger
	Clock     func() time.Time // nil: the machine's
	ShedAbove int              // sockets from which some are sent to other pods; 0: never
	Console   bool             // serve the page, which only development does
	// DecryptFailures counts boxes that could not be opened.
	DecryptFailures func() uint64
}

// App is one pod. Several may live in one process: nothing is global.
type App struct {
	id       chatbox.PodID
	opts     Options
	log      *slog.Logger
	registry *prometheus.Registry
	hub      *hub.Hub
	redis    *redisstate.Client
	bus      *redisstate.Bus
	stores   Stores
	sessions *sessionlog.Log
	answers  *answer.Service
	live     *live.Service
	privacy  *privacy.Service
	history  *history.Service
	talks    *conversation.Service
	gate     *access.Gate
	tally    *tally // the heartbeat's
	name     podName
	clock    podClock
	around   surroundings
	failed   chan error // one: why the process must end; never closed
	alerts   *alert.Service
	desk     *desk.Service
	door     *door.Door
	server   *http.Server
	listener net.Listener
	draining atomic.Bool
	cancel   context.CancelFunc // ends the background work
	work     sync.WaitGroup     // all of it
	stopped  sync.Once
	stopErr  error
}

// Start listens and begins the background work; it returns when the pod can be
// reached, which is before it is ready. The App lives until Stop or Kill.
func (a *App) Start(ctx context.Context) error {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", a.opts.Listen)
	if err != nil {
		return fmt.Errorf("LISTEN_ADDR: %w", err)
	}
	a.listener = l
	run, cancel := context.WithCancel(context.WithoutCancel(ctx))
	a.cancel = cancel
	a.server = newHTTPServer(run, a.handler(), a.door)
	a.work.Go(func() { a.hub.Run(run) })
	a.work.Go(func() { a.bus.Run(run, inbox{live: a.live, answers: a.answers, gate: a.gate, hub: a.hub}) })
	a.work.Go(func() { a.sessions.Run(run) })
	a.work.Go(func() { a.answers.Run(run) })
	a.work.Go(func() { a.live.Run(run) })
	a.work.Go(func() { a.privacy.Run(run) })
	a.work.Go(func() { a.talks.Run(run) })
	a.work.Go(func() { a.alerts.Run(run) })
	a.work.Go(func() { a.desk.KeepPresence(run) })
	a.work.Go(func() { a.desk.TellPlaces(run) })
	a.work.Go(func() { a.heartbeat(run) })
	a.work.Go(func() { a.watchSurroundings(run) })
	a.work.Go(func() { a.shed(run) })
	a.work.Go(func() { a.opts.Auth.Run(run) })
	a.work.Go(func() { a.gate.Run(run) })
	a.work.Go(func() {
		if err := a.server.Serve(a.door.Listen(l)); err != nil && !errors.Is(err, http.ErrServerClosed) {
			a.log.ErrorContext(run, "serving ended", "error", err)
		}
	})
	a.log.InfoContext(ctx, "pod serves", "addr", l.Addr().String(), "version", Version)
	return nil
}

// Addr is where the pod listens, once started.
func (a *App) Addr() string { return a.listener.Addr().String() }

// ID names the pod.
func (a *App) ID() chatbox.PodID { return a.id }

// newHTTPServer makes the server behind the door, which bounds what a client may
// take; sockets have their own bounds.
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

// Generations counts the answers that the pod is giving now.
func (a *App) Generations() int { return a.answers.Generations() }
