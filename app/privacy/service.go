// Package privacy erases sessions and people for good. An erasure that a crash
// breaks off is finished by any pod.
package privacy

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"chatbox"
	"chatbox/app/answer"
	"chatbox/app/sessionlog"
	"chatbox/internal/outage"
	"chatbox/internal/sleep"
	"chatbox/internal/workqueue"
)

// Config says for how long erased sessions are checked.
type Config struct {
	EraseFor   time.Duration // traces of an erased session are looked for
	EraseEvery time.Duration // between two looks at one session
	SweepEvery time.Duration // between looks for erasures that are not finished
}

// DefaultConfig has the values of the contract.
func DefaultConfig() Config {
	return Config{EraseFor: 10 * time.Minute, EraseEvery: time.Minute, SweepEvery: 15 * time.Second}
}

// Deps are what a Service works through; all of it is required.
type Deps struct {
	Log        *sessionlog.Log
	Answers    *answer.Service
	Sessions   Sessions
	Messages   Messages
	Tombstones Tombstones
	Traces     Traces
	Shares     Shares
	Cards      Cards
	Blocks     Blocks
	Erasures   Erasures
	Audit      Audit
	Files      Files
	Logger     *slog.Logger
}

// Service erases sessions and people. It is safe for concurrent use.
type Service struct {
	deps   Deps
	log    *sessionlog.Log
	cfg    Config
	erased *workqueue.Queue[chatbox.Tombstone] // erased sessions whose traces are looked for
	people *workqueue.Queue[chatbox.Erasing]   // people who are not erased yet
	lines  outage.Sparse
}

// New makes a service; Run does its background work.
func New(cfg Config, d Deps) *Service {
	return &Service{
		deps: d, log: d.Log, cfg: cfg,
		erased: workqueue.New[chatbox.Tombstone](workqueue.Config{Workers: 4, First: time.Second, Longest: 5 * time.Minute}),
		people: workqueue.New[chatbox.Erasing](workqueue.Config{Workers: 2, First: time.Second, Longest: 5 * time.Minute}),
	}
}

// Failing returns how many erasures of sessions and people have failed on this pod
// and will be tried again.
func (s *Service) Failing() int { return s.erased.Failing() + s.people.Failing() }

// tell logs that an erasure continues, once a minute for each message.
func (s *Service) tell(ctx context.Context, message string, err error, about ...any) {
	if missed, ok := s.lines.Pass(message); ok {
		s.deps.Logger.WarnContext(ctx, message, append(about, "error", err, "held_back", missed)...) //nolint:sloglint // one of two constants
	}
}

// Run finishes erasures that were broken off, until ctx ends. It returns when all
// of the work has stopped.
func (s *Service) Run(ctx context.Context) {
	s.erased.Open(ctx, s.sweepQueued)
	s.people.Open(ctx, s.erasePerson)
	var wg sync.WaitGroup
	wg.Go(func() { sleep.Every(ctx, s.cfg.SweepEvery, s.sweepErased) })
	wg.Go(func() { sleep.Every(ctx, s.cfg.SweepEvery, s.sweepPeople) })
	wg.Wait()
	s.erased.Close()
	s.people.Close()
	s.erased.Wait()
	s.people.Wait()
}
