package history

import (
	"context"
	"math"
	"time"

	"chatbox"
	"chatbox/helpdesk"
)

// AllSessions pages through the sessions of the caller's tenant. It is not
// audited: consoles poll it, and it shows no message.
func (s *Service) AllSessions(ctx context.Context, a chatbox.Actor, q helpdesk.StaffQuery) (helpdesk.StaffPage, error) {
	if !a.Staff() {
		return helpdesk.StaffPage{}, chatbox.StaffOnly()
	}
	q.Tenant = a.Tenant
	var page helpdesk.StaffPage
	err := s.deps.Turns.ReadInTurn(ctx, a, func(ctx context.Context) (err error) {
		page, err = s.deps.Overview.All(ctx, q)
		return err
	})
	if err == nil {
		s.complete(ctx, page.Sessions)
	}
	return page, err
}

// UserSessions pages through a user's sessions as the user would. It writes an
// audit entry.
func (s *Service) UserSessions(ctx context.Context, a chatbox.Actor, q chatbox.SessionQuery) (chatbox.SessionPage, error) {
	if !a.Staff() {
		return chatbox.SessionPage{}, chatbox.StaffOnly()
	}
	q.User.Tenant = a.Tenant
	if err := s.deps.Audit.Record(ctx, a, chatbox.AuditUserSessions, chatbox.AuditSubject{UserID: q.User.ID}); err != nil {
		return chatbox.SessionPage{}, err
	}
	return s.list(ctx, q)
}

// AnyHistory is History for any session of the caller's tenant. It writes an
// audit entry.
func (s *Service) AnyHistory(ctx context.Context, a chatbox.Actor, sessionID string, q chatbox.HistoryQuery) (chatbox.History, error) {
	if !a.Staff() {
		return chatbox.History{}, chatbox.StaffOnly()
	}
	if !chatbox.ValidSessionID(sessionID) {
		return chatbox.History{}, chatbox.NoSuchSession()
	}
	sess, err := s.log.Load(ctx, a.Session(sessionID))
	if err != nil {
		return chatbox.History{}, err
	}
	if sess.WasErased() {
		return chatbox.History{}, chatbox.NoSuchSession()
	}
	about := chatbox.AuditSubject{SessionID: sessionID, UserID: sess.Owner}
	if err := s.deps.Audit.Record(ctx, a, chatbox.AuditSessionRead, about); err != nil {
		return chatbox.History{}, err
	}
	return s.historyPage(ctx, a, sess, q)
}

// Metrics returns the figures of the caller's tenant for from ≤ time < to. The
// sessions' figures come from one read of the history, the concurrency from
// the pods' counts. The average covers the time from the first presence within
// the period until its end or now, including minutes without sessions.
func (s *Service) Metrics(ctx context.Context, a chatbox.Actor, from, to time.Time) (helpdesk.Metrics, error) {
	if !a.Staff() {
		return helpdesk.Metrics{}, chatbox.StaffOnly()
	}
	var sum helpdesk.SessionSummary
	var concurrency helpdesk.Concurrency
	err := s.deps.Turns.ReadInTurn(ctx, a, func(ctx context.Context) (err error) {
		if sum, err = s.deps.Overview.Summary(ctx, a.Tenant, from, to); err == nil {
			concurrency, err = s.deps.Concurrency.Total(ctx, a.Tenant, from.Truncate(time.Minute), to)
		}
		return err
	})
	if err != nil {
		return helpdesk.Metrics{}, err
	}
	return helpdesk.Metrics{
		From: from, To: to, Sessions: sum, AvgConcurrent: average(concurrency, from, to, s.log.Now()), MaxConcurrent: concurrency.Peak,
	}, nil
}

// average returns the mean concurrency, rounded to hundredths.
func average(c helpdesk.Concurrency, from, to, now time.Time) float64 {
	if c.Since.IsZero() {
		return 0
	}
	since, until := c.Since, to
	if from.After(since) {
		since = from
	}
	if now.Before(until) {
		until = now
	}
	over := max(until.Sub(since), time.Second).Seconds()
	return math.Min(math.Round(c.Seconds/over*100)/100, float64(c.Peak))
}

// AuditEntries pages through the audit log of the caller's tenant. The first
// page writes an audit entry itself. Only admins may read the log.
func (s *Service) AuditEntries(ctx context.Context, a chatbox.Actor, q chatbox.AuditQuery) (chatbox.AuditPage, error) {
	if !a.Admin() {
		return chatbox.AuditPage{}, chatbox.StaffOnly()
	}
	q.Tenant = a.Tenant
	if q.Cursor == "" {
		if err := s.deps.Audit.Record(ctx, a, chatbox.AuditLogRead, chatbox.AuditSubject{}); err != nil {
			return chatbox.AuditPage{}, err
		}
	}
	return s.deps.Audit.Entries(ctx, q)
}

// VerifyAudit verifies the whole audit log of the caller's tenant.
func (s *Service) VerifyAudit(ctx context.Context, a chatbox.Actor) (chatbox.AuditVerdict, error) {
	if !a.Admin() {
		return chatbox.AuditVerdict{}, chatbox.StaffOnly()
	}
	return s.deps.Audit.Verify(ctx, a.Tenant)
}
