package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// privateServer serves operators on a listener of its own: metrics, profiles, and
// the level of the log. It has no credential, so its address must be reachable by
// operators only.
type privateServer struct {
	server   *http.Server
	listener net.Listener
}

// Bounds of the private listener.
const (
	privateRead  = 5 * time.Second
	privateWrite = 2 * time.Minute // also the longest profile: net/http/pprof refuses to record for longer
	privateIdle  = time.Minute
	maxLevelBody = 1 << 10
)

// listenPrivately opens the private listener, if one is configured.
func (a *App) listenPrivately(ctx context.Context) error {
	if a.opts.Private == "" {
		return nil
	}
	l, err := listen(ctx, "METRICS_ADDR", a.opts.Private)
	if err != nil {
		return err
	}
	a.private = &privateServer{listener: l, server: &http.Server{
		Handler:           a.privateHandler(),
		ReadHeaderTimeout: privateRead, ReadTimeout: privateRead, WriteTimeout: privateWrite, IdleTimeout: privateIdle,
		MaxHeaderBytes: 32 << 10,
		ErrorLog:       slog.NewLogLogger(slog.DiscardHandler, slog.LevelError),
	}}
	a.log.InfoContext(ctx, "private listener opened", "addr", l.Addr().String())
	return nil
}

func (a *App) privateHandler() http.Handler {
	mux := http.NewServeMux()
	metrics := promhttp.HandlerFor(a.registry, promhttp.HandlerOpts{})
	mux.Handle("GET /metrics", metrics)
	mux.Handle("GET "+a.opts.API.Prefix+"/metrics/prometheus", metrics)
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/cmdline", http.NotFound) // a command line may have secrets
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	if a.opts.Level != nil {
		mux.HandleFunc("GET /log/level", a.showLevel)
		mux.HandleFunc("PUT /log/level", a.setLevel)
	}
	return mux
}

// levelView is the body of GET and PUT /log/level.
type levelView struct {
	Level *slog.Level `json:"level"`
}

func (a *App) showLevel(w http.ResponseWriter, _ *http.Request) {
	level := a.opts.Level.Level()
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(levelView{&level}) // the client may have left
}

// setLevel changes the level of the log until the pod ends.
func (a *App) setLevel(w http.ResponseWriter, r *http.Request) {
	var want levelView
	raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxLevelBody))
	if err == nil {
		err = json.Unmarshal(raw, &want)
	}
	if err != nil || want.Level == nil {
		http.Error(w, `level: must be DEBUG, INFO, WARN or ERROR, as in {"level":"DEBUG"}`, http.StatusBadRequest)
		return
	}
	a.opts.Level.Set(*want.Level)
	a.log.WarnContext(r.Context(), "level of the log changed", "to", want.Level.String())
	a.showLevel(w, r)
}

// serve serves until close. A nil server serves nothing.
func (p *privateServer) serve(ctx context.Context, log *slog.Logger) {
	if p == nil {
		return
	}
	if err := p.server.Serve(p.listener); err != nil && !errors.Is(err, http.ErrServerClosed) {
		log.ErrorContext(ctx, "private listener ended", "error", err)
	}
}

// close closes the listener and its connections.
func (p *privateServer) close() error {
	if p == nil {
		return nil
	}
	if err := p.server.Close(); err != nil {
		return fmt.Errorf("close the private listener: %w", err)
	}
	return nil
}

// PrivateAddr returns the address of the private listener of a started pod, or ""
// if there is none.
func (a *App) PrivateAddr() string {
	if a.private == nil {
		return ""
	}
	return a.private.listener.Addr().String()
}
