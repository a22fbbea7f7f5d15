// Package answer lets a model answer users' messages. A pod claims a turn by a
// lease, shows the model's text piece by piece, and stores the final answer.
// If a pod loses a turn, another pod continues it. No answer begins or
// continues while a person holds the session, or after its end.
package answer

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"chatbox"
	"chatbox/app/sessionlog"
	"chatbox/internal/lanes"
	"chatbox/internal/workqueue"
)

// Config bounds answers.
type Config struct {
	SystemPrompt string
	Disclosure   string        // text that stands before the model's first word in a session; empty: none
	AnswerMax    int           // bytes of one answer
	Generations  int           // answers given at once by this pod
	MaxClaims    int           // claims of one run before it fails
	RenewEvery   time.Duration // between renewals of a lease
	SweepEvery   time.Duration // between looks for due turns in Redis
	PendingEvery time.Duration // between looks for pending turns in the history
	LoseAfter    time.Duration // without Redis or the history until an answer is given back
	FileWait     time.Duration // how long a prompt waits for all of its files
	FileLimit    time.Duration // how long the reading of one file may take, for the next prompt
}

// DefaultConfig has the values of the contract.
func DefaultConfig() Config {
	return Config{
		AnswerMax: 256 << 10, Generations: 512, MaxClaims: 6, RenewEvery: 1500 * time.Millisecond,
		SweepEvery: 700 * time.Millisecond, PendingEvery: 15 * time.Second, LoseAfter: 60 * time.Second,
		FileWait: 15 * time.Second, FileLimit: 45 * time.Second,
	}
}

// Deps are what a Service works through; all of it is required unless it says
// otherwise.
type Deps struct {
	Log         *sessionlog.Log
	Due         *Queue
	Messages    sessionlog.Reader
	Turns       Turns
	Holdings    Holdings
	Leases      Leases
	Interrupts  Interrupts
	Pieces      Pieces
	Schedule    Schedule
	Lives       Lives // nil: answers of dead pods continue when their leases expire
	LLM         LLM
	Files       Attachments // nil: prompts have the names of files only
	Transcripts Transcripts // nil: none are made
	Ephemerals  Ephemerals
	Observer    Observer
	Logger      *slog.Logger
	MayClaim    func() bool // whether this pod may begin an answer at the moment; nil: always
}

// Queue contains the sessions that may need an answer.
type Queue = workqueue.Queue[chatbox.SessionKey]

// NewQueue makes the queue of a Service; the session log adds to it as well.
func NewQueue(cfg Config) *Queue {
	return workqueue.New[chatbox.SessionKey](workqueue.Config{Workers: cfg.Generations, Longest: 5 * time.Second})
}

// Service gives the answers of one pod. It is safe for concurrent use.
type Service struct {
	deps Deps
	log  *sessionlog.Log
	cfg  Config
	due  *Queue

	answering atomic.Int64  // number of generations under way
	running   sync.Map      // generations under way: *generation → struct{}
	forgotten chan struct{} // has a token where Redis may have forgotten turns
	reads     reads
	listening *lanes.Lanes[chatbox.UserKey] // of answers that wait for transcripts, by the session's owner
}

const (
	recordingsPart = 4 // the part of a pod's answers that may wait for transcripts: a quarter
	recordingsEach = 8 // how many of those may be to one user
)

// New makes a service; Run does its background work.
func New(cfg Config, d Deps) *Service {
	return &Service{
		deps: d, log: d.Log, cfg: cfg, due: d.Due, forgotten: make(chan struct{}, 1), reads: newReads(),
		listening: lanes.New[chatbox.UserKey](lanes.Config{All: max(1, cfg.Generations/recordingsPart), Each: recordingsEach}),
	}
}

// Run answers until ctx ends, and returns when all of the work has stopped.
// Running answers are then released, so that other pods continue them.
func (s *Service) Run(ctx context.Context) {
	work, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	s.due.Open(work, s.reply)
	s.sweep(ctx)
	s.due.Close()
	s.ReleaseAll()
	stop()
	s.due.Wait()
}

// Models lists the models that users may choose, in configured order.
func (s *Service) Models() []chatbox.Model { return s.deps.LLM.Models() }

// Offers reports whether users may choose the model.
func (s *Service) Offers(modelID string) bool {
	for _, m := range s.deps.LLM.Models() {
		if m.ID == modelID {
			return true
		}
	}
	return false
}

// Generations counts the answers that this pod is giving.
func (s *Service) Generations() int {
	return int(s.answering.Load())
}

// Waiting counts the sessions that wait on this pod for an answer to begin.
func (s *Service) Waiting() int { return s.due.Waiting() }

// Wake says that a session's turn can be claimed. It does not block.
func (s *Service) Wake(k chatbox.SessionKey) { s.due.Add(k) }

// Resubscribed says that Redis is available again and may have lost its data:
// pending turns are looked for in the history. It does not block.
func (s *Service) Resubscribed() {
	select {
	case s.forgotten <- struct{}{}:
	default: // a sweep is scheduled already
	}
}

// StopClaiming stops this pod from claiming further turns. It is the first
// step of a drain.
func (s *Service) StopClaiming() { s.due.Close() }

// mayClaim reports whether this pod may claim a turn.
func (s *Service) mayClaim() bool {
	return !s.due.Closed() && (s.deps.MayClaim == nil || s.deps.MayClaim())
}

// ReleaseAll releases every running answer, so that other pods continue them
// without waiting for leases to expire.
func (s *Service) ReleaseAll() {
	s.running.Range(func(g, _ any) bool {
		if g, ok := g.(*generation); ok {
			g.cancel(errReleased)
		}
		return true
	})
}
