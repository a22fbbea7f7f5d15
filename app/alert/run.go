package alert

import (
	"context"
	crand "crypto/rand"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"chatbox"
	"chatbox/helpdesk"
	"chatbox/internal/retry"
	"chatbox/internal/sleep"
)

// sweepPage is the maximum number of due alerts read at once.
const sweepPage = 50

// Run sends due alerts until ctx ends. It then waits for the running attempts, at
// most for the timeout of one attempt.
func (s *Service) Run(ctx context.Context) {
	life, cut := context.WithCancel(context.WithoutCancel(ctx)) // context of the running attempts
	defer cut()
	s.cut.Store(&cut)
	var wg sync.WaitGroup
	for range s.cfg.Workers {
		wg.Go(func() { s.work(ctx, life) })
	}
	for sleep.For(ctx, s.cfg.SweepEvery*3/4+rand.N(s.cfg.SweepEvery/2)) { //nolint:gosec // jitter needs no secrecy
		s.sweep(ctx)
	}
	late := time.AfterFunc(s.cfg.SendTimeout, cut)
	defer late.Stop()
	wg.Wait()
}

// work sends alerts until ctx ends; life limits the running attempt.
func (s *Service) work(ctx, life context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case k := <-s.jobs:
			if ctx.Err() == nil {
				s.tell(life, k)
			}
		}
	}
}

// sweep queues the alerts left by crashed pods, failures and full queues.
func (s *Service) sweep(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.SendTimeout)
	defer cancel()
	due, err := s.Store.DueAlerts(ctx, time.Now(), sweepPage)
	if err != nil {
		s.Logger.DebugContext(ctx, "due alerts not read", "error", err)
		return
	}
	for _, k := range due {
		s.add(k)
	}
}

// tell claims the alert and sends it by every channel that has not accepted it.
// It sends nothing after the claim may have expired.
func (s *Service) tell(life context.Context, k helpdesk.AlertKey) {
	now := time.Now()
	ctx, cancel := context.WithDeadline(life, now.Add(s.cfg.Lease*3/4))
	defer cancel()
	token := string(s.Pod) + "." + strings.ToLower(crand.Text())
	task, err := s.Store.ClaimAlert(ctx, k, token, now, now.Add(s.cfg.Lease))
	if err != nil {
		if !stale(err) {
			s.Logger.DebugContext(ctx, "alert not claimed", "session", k.Session.ID, "error", err)
		}
		return
	}
	if err := s.SyncRecord(ctx, k.Session); err != nil {
		s.Logger.DebugContext(ctx, "session not brought up to date", "session", k.Session.ID, "error", err)
	}
	failed := s.sendAll(life, ctx, task)
	if life.Err() != nil {
		return // as if the process had ended: the claim expires
	}
	state, due := chatbox.AlertDone, now
	switch {
	case len(failed) == 0:
	case task.Alert.Tries >= s.cfg.Tries:
		state = chatbox.AlertFailed
	default:
		state, due = chatbox.AlertPending, time.Now().Add(s.backoff(task.Alert.Tries))
	}
	s.persist(life, k, func(ctx context.Context) error { return s.Store.SettleAlert(ctx, k, token, state, due) })
	s.report(life, task, failed, state)
}

// sendAll sends the message by all channels concurrently, each with its own
// timeout, and returns those that failed.
func (s *Service) sendAll(life, ctx context.Context, t helpdesk.AlertTask) []Channel {
	m := helpdesk.AlertMessage{
		ID: t.Key.ID(), Event: helpdesk.NoticeHelp, Tenant: t.Key.Session.Tenant, SessionID: t.Key.Session.ID, UserID: t.Owner, Time: t.Since,
	}
	var mu sync.Mutex // guards failed
	var failed []Channel
	var wg sync.WaitGroup
	for _, c := range s.Channels {
		if slices.Contains(t.Alert.Sent, c.Name()) {
			continue
		}
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, s.cfg.SendTimeout)
			defer cancel()
			err := c.Send(ctx, m)
			s.away[c.Name()].Note(ctx, err)
			if err != nil {
				s.Logger.DebugContext(ctx, "alert not taken", "channel", c.Name(), "alert", m.ID, "try", t.Alert.Tries, "error", err)
				mu.Lock()
				defer mu.Unlock()
				failed = append(failed, c)
				return
			}
			s.Observer.AlertTried(c.Kind(), OutcomeSent)
			s.persist(life, t.Key, func(ctx context.Context) error { return s.Store.MarkAlert(ctx, t.Key, c.Name()) })
		})
	}
	wg.Wait()
	return failed
}

// persist retries an idempotent write until the claim ends. If the history stays
// unavailable, the alert may be sent again with the same id.
func (s *Service) persist(ctx context.Context, k helpdesk.AlertKey, write func(ctx context.Context) error) {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.Lease)
	defer cancel()
	b := retry.Backoff{First: 50 * time.Millisecond, Longest: time.Second}
	always := func(error) bool { return true }
	if err := retry.While(ctx, b, always, func() error { return write(ctx) }); err != nil {
		s.Logger.WarnContext(ctx, "alert's state not stored", "session", k.Session.ID, "error", err)
	}
}

// report counts the failures. If the alert is given up, it notifies the connected
// admins, once for each kind of channel.
func (s *Service) report(ctx context.Context, t helpdesk.AlertTask, failed []Channel, state chatbox.AlertState) {
	outcome := OutcomeRetried
	if state == chatbox.AlertFailed {
		outcome = OutcomeFailed
	}
	var told []string
	for _, c := range failed {
		s.Observer.AlertTried(c.Kind(), outcome)
		if state != chatbox.AlertFailed || c.Kind() == helpdesk.ViaStaff || slices.Contains(told, c.Kind()) {
			continue
		}
		told = append(told, c.Kind())
		s.Logger.ErrorContext(ctx, "alert given up", "channel", c.Name(), "alert", t.Key.ID(), "session", t.Key.Session.ID)
		n := helpdesk.Notice{
			Tenant: t.Key.Session.Tenant, Event: helpdesk.NoticeAlertFailed, SessionID: t.Key.Session.ID, UserID: t.Owner,
			Channel: c.Kind(), Time: time.Now(),
		}
		if err := s.Staff.NotifyStaff(ctx, n); err != nil {
			s.Logger.WarnContext(ctx, "staff not notified of a failed alert", "error", err)
		}
	}
}

// backoff returns the delay after the given number of tries. It is jittered, so
// that alerts that failed together are not retried together.
func (s *Service) backoff(tries int) time.Duration {
	d := s.cfg.Backoff
	for i := 1; i < tries && d < s.cfg.BackoffMax; i++ {
		d *= 2
	}
	d = min(d, s.cfg.BackoffMax)
	return d*3/4 + rand.N(d/2+1) //nolint:gosec // jitter needs no secrecy
}
