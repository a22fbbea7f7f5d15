// Package speech speaks answers. The first call for an answer asks the vendor; the
// sound goes to the caller while it is stored as a file of the session, which all
// later calls read.
package speech

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"sync"
	"time"

	"chatbox"
	"chatbox/app/seek"
	"chatbox/internal/lanes"
)

// Config bounds the work of a pod.
type Config struct {
	All   int           // speeches that the pod makes at once
	Each  int           // speeches that the pod makes at once for one user
	Wait  time.Duration // how long a call waits for its turn
	Look  time.Duration // how long a call waits for the history and the store to answer
	Quiet time.Duration // how long a call waits for the next part of a sound that is being made
	Make  time.Duration // how long the making of one speech may take
}

// Calls that read the history or the store at the same time. Such a read keeps its
// place until it ends, so a store that hangs costs a bounded number of goroutines.
const (
	looksAll  = 64 // of a pod
	looksEach = 8  // of a user
)

// DefaultConfig returns the usual bounds.
func DefaultConfig() Config {
	return Config{All: 16, Each: 3, Wait: 10 * time.Second, Look: 20 * time.Second, Quiet: 2 * time.Minute, Make: 10 * time.Minute}
}

// Deps are what a Service works through; all of it is required.
type Deps struct {
	Sessions Sessions
	Answers  *seek.Answers
	Messages Messages
	Audit    Audit
	Speaker  Speaker
	Files    Files
	Observer Observer
	Logger   *slog.Logger
}

// Outcomes of calls, for metrics.
const (
	OutcomeMade    = "made"    // by the vendor, and stored
	OutcomeStored  = "stored"  // read from the store
	OutcomeShared  = "shared"  // another call was asking the vendor
	OutcomeRefused = "refused" // too many at once
	OutcomeFailed  = "failed"
)

// Outcomes lists all outcomes.
func Outcomes() []string {
	return []string{OutcomeMade, OutcomeStored, OutcomeShared, OutcomeRefused, OutcomeFailed}
}

// Service speaks answers. It is safe for concurrent use.
type Service struct {
	cfg      Config
	deps     Deps
	lanes    *lanes.Lanes[chatbox.UserKey] // of makings
	looks    *lanes.Lanes[chatbox.UserKey] // of reads of the history and the store
	searches *seek.Answers
	work     sync.WaitGroup // the makings

	mu     sync.Mutex // guards following
	making map[chatbox.FileKey]*making
	ended  bool // no making begins any more
}

// New makes a service. Run ends its work.
func New(cfg Config, d Deps) *Service {
	return &Service{
		cfg: cfg, deps: d, making: map[chatbox.FileKey]*making{},
		lanes:    lanes.New[chatbox.UserKey](lanes.Config{All: cfg.All, Each: cfg.Each}),
		looks:    lanes.New[chatbox.UserKey](lanes.Config{All: looksAll, Each: looksEach}),
		searches: d.Answers,
	}
}

// errEnds ends the makings of a pod that ends.
var errEnds = chatbox.NewError(chatbox.Draining, "", nil)

// Run waits until ctx ends. Then it ends the speech that is being made, of which
// nothing stays.
func (s *Service) Run(ctx context.Context) {
	<-ctx.Done()
	s.mu.Lock()
	s.ended = true
	for _, m := range s.making {
		m.cancel(errEnds)
	}
	s.mu.Unlock()
	s.work.Wait()
}

// Sound is the speech of an answer, as MP3.
type Sound struct {
	FileID string // under which it is stored, or will be
	Size   int64  // bytes; -1: not known yet
	// Body fails if the speech does. It reads no further than the caller: a caller
	// that reads slowly delays nobody and gets the rest from the store.
	Body io.ReadCloser
}

// Speak returns the speech of an answer. The caller must be allowed to read the
// session: as its owner, or as staff, whose read is audited. Speak returns when the
// sound begins. The caller closes Body. A caller that leaves does not end the making
// of the speech.
//
// chatbox.NotFound: the session or the answer does not exist, or the answer has no
// text. chatbox.RateLimited: the caller asks for too much at once.
// chatbox.Unavailable: all callers together do, or the store does not answer in
// time. Other errors are those of Speaker and Files.
func (s *Service) Speak(ctx context.Context, a chatbox.Actor, sessionID, answerID string) (Sound, error) {
	sound, outcome, err := s.speak(ctx, a, sessionID, answerID)
	if err != nil || outcome != OutcomeMade { // a making counts itself when it has ended
		s.deps.Observer.AnswerSpoken(outcome, 0)
	}
	return sound, err
}

func (s *Service) speak(ctx context.Context, a chatbox.Actor, sessionID, answerID string) (Sound, string, error) {
	f, err := s.look(ctx, a, sessionID, answerID)
	if err != nil {
		return Sound{}, outcomeOf(err), err
	}
	if f.content.ReadCloser != nil {
		return Sound{FileID: f.id, Size: f.content.size, Body: f.content}, OutcomeStored, nil
	}
	m, outcome, err := s.join(ctx, a, f.session, f.id, f.text)
	if err != nil {
		return Sound{}, OutcomeFailed, err
	}
	l := &listener{s: s, m: m, ctx: ctx, user: a.User()}
	if err := l.begun(); err != nil {
		return Sound{}, outcomeOf(err), err
	}
	return Sound{FileID: f.id, Size: -1, Body: l}, outcome, nil
}

func outcomeOf(err error) string {
	if errors.Is(err, chatbox.RateLimited) || errors.Is(err, errBusy) {
		return OutcomeRefused
	}
	return OutcomeFailed
}
