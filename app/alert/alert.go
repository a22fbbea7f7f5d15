// Package alert tells staff, by whatever channels are configured, of events
// that were stored with an alert: once by each channel, whichever pods die
// meanwhile, and again with the same id only where a pod died, or the history
// was away, between a channel's taking it and that being noted.
package alert

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"chatbox"
	"chatbox/internal/outage"
)

// Store keeps alerts with the events they were stored with. Its methods are
// safe for concurrent use, by all pods together, and safe to repeat.
type Store interface {
	// DueAlerts finds pending alerts that are due before a moment, the oldest
	// first.
	DueAlerts(ctx context.Context, before time.Time, limit int) ([]chatbox.AlertKey, error)
	// ClaimAlert gives the alert to the token until a moment and counts the
	// try: one compare-and-set, so of those who claim together one has it.
	// chatbox.NotOwner: it is settled, or not due at now. chatbox.NotFound:
	// there is no such alert, or its event is gone.
	ClaimAlert(ctx context.Context, k chatbox.AlertKey, token string, now, until time.Time) (chatbox.AlertTask, error)
	// MarkAlert notes that the channel has taken the alert, whoever has claimed
	// it since.
	MarkAlert(ctx context.Context, k chatbox.AlertKey, channel string) error
	// SettleAlert ends the claim: state as said, due again at due where that
	// is pending. It has no effect where the claim is another's by now.
	SettleAlert(ctx context.Context, k chatbox.AlertKey, token string, to chatbox.AlertState, due time.Time) error
}

// Channel is one way to one receiver. Send returns nil once the receiver has
// taken the message; it must end with ctx.
type Channel interface {
	// Name tells the channel from all others and stays over restarts: what was
	// sent is noted under it.
	Name() string
	// Kind is the channel's label in metrics, of a closed set.
	Kind() string
	Send(ctx context.Context, m chatbox.AlertMessage) error
}

// Staff is told on its open sockets.
type Staff interface {
	TellStaff(ctx context.Context, n chatbox.Notice) error
}

// Observer counts what operators watch. It must not block.
type Observer interface {
	// AlertTried counts one attempt of a channel of the kind: "sent",
	// "retried" (it failed and will be tried again) or "failed" (given up).
	AlertTried(kind, outcome string)
}

// Outcomes of an attempt.
const (
	OutcomeSent    = "sent"
	OutcomeRetried = "retried"
	OutcomeFailed  = "failed"
)

// Config is how alerts are told.
type Config struct {
	SweepEvery  time.Duration // alerts nobody tells are looked for
	Lease       time.Duration // a claim that came to no end is another's after
	SendTimeout time.Duration // one attempt of a channel; well below Lease
	Tries       int           // attempts before an alert is given up
	Backoff     time.Duration // after the first failure; twice as long after each more
	BackoffMax  time.Duration
	Workers     int // alerts told at once by this pod
}

// DefaultConfig tries for about an hour.
func DefaultConfig() Config {
	return Config{
		SweepEvery: 2 * time.Second, Lease: 30 * time.Second, SendTimeout: 10 * time.Second,
		Tries: 9, Backoff: 10 * time.Second, BackoffMax: 30 * time.Minute, Workers: 4,
	}
}

// Deps are what a Service works with; all are required.
type Deps struct {
	Pod      chatbox.PodID
	Store    Store
	Staff    Staff
	Channels []Channel
	Observer Observer
	Logger   *slog.Logger
	// Mend has the session's record say what its log says: whoever is told looks
	// into the queue, and the crash that left the alert may have left the record
	// behind too.
	Mend func(ctx context.Context, s chatbox.SessionKey) error
}

// Service tells alerts for one pod. It is safe for concurrent use.
type Service struct {
	Deps
	cfg  Config
	jobs chan chatbox.AlertKey              // 64 at most: what does not fit is found by a sweep; never closed
	cut  atomic.Pointer[context.CancelFunc] // breaks off what is being sent; set by Run
	away map[string]*outage.Outage          // by channel
}

// New makes a service; Run does the work.
func New(cfg Config, d Deps) *Service {
	s := &Service{Deps: d, cfg: cfg, jobs: make(chan chatbox.AlertKey, 64), away: map[string]*outage.Outage{}}
	s.Channels = append([]Channel{onSockets{d.Staff}}, d.Channels...)
	for _, c := range s.Channels {
		s.away[c.Name()] = outage.New("alerts by "+c.Name(), d.Logger)
	}
	return s
}

// Raise has the event's alert told soon. It never blocks.
func (s *Service) Raise(e chatbox.Event) { s.add(chatbox.AlertKey{Session: e.Session, Seq: e.Seq}) }

func (s *Service) add(k chatbox.AlertKey) {
	select {
	case s.jobs <- k:
	default:
	}
}

// Cut breaks off what is being sent, as the end of the process would.
func (s *Service) Cut() {
	if cut := s.cut.Load(); cut != nil {
		(*cut)()
	}
}

// onSockets is the channel to admins who are connected.
type onSockets struct{ staff Staff }

func (onSockets) Name() string { return chatbox.ViaStaff }
func (onSockets) Kind() string { return chatbox.ViaStaff }

func (o onSockets) Send(ctx context.Context, m chatbox.AlertMessage) error {
	return o.staff.TellStaff(ctx, chatbox.Notice{
		Tenant: m.Tenant, Event: m.Event, SessionID: m.SessionID, UserID: m.UserID, Time: m.Time,
	})
}

// stale reports whether a claim was refused because the alert is not ours to
// tell.
func stale(err error) bool {
	return errors.Is(err, chatbox.NotOwner) || errors.Is(err, chatbox.NotFound)
}
