// Package devstack runs a whole cluster in one process, for development and
// tests: several pods, each with its own listener, registry and logger, behind a
// balancer without affinity. Unless real servers are named, it also runs Redis in
// the process and stores the history in one SQLite file. Only this package knows
// the embedded servers; the production binary has neither.
package devstack

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"time"

	"chatbox"
	"chatbox/app"
	"chatbox/app/access"
	"chatbox/app/alert"
	"chatbox/app/answer"
	"chatbox/app/api"
	"chatbox/app/config"
	"chatbox/app/desk"
	"chatbox/app/files"
	"chatbox/hub"
	"chatbox/persistence"
	"chatbox/redisstate"
)

// Config configures a stack. Zero fields have the defaults given below.
type Config struct {
	app.UseCases

	Pods      int    // default 3
	Addr      string // of the balancer, default 127.0.0.1:8080
	Data      string // directory of history and secrets, default ./data
	RedisURL  string // empty: runs in this process
	MongoURI  string // empty: SQLite under Data
	MongoName string // default chat
	NoWords   bool   // do not index the words of messages: SEARCH_INDEX=off
	LLM       answer.LLM
	Desk      desk.Config
	Alerts    alert.Config
	Channels  []alert.Channel // alert channels to staff who are not connected
	Access    access.Config
	Redis     redisstate.Config // its URL is set by the stack
	Hub       hub.Config
	Drain     config.Drain
	Files     app.Files // its store is the folder files under Data if it has none
	Voice     app.Voice // none by default
	Logger    *slog.Logger
	// Clock, if set, returns a pod's clock, for tests with clocks that differ.
	Clock func(chatbox.PodID) time.Time
	// Watch, if set, wraps the stores, for tests that count what a message costs.
	Watch func(app.Stores) app.Stores
}

// DefaultConfig returns the configuration of `make run`.
func DefaultConfig() Config {
	return Config{
		Pods: 3, Addr: "127.0.0.1:8080", Data: "data", MongoName: "chat",
		UseCases: app.DefaultUseCases(), Access: access.DefaultConfig(), Alerts: alert.DefaultConfig(), Redis: redisstate.DefaultConfig(), Hub: hub.DefaultConfig(),
		Files:  app.Files{Config: files.DefaultConfig()},
		Drain:  config.Drain{Finish: 5 * time.Second, Window: 3 * time.Second, Shutdown: 20 * time.Second},
		Logger: slog.New(slog.DiscardHandler),
	}
}

// prefix is the pods' path prefix, which is the contract's default.
const prefix = "/chatbox"

// Stack is a running cluster. Its methods are safe for concurrent use.
type Stack struct {
	cfg       Config
	secrets   secrets
	keys      *persistence.Keyring
	stores    app.Stores
	redisURL  string
	balancer  *balancer
	server    *http.Server
	listener  net.Listener
	closers   []func(context.Context) error // called in reverse order
	cancel    context.CancelFunc
	waitRedis func()
	files     app.Files
	serving   sync.WaitGroup

	mu   sync.Mutex // guards the pods' states
	pods []*pod
}

// pod is one pod of the cluster with its current App.
type pod struct {
	id    chatbox.PodID
	app   *app.App
	state string // "running", "draining" or "stopped"
}

// Start starts the cluster, which serves when Start returns. The caller must call
// Stop, even after ctx has ended.
func Start(ctx context.Context, cfg Config) (*Stack, error) {
	s := &Stack{cfg: cfg, waitRedis: func() {}}
	if err := s.start(ctx); err != nil {
		stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), cfg.Drain.Shutdown)
		defer cancel()
		return nil, errors.Join(err, s.Stop(stop))
	}
	return s, nil
}

