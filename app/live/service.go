// Package live connects this pod's sockets to sessions: it attaches them,
// replays the events that they missed, follows sessions through the bus, and
// tells read marks, typing and watching. A socket receives every durable
// event of its sessions once and in order.
package live

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"chatbox"
	"chatbox/app/sessionlog"
	"chatbox/cluster"
	"chatbox/internal/sleep"
	"chatbox/internal/workqueue"
)

// Config bounds the work for sockets.
type Config struct {
	ReplayMax   int64         // most events that one resume replays
	ReplayBurst int64         // events that this pod replays to one user at once, by any number of resumes
	ReplayRate  int64         // and more of them a second
	CheckEvery  time.Duration // between comparisons of positions with heads
	WatchNotice bool          // owners are told that staff watches
}

// DefaultConfig has the values of the contract.
func DefaultConfig() Config {
	return Config{ReplayMax: 1000, ReplayBurst: 50_000, ReplayRate: 1000, CheckEvery: 10 * time.Second}
}

// Deps are what a Service works through; all of it is required.
type Deps struct {
	Log          *sessionlog.Log
	Messages     sessionlog.Reader
	Heads        Heads
	Bus          Bus
	Registry     Registry
	Watchers     Watchers
	Attachments  Attachments
	Rights       Rights
	Currents     Currents
	Acks         Acks
	Feed         Feed
	Receipts     *Receipts
	Reads        Reads
	TypingLeases TypingLeases
	Ephemerals   Ephemerals
	Audit        Audit
	Observer     Observer
	Logger       *slog.Logger
}

// Socket is one connected client.
type Socket interface {
	ID() chatbox.ConnID
	Actor() chatbox.Actor
	// Old reports whether the client may be one that cannot resume.
	Old() bool
}

// Service serves the sockets of one pod. It is safe for concurrent use.
type Service struct {
	deps    Deps
	log     *sessionlog.Log
	cfg     Config
	behind  *workqueue.Queue[chatbox.SessionKey] // sessions whose sockets here have missed something
	efforts *efforts                             // what users have had read for them
}

// allSessions stands for every session in the queue of those that are behind.
var allSessions = chatbox.SessionKey{} //nolint:gochecknoglobals // a constant

// New makes a service; Run does its background work.
func New(cfg Config, d Deps) *Service {
	return &Service{
		deps: d, log: d.Log, cfg: cfg, efforts: newEfforts(cfg.ReplayBurst, cfg.ReplayRate),
		behind: workqueue.New[chatbox.SessionKey](workqueue.Config{Workers: 8, Longest: 10 * time.Second}),
	}
}

// Run catches up with sessions, stores receipts and ends typing that was not
// ended, until ctx ends. It returns when all of it has stopped.
func (s *Service) Run(ctx context.Context) {
	s.behind.Open(ctx, s.catchUp)
	var wg sync.WaitGroup
	wg.Go(func() { s.deps.Receipts.run(ctx) })
	wg.Go(func() {
		sleep.Every(ctx, time.Second, func(context.Context) { s.deps.TypingLeases.ExpireTyping(time.Now()) })
	})
	wg.Go(func() {
		sleep.Every(ctx, s.cfg.CheckEvery, func(context.Context) { s.behind.Add(allSessions) })
	})
	wg.Wait()
	s.behind.Close()
	s.behind.Wait()
}

// Connect registers a socket. chatbox.LimitExceeded: the user has as many sockets
// as allowed.
func (s *Service) Connect(ctx context.Context, a chatbox.Actor, c chatbox.ConnID) error {
	return s.deps.Registry.Connect(ctx, a.User(), c)
}

// Disconnect removes a socket's registration. Without it, the registration
// expires.
func (s *Service) Disconnect(ctx context.Context, a chatbox.Actor, c chatbox.ConnID) {
	if err := s.deps.Registry.Disconnect(ctx, a.User(), c); err != nil {
		s.deps.Logger.DebugContext(ctx, "registration left to expire", "error", err)
	}
}

// Pods lists the pods that are alive.
func (s *Service) Pods(ctx context.Context) ([]cluster.PodInfo, error) {
	return s.deps.Registry.Pods(ctx)
}

// Update delivers an update of the bus to this pod's sockets. It does not block.
func (s *Service) Update(u cluster.Update) {
	if !s.deps.Feed.Deliver(u) {
		s.behind.Add(u.Session)
	}
	if u.Event == nil {
		return
	}
	switch u.Event.Type {
	case chatbox.TypeAdminJoin, chatbox.TypeAdminLeave, chatbox.TypeSessionEnded:
		s.reap(u.Session) // a former holder's sockets
	default: // the event ends no right to the session
	}
}

// Resubscribed schedules a check of every position, since updates may have
// been missed. It does not block.
func (s *Service) Resubscribed() {
	s.behind.Add(allSessions)
	s.behind.Retry() // the outage may have caused the failures
}
