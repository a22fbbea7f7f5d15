// Package conversation has what users and staff do in sessions: post, end,
// cancel, retry, ask for help, take over, hand back and rate.
package conversation

import (
	"context"
	"log/slog"
	"time"

	"chatbox"
	"chatbox/app/answer"
	"chatbox/app/live"
	"chatbox/app/sessionlog"
	"chatbox/internal/workqueue"
)

// Config is the policy for talks with people.
type Config struct {
	AdminGrace time.Duration // a holder without sockets keeps a session
	AskRating  bool          // owners are asked for a rating after a talk with a person
}

// DefaultConfig has the values of the contract.
func DefaultConfig() Config { return Config{AdminGrace: 2 * time.Minute, AskRating: true} }

// Deps are what a Service works through; all but Files, Fetches and Transcripts is
// required.
type Deps struct {
	Log         *sessionlog.Log
	Answers     *answer.Service
	Live        *live.Service
	Messages    sessionlog.Reader
	Sessions    Sessions
	Attachments Attachments
	Acks        Acks
	Audit       Audit
	Alerts      Alerts
	HelpLimits  HelpLimits
	Files       Files       // nil: there is no file store
	Transcripts Transcripts // nil: none are made
	Fetches     Fetches     // nil: files elsewhere are shown as links
	Ratings     Ratings
	Staff       StaffBus
	Colleagues  Colleagues
	Presence    Presence
	Ephemerals  Ephemerals
	Observer    Observer
	Logger      *slog.Logger
}

// Service is what users and staff do in sessions. It is safe for concurrent use.
type Service struct {
	deps    Deps
	log     *sessionlog.Log
	answers *answer.Service
	live    *live.Service
	cfg     Config
	leaving *workqueue.Queue[chatbox.Holding] // holdings whose grace time is over
}

// New makes a service; Run does its background work.
func New(cfg Config, d Deps) *Service {
	return &Service{
		deps: d, log: d.Log, answers: d.Answers, live: d.Live, cfg: cfg,
		leaving: workqueue.New[chatbox.Holding](workqueue.Config{Workers: 4, First: time.Second, Longest: time.Minute}),
	}
}

// Run hands back the sessions of absent admins until ctx ends. It returns when
// all of the work has stopped.
func (s *Service) Run(ctx context.Context) {
	s.leaving.Open(ctx, s.leaveQueued)
	s.sweepHeld(ctx)
	s.leaving.Close()
	s.leaving.Wait()
}

// append is sessionlog.Log.Append; after the end of a talk with a person the
// owner is asked for a rating.
func (s *Service) append(ctx context.Context, d sessionlog.Draft) (sessionlog.Appended, error) {
	res, err := s.log.Append(ctx, d)
	if err == nil {
		s.askRating(ctx, res)
	}
	return res, err
}

// appendAlone is append for an event that must not overlap an answer.
func (s *Service) appendAlone(ctx context.Context, why chatbox.Finish, d sessionlog.Draft) (sessionlog.Appended, error) {
	res, err := s.answers.AppendAlone(ctx, why, d)
	if err == nil {
		s.askRating(ctx, res)
	}
	return res, err
}
