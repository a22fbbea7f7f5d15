// Package transcribe makes the transcripts of recordings. A recording is stored
// with the work on its transcript, so no crash can separate them. A pod claims the
// work, asks the provider, and appends the transcript to the session's log. The
// key of a transcript is unique per recording, so there is one transcript whichever
// pods fail.
package transcribe

import (
	"log/slog"
	"sync/atomic"
	"time"

	"chatbox"
	"chatbox/app/sessionlog"
	"chatbox/internal/lanes"
	"chatbox/internal/workqueue"
)

// Config bounds the work.
type Config struct {
	SweepEvery time.Duration // between looks for due work
	Lease      time.Duration // lifetime of a claim that is not renewed
	LookEvery  time.Duration // between looks for a transcript that another pod makes
	LoseAfter  time.Duration // how long an answer waits while the history is unavailable
	Pause      time.Duration // between a failure and the next request for the recording
	Wait       time.Duration // how long an answer waits for one of AtOnce or Each
	Longest    time.Duration // of the work on one transcript; it fails then
	MaxTries   int           // claims by pods that died; then the work fails without a request
	AtOnce     int           // transcripts that this pod makes at once
	Each       int           // the same for the sessions of one owner
}

// DefaultConfig gives the work of a dead pod to another pod within about five
// seconds.
func DefaultConfig() Config {
	return Config{
		SweepEvery: time.Second, Lease: 4 * time.Second, LookEvery: 250 * time.Millisecond, LoseAfter: 60 * time.Second,
		Pause: 2 * time.Second, Wait: 60 * time.Second, Longest: 3 * time.Minute, MaxTries: 6, AtOnce: 8, Each: 2,
	}
}

// Deps are what a Service works through; all of it is required.
type Deps struct {
	Pod         chatbox.PodID
	Log         *sessionlog.Log
	Messages    sessionlog.Reader
	Store       Store
	Recordings  Recordings
	Transcriber Transcriber
	Ephemerals  Ephemerals
	Observer    Observer
	Logger      *slog.Logger
}

// Service makes the transcripts of one pod. It is safe for concurrent use.
type Service struct {
	deps  Deps
	cfg   Config
	due   *workqueue.Queue[chatbox.RecordingKey]
	lanes *lanes.Lanes[chatbox.UserKey] // the places of the work, by the session's owner
	files *lanes.Lanes[chatbox.FileKey] // one place for each file
	cut   atomic.Bool
}

// New makes a service; Run does its background work.
func New(cfg Config, d Deps) *Service {
	return &Service{
		deps: d, cfg: cfg, lanes: lanes.New[chatbox.UserKey](lanes.Config{All: cfg.AtOnce, Each: cfg.Each}),
		files: lanes.New[chatbox.FileKey](lanes.Config{All: cfg.AtOnce, Each: 1}),
		due:   workqueue.New[chatbox.RecordingKey](workqueue.Config{Workers: cfg.AtOnce, Longest: 5 * time.Second}),
	}
}

// Due returns when another pod looks for a transcript that the pod of a new
// recording has not made.
func (s *Service) Due() time.Time { return s.deps.Log.Now().Add(s.cfg.Lease) }

// Raise says that the recording's transcript can be made. It does not block. A
// sweep finds recordings that it drops.
func (s *Service) Raise(k chatbox.RecordingKey) { s.due.Add(k) }

// Cut makes the running work end as in a crash: its claims are left to expire.
func (s *Service) Cut() { s.cut.Store(true) }