func (s *Stack) start(ctx context.Context) (err error) {
	run, cancel := context.WithCancel(context.WithoutCancel(ctx))
	s.cancel = cancel
	release, err := lockFolder(s.cfg.Data, "chatbox-dev on "+s.cfg.Addr)
	if err != nil {
		return err
	}
	s.closers = append(s.closers, func(context.Context) error { return release() })
	var lc net.ListenConfig
	if s.listener, err = lc.Listen(ctx, "tcp", s.cfg.Addr); err != nil {
		return fmt.Errorf("the address %s cannot be used (is another stack running? try --addr): %w", s.cfg.Addr, err)
	}
	if s.secrets, err = loadSecrets(s.cfg.Data); err != nil {
		return err
	}
	keys, err := persistence.ParseKeys(s.secrets.encryption, "")
	if err != nil {
		return err
	}
	if s.keys, err = persistence.NewKeyring(keys); err != nil {
		return err
	}
	if s.redisURL = s.cfg.RedisURL; s.redisURL == "" {
		if s.redisURL, s.waitRedis, err = startRedis(run); err != nil {
			return err
		}
	}
	if err := s.openStores(ctx); err != nil {
		return err
	}
	if err := s.openFiles(ctx); err != nil {
		return err
	}
	if s.cfg.Watch != nil {
		s.stores = s.cfg.Watch(s.stores)
	}
	for i := range s.cfg.Pods {
		s.pods = append(s.pods, &pod{id: chatbox.PodID(fmt.Sprintf("pod-%d", i+1)), state: stateStopped})
	}
	for _, p := range s.pods {
		if err := s.StartPod(ctx, p.id); err != nil {
			return err
		}
	}
	s.balancer = newBalancer(s.running)
	s.server = &http.Server{Handler: s.handler(), ReadHeaderTimeout: 5 * time.Second, IdleTimeout: 2 * time.Minute}
	s.serving.Go(func() { _ = s.server.Serve(s.listener) }) // ended by Stop
	return nil
}

// URL returns the balancer's URL.
func (s *Stack) URL() string { return "http://" + s.listener.Addr().String() }

func loopback() []netip.Prefix {
	return []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}
}

// newApp wires one pod.
func (s *Stack) newApp(id chatbox.PodID) (*app.App, error) {
	redis := s.cfg.Redis
	redis.URL = s.redisURL
	var clock func() time.Time
	if s.cfg.Clock != nil {
		clock = func() time.Time { return s.cfg.Clock(id) }
	}
	return app.New(app.Options{
		ID: id, Listen: "127.0.0.1:0", Console: true,
		API: api.Config{
			Prefix: prefix, Pod: id, Origins: api.Origins{Any: true}, QueryToken: true,
			MetricsNetworks: loopback(), TrustedProxies: loopback(),
		},
		Auth:   api.NewAuth(api.AuthConfig{Secret: s.secrets.jwt}),
		Access: s.cfg.Access,
		Hub:    s.cfg.Hub, Redis: redis, Sealer: s.keys, DecryptFailures: s.keys.Failures, Stores: s.stores, LLM: s.cfg.LLM,
		UseCases: s.cfg.UseCases, Desk: s.cfg.Desk, Alerts: s.cfg.Alerts, Channels: s.cfg.Channels, Drain: s.cfg.Drain, Files: s.files, Voice: s.cfg.Voice, Logger: s.cfg.Logger, Clock: clock,
	})
}

// Stop drains all pods at once and closes everything.
func (s *Stack) Stop(ctx context.Context) error {
	var errs []error
	var mu sync.Mutex
	var wg sync.WaitGroup
	for _, p := range s.snapshot() {
		if p.app != nil && p.state != stateStopped {
			wg.Go(func() {
				err := p.app.Stop(ctx)
				mu.Lock()
				defer mu.Unlock()
				errs = append(errs, err)
			})
		}
	}
	wg.Wait()
	if s.server != nil {
		errs = append(errs, s.server.Close())
	} else if s.listener != nil {
		errs = append(errs, s.listener.Close())
	}
	s.serving.Wait()
	for _, closer := range slices.Backward(s.closers) {
		errs = append(errs, closer(ctx))
	}
	if s.cancel != nil {
		s.cancel()
	}
	s.waitRedis()
	return errors.Join(errs...)
}

// RedisURL returns the URL of the Redis that the pods use.
func (s *Stack) RedisURL() string { return s.redisURL }
