package api

import (
	"slices"
	"time"

	"github.com/labstack/echo/v4"

	"chatbox"
)

type timeRange struct {
	Start string `json:"start"`
	End   string `json:"end"`
}

type metricsView struct {
	Active        int64     `json:"active_sessions"`
	Total         int64     `json:"total_sessions"`
	AvgConcurrent float64   `json:"avg_concurrent"`
	MaxConcurrent int64     `json:"max_concurrent"`
	Tokens        int64     `json:"total_tokens"`
	AvgResponse   int64     `json:"avg_response_time"` // milliseconds
	MaxResponse   int64     `json:"max_response_time"` // milliseconds
	Assisted      int64     `json:"admin_assisted_count"`
	Asked         int64     `json:"help_requested_count"`
	Ratings       int64     `json:"ratings_count"`
	AvgRating     float64   `json:"avg_rating"`
	Range         timeRange `json:"time_range"`
}

// periodMetrics serves GET /admin/metrics; the default period is the last day.
func (s *overviewRoutes) periodMetrics(c echo.Context) error {
	from, to, err := periodParams(c, [2]string{"start_time", "start_time_from"}, [2]string{"end_time", "start_time_to"})
	if err != nil {
		return err
	}
	now := time.Now().UTC().Truncate(time.Millisecond)
	switch {
	case to.IsZero() && from.IsZero():
		to, from = now.Add(time.Millisecond), now.Add(-defaultPeriod)
	case to.IsZero():
		to = now.Add(time.Millisecond)
	case from.IsZero():
		from = to.Add(-defaultPeriod)
	}
	switch {
	case !from.Before(to):
		return chatbox.Invalid("start_time", "is after the period's end")
	case to.Sub(from) > maxPeriod+24*time.Hour:
		return chatbox.Invalid("start_time", "is more than 366 days before the period's end")
	}
	m, err := s.overview.Metrics(c.Request().Context(), actorOf(c), from, to)
	if err != nil {
		return err
	}
	sum := m.Sessions
	return reply(c, metricsView{
		Active: sum.Active, Total: sum.Total, AvgConcurrent: m.AvgConcurrent, MaxConcurrent: m.MaxConcurrent, Tokens: sum.Tokens,
		AvgResponse: sum.AvgResponse(), MaxResponse: sum.ResponseMax, Assisted: sum.Assisted, Asked: sum.Asked,
		Ratings: sum.Ratings, AvgRating: sum.AvgRating(),
		Range: timeRange{stamp(m.From), stamp(m.To.Add(-time.Millisecond))}, // both ends are included, as in the parameters
	})
}

type auditView struct {
	N         int64  `json:"n"`
	Time      string `json:"time"`
	Action    string `json:"action"`
	Actor     string `json:"actor"`
	ActorID   string `json:"actor_id,omitempty"`
	SessionID string `json:"session_id,omitempty"`
	User      string `json:"user,omitempty"`
	UserID    string `json:"user_id,omitempty"`
	Hash      string `json:"hash"`
}

type auditList struct {
	Entries    []auditView `json:"entries"`
	Count      int         `json:"count"`
	Limit      int         `json:"limit"`
	NextCursor string      `json:"next_cursor"`
}

// auditRoutes serve the record of staff's acts to admins.
type auditRoutes struct{ trail AuditTrail }

func (s *auditRoutes) register(e *edge) {
	p := e.cfg.Prefix
	e.echo.GET(p+"/admin/audit", s.auditLog, e.user, e.admin, e.query)
	e.echo.GET(p+"/admin/audit/verify", s.verifyAudit, e.user, e.admin)
}

// auditLog serves GET /admin/audit, newest first. A page may be short or empty
// although it is not the last; next_cursor decides.
func (s *auditRoutes) auditLog(c echo.Context) error {
	q := chatbox.AuditQuery{
		Actor: c.QueryParam("actor"), UserID: c.QueryParam("user_id"), Action: chatbox.AuditAction(c.QueryParam("action")), SessionID: c.QueryParam("session_id"),
		Cursor: c.QueryParam("cursor"),
	}
	if q.Actor != "" && !chatbox.ValidUserID(q.Actor) {
		return chatbox.Invalid("actor", "cannot be anybody's")
	}
	if q.UserID != "" && !chatbox.ValidUserID(q.UserID) {
		return chatbox.Invalid("user_id", "cannot be anybody's")
	}
	if q.Action != "" && !knownAction(q.Action) {
		return chatbox.Invalid("action", "is not known")
	}
	if q.SessionID != "" && !chatbox.ValidSessionID(q.SessionID) {
		return chatbox.BadSessionID()
	}
	var err error
	if q.From, q.To, err = periodParams(c, [2]string{"from", "start_time"}, [2]string{"to", "end_time"}); err != nil {
		return err
	}
	limit, err := intParam(c, "limit", 1, maxAudit, defaultAudit)
	if err != nil {
		return err
	}
	q.Limit = int(limit)
	page, err := s.trail.AuditEntries(c.Request().Context(), actorOf(c), q)
	if err != nil {
		return err
	}
	return reply(c, auditList{
		Entries: views(page.Entries, viewAudit), Count: len(page.Entries), Limit: q.Limit, NextCursor: page.Next,
	})
}

func knownAction(a chatbox.AuditAction) bool {
	return slices.Contains(chatbox.AuditActions(), a)
}

func viewAudit(e chatbox.AuditEntry) auditView {
	return auditView{
		N: e.N, Time: stamp(e.Time), Action: string(e.Action), Actor: e.Actor, ActorID: e.ActorID,
		SessionID: e.SessionID, User: e.User, UserID: e.UserID, Hash: e.Hash,
	}
}

type verdictView struct {
	Whole    bool   `json:"whole"`
	Entries  int64  `json:"entries"`
	HeadHash string `json:"head_hash"`
	BrokenAt int64  `json:"broken_at,omitempty"`
	Why      string `json:"why,omitempty"`
}

// verifyAudit serves GET /admin/audit/verify. It reads the whole log.
func (s *auditRoutes) verifyAudit(c echo.Context) error {
	v, err := s.trail.VerifyAudit(c.Request().Context(), actorOf(c))
	if err != nil {
		return err
	}
	return reply(c, verdictView{Whole: v.BrokenAt == 0, Entries: v.Entries, HeadHash: v.HeadHash, BrokenAt: v.BrokenAt, Why: v.Why})
}
