// Package alert sends staff alerts about events that were stored with one, by all
// configured channels. Each channel sends an alert once, whichever pods fail. It
// is sent again, with the same id, only if a pod died or the history was
// unavailable after the channel accepted the alert and before that was stored.
package alert

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"chatbox"
	"chatbox/helpdesk"
	"chatbox/internal/outage"
)

// Store stores alerts with their events. Its methods are idempotent and safe for
// concurrent use by all pods.
type Store interface {
	// DueAlerts returns pending alerts due before the given time, oldest first.
	DueAlerts(ctx context.Context, before time.Time, limit int) ([]helpdesk.AlertKey, error)
	// ClaimAlert assigns the alert to the token until the given time and counts
	// the attempt. It is one compare-and-set, so only one of several concurrent
	// callers gets the alert. It fails with chatbox.NotOwner if the alert is
	// settled or not due at now, and with chatbox.NotFound if the alert or its
	// event does not exist.
	ClaimAlert(ctx context.Context, k helpdesk.AlertKey, token string, now, until time.Time) (helpdesk.AlertTask, error)
	// MarkAlert records that the channel has accepted the alert, even if another
	// pod holds the claim by now.
	MarkAlert(ctx context.Context, k helpdesk.AlertKey, channel string) error
	// SettleAlert ends the claim and sets the state. If that is pending, the
	// alert is due again at due. It does nothing if another token holds the claim
	// by now.
	SettleAlert(ctx context.Context, k helpdesk.AlertKey, token string, to chatbox.AlertState, due time.Time) error
}

// Channel sends alerts to one receiver. Send returns nil once the receiver has
// accepted the message. It must return when ctx ends.
type Channel interface {
	// Name is unique among the channels and must not change over restarts,
	// because sent alerts are recorded under it.
	Name() string
	// Kind is the channel's label in metrics, from a closed set.
	Kind() string
	Send(ctx context.Context, m helpdesk.AlertMessage) error
}

// Staff sends notices to the open sockets of staff.
type Staff interface {
	NotifyStaff(ctx context.Context, n helpdesk.Notice) error
}

// Observer counts attempts for metrics. It must not block.
type Observer interface {
	// AlertTried counts one attempt of a channel of the kind. The outcome is
	// "sent", "retried" (it failed and will be retried) or "failed" (no more
	// retries).
	AlertTried(kind, outcome string)
}

// Outcomes of an attempt.
const (
	OutcomeSent    = "sent"
	OutcomeRetried = "retried"
	OutcomeFailed  = "failed"
)

// Config configures how alerts are sent.
type Config struct {
	SweepEvery  time.Duration // interval of looking for due alerts
	Lease       time.Duration // lifetime of a claim
	SendTimeout time.Duration // timeout of one attempt of a channel; well below Lease
	Tries       int           // attempts before an alert is given up
	Backoff     time.Duration // delay after the first failure; doubles with each further one
	BackoffMax  time.Duration
	Workers     int // alerts sent at once by this pod
}

// DefaultConfig retries for about an hour.
func DefaultConfig() Config {
	return Config{
		SweepEvery: 2 * time.Second, Lease: 30 * time.Second, SendTimeout: 10 * time.Second,
		Tries: 9, Backoff: 10 * time.Second, BackoffMax: 30 * time.Minute, Workers: 4,
	}
}

// Deps are the dependencies of a Service; all are required.
type Deps struct {
	Pod      chatbox.PodID
	Store    Store
	Staff    Staff
	Channels []Channel
	Observer Observer
	Logger   *slog.Logger
	// SyncRecord updates the session's record from its log, because staff who are
	// alerted look at the queue. A crash that left the alert unsent may have left
	// the record out of date too.
	SyncRecord func(ctx context.Context, s chatbox.SessionKey) error
}

// Service sends the alerts of one pod. It is safe for concurrent use.
type Service struct {
	Deps
	cfg  Config
	jobs chan helpdesk.AlertKey             // capacity 64; overflow is left to the sweep; never closed
	cut  atomic.Pointer[context.CancelFunc] // cancels running attempts; set by Run
	away map[string]*outage.Outage          // by channel
}

// New returns a Service. Run does the work.
func New(cfg Config, d Deps) *Service {
	s := &Service{Deps: d, cfg: cfg, jobs: make(chan helpdesk.AlertKey, 64), away: map[string]*outage.Outage{}}
	s.Channels = append([]Channel{onSockets{d.Staff}}, d.Channels...)
	for _, c := range s.Channels {
		s.away[c.Name()] = outage.New("alerts by "+c.Name(), d.Logger)
	}
	return s
}

// Raise queues the event's alert for sending. It never blocks.
func (s *Service) Raise(e chatbox.Event) { s.add(helpdesk.AlertKey{Session: e.Session, Seq: e.Seq}) }

func (s *Service) add(k helpdesk.AlertKey) {
	select {
	case s.jobs <- k:
	default:
	}
}

// Cut cancels the running attempts, as the end of the process would.
func (s *Service) Cut() {
	if cut := s.cut.Load(); cut != nil {
		(*cut)()
	}
}

// onSockets is the channel to connected admins.
type onSockets struct{ staff Staff }

func (onSockets) Name() string { return helpdesk.ViaStaff }
func (onSockets) Kind() string { return helpdesk.ViaStaff }

func (o onSockets) Send(ctx context.Context, m helpdesk.AlertMessage) error {
	return o.staff.NotifyStaff(ctx, helpdesk.Notice{
		Tenant: m.Tenant, Event: m.Event, SessionID: m.SessionID, UserID: m.UserID, Time: m.Time,
	})
}

// stale reports whether a claim was refused because another pod sends the alert
// or it is settled.
func stale(err error) bool {
	return errors.Is(err, chatbox.NotOwner) || errors.Is(err, chatbox.NotFound)
}
