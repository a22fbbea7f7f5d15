package alert

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"chatbox"
	"chatbox/helpdesk"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var errAway = errors.New("away")

// memory stores alerts as the stores do. While away is set, it fails.
type memory struct {
	mu     sync.Mutex // guards following
	alerts map[helpdesk.AlertKey]*chatbox.Alert
	away   bool
	claims int
}

func newMemory(n int) *memory {
	m := &memory{alerts: map[helpdesk.AlertKey]*chatbox.Alert{}}
	for i := range n {
		m.alerts[numbered(i)] = &chatbox.Alert{State: chatbox.AlertPending, Due: time.Now()}
	}
	return m
}

func numbered(i int) helpdesk.AlertKey {
	return helpdesk.AlertKey{Session: chatbox.SessionKey{Tenant: "acme", ID: "s-" + strconv.Itoa(i)}, Seq: 1}
}

func (m *memory) DueAlerts(_ context.Context, before time.Time, limit int) ([]helpdesk.AlertKey, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.away {
		return nil, errAway
	}
	var due []helpdesk.AlertKey
	for k, a := range m.alerts {
		if a.State == chatbox.AlertPending && a.Due.Before(before) && len(due) < limit {
			due = append(due, k)
		}
	}
	return due, nil
}

func (m *memory) act(ctx context.Context, k helpdesk.AlertKey, f func(a *chatbox.Alert) error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.away {
		return errAway
	}
	return f(m.alerts[k])
}

func (m *memory) ClaimAlert(ctx context.Context, k helpdesk.AlertKey, token string, now, until time.Time) (helpdesk.AlertTask, error) {
	var task helpdesk.AlertTask
	err := m.act(ctx, k, func(a *chatbox.Alert) error {
		if a.State != chatbox.AlertPending || a.Due.After(now) {
			return chatbox.NotOwner
		}
		m.claims++
		a.Token, a.Due, a.Tries = token, until, a.Tries+1
		task = helpdesk.AlertTask{Key: k, Owner: "ada", Since: now, Alert: *a}
		return nil
	})
	return task, err
}

func (m *memory) MarkAlert(ctx context.Context, k helpdesk.AlertKey, channel string) error {
	return m.act(ctx, k, func(a *chatbox.Alert) error {
		if !slices.Contains(a.Sent, channel) {
			a.Sent = append(slices.Clip(a.Sent), channel)
		}
		return nil
	})
}

func (m *memory) SettleAlert(ctx context.Context, k helpdesk.AlertKey, token string, to chatbox.AlertState, due time.Time) error {
	return m.act(ctx, k, func(a *chatbox.Alert) error {
		if a.State == chatbox.AlertPending && a.Token == token {
			a.State, a.Due, a.Token = to, due, ""
		}
		return nil
	})
}

func (m *memory) set(away bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.away = away
}

func (m *memory) states() map[chatbox.AlertState]int {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := map[chatbox.AlertState]int{}
	for _, a := range m.alerts {
		n[a.State]++
	}
	return n
}

// sink is a channel and the staff. It keeps the messages it accepted.
type sink struct {
	name, kind string
	// refuse, if set, is called before a message is accepted.
	refuse func(ctx context.Context, nth int) error

	mu      sync.Mutex // guards following
	asked   int
	taken   []string
	notices []helpdesk.Notice
	mended  int
}

func (s *sink) Name() string { return s.name }
func (s *sink) Kind() string { return s.kind }

func (s *sink) Send(ctx context.Context, m helpdesk.AlertMessage) error {
	s.mu.Lock()
	s.asked++
	nth := s.asked
	s.mu.Unlock()
	if s.refuse != nil {
		if err := s.refuse(ctx, nth); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.taken = append(s.taken, m.ID)
	return nil
}

func (s *sink) NotifyStaff(_ context.Context, n helpdesk.Notice) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.notices = append(s.notices, n)
	return nil
}

func (s *sink) mend(context.Context, chatbox.SessionKey) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mended++
	return nil
}

func (s *sink) asks() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked
}

func (s *sink) took() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.taken)
}

func (s *sink) told() []helpdesk.Notice {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.notices)
}

// counts counts what is reported.
type counts struct {
	mu sync.Mutex // guards n
	n  map[string]int
}

func (c *counts) AlertTried(kind, outcome string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.n == nil {
		c.n = map[string]int{}
	}
	c.n[kind+" "+outcome]++
}

func (c *counts) of(name string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.n[name]
}

// team is some pods with one store.
type team struct {
	store *memory
	staff *sink
	seen  *counts
}

func newTeam(alerts int) *team {
	return &team{store: newMemory(alerts), staff: &sink{}, seen: &counts{}}
}

// run starts a pod's service. It returns functions that stop it in order or at
// once.
func (tm *team) run(t *testing.T, pod string, channels ...Channel) (s *Service, stop, crash func()) {
	t.Helper()
	s = New(DefaultConfig(), Deps{
		Pod: chatbox.PodID(pod), Store: tm.store, Staff: tm.staff, Channels: channels, Observer: tm.seen, Logger: slog.New(slog.DiscardHandler),
		SyncRecord: tm.staff.mend,
	})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); s.Run(ctx) }()
	stop = func() { cancel(); <-done }
	crash = func() { s.Cut(); cancel(); <-done }
	t.Cleanup(stop)
	return s, stop, crash
}

// pass advances the bubble's clock and waits for what is due.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}
