package api

import (
	"slices"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"chatbox"
	"chatbox/helpdesk"
)

// Page sizes and lengths of periods (docs/protocol/openapi.yaml).
const (
	defaultStaffSessions = 50
	maxStaffSessions     = 1000
	maxOffset            = 100_000
	defaultAudit         = 100
	maxAudit             = 500
	defaultPeriod        = 24 * time.Hour
	maxPeriod            = 366 * 24 * time.Hour
)

// overviewRoutes serve all sessions of a tenant to staff, and their figures.
type overviewRoutes struct {
	overview Overview
	view     viewer
}

func (s *overviewRoutes) register(e *edge) {
	admin := e.cfg.Prefix + "/admin"
	e.echo.GET(admin+"/sessions", s.allSessions, e.user, e.staff, e.query)
	e.echo.GET(admin+"/sessions/:id", s.anySession, e.user, e.staff, e.query)
	e.echo.GET(admin+"/previews", s.previews, e.user, e.staff, e.query)
	e.echo.GET(admin+"/users/:id/sessions", s.userSessions, e.user, e.staff, e.query)
	e.echo.GET(admin+"/metrics", s.periodMetrics, e.user, e.staff, e.query)
}

type staffList struct {
	Sessions   []staffSessionView `json:"sessions"`
	Count      int                `json:"count"`
	Total      int64              `json:"total"`
	TotalExact bool               `json:"total_exact"` // false: counting stopped at a limit
	Limit      int                `json:"limit"`
	Offset     int                `json:"offset"`
	NextCursor string             `json:"next_cursor"`
}

// allSessions serves GET /admin/sessions.
func (s *overviewRoutes) allSessions(c echo.Context) error {
	q, err := staffQuery(c)
	if err != nil {
		return err
	}
	page, err := s.overview.AllSessions(c.Request().Context(), actorOf(c), q)
	if err != nil {
		return err
	}
	return reply(c, staffList{
		Sessions: views(page.Sessions, viewForStaff), Count: len(page.Sessions), Total: page.Total, TotalExact: !page.More,
		Limit: q.Limit, Offset: q.Offset, NextCursor: page.Next,
	})
}

func staffQuery(c echo.Context) (q helpdesk.StaffQuery, err error) {
	q = helpdesk.StaffQuery{
		UserID: c.QueryParam("user_id"), Status: c.QueryParam("status"), Cursor: c.QueryParam("cursor"),
		Name: c.QueryParam("name"),
		Sort: helpdesk.SortActivity, Desc: true,
	}
	if q.UserID != "" && !chatbox.ValidUserID(q.UserID) {
		return q, chatbox.Invalid("user_id", "cannot be a user's")
	}
	if q.Status != "" && q.Status != statusActive && q.Status != statusEnded {
		return q, chatbox.Invalid("status", "must be active or ended")
	}
	if q.Assisted, err = flagParam(c, "admin_assisted"); err != nil {
		return q, err
	}
	if q.Help, err = flagParam(c, "help_requested"); err != nil {
		return q, err
	}
	switch q.Feedback = chatbox.Opinion(c.QueryParam("feedback")); q.Feedback {
	case "", chatbox.OpinionUp, chatbox.OpinionDown:
	default:
		return q, chatbox.Invalid("feedback", "must be up or down")
	}
	if err = labelParams(c, &q); err != nil {
		return q, err
	}
	if q.From, q.To, err = periodParams(c, [2]string{"start_time_from", "start_time"}, [2]string{"start_time_to", "end_time"}); err != nil {
		return q, err
	}
	if by := helpdesk.SessionSort(c.QueryParam("sort_by")); by != "" {
		if !slices.Contains(helpdesk.SessionSorts(), by) {
			return q, chatbox.Invalid("sort_by", "must be start_time, end_time, last_activity, duration, message_count, total_tokens, user_id or waiting_since")
		}
		q.Sort = by
	}
	switch c.QueryParam("sort_order") {
	case "", "desc":
	case "asc":
		q.Desc = false
	default:
		return q, chatbox.Invalid("sort_order", "must be asc or desc")
	}
	limit, err := intParam(c, "limit", 1, maxStaffSessions, defaultStaffSessions)
	if err != nil {
		return q, err
	}
	offset, err := intParam(c, "offset", 0, maxOffset, 0)
	if err != nil {
		return q, err
	}
	q.Limit, q.Offset = int(limit), int(offset)
	if q.Cursor != "" && c.QueryParam("offset") != "" && offset != 0 {
		return q, chatbox.Invalid("offset", "cannot be combined with cursor")
	}
	return q, nil
}

// flagParam returns a query parameter that is true or false, or nil if it is
// absent.
func flagParam(c echo.Context, name string) (*bool, error) {
	raw := c.QueryParam(name)
	if raw == "" {
		return nil, nil //nolint:nilnil // not asked for
	}
	v, err := strconv.ParseBool(raw)
	if err != nil {
		return nil, chatbox.Invalid(name, "must be true or false")
	}
	return &v, nil
}

// periodParams parses a period. Each end is the first of its parameter names that
// is present: a time or a date; as the last day, a date includes the whole day.
// The result is from ≤ time < to. An absent end is the zero time.
func periodParams(c echo.Context, froms, tos [2]string) (from, to time.Time, err error) {
	if from, _, err = timeParam(c, froms, false); err != nil {
		return from, to, err
	}
	var name string
	if to, name, err = timeParam(c, tos, true); err != nil {
		return from, to, err
	}
	if !from.IsZero() && !to.IsZero() && !from.Before(to) {
		return from, to, chatbox.Invalid(name, "is before the period's start")
	}
	return from, to, nil
}

func timeParam(c echo.Context, names [2]string, end bool) (time.Time, string, error) {
	for _, name := range names {
		raw := c.QueryParam(name)
		if raw == "" {
			continue
		}
		if t, err := time.Parse(time.RFC3339, raw); err == nil && sensible(t) {
			if end {
				t = t.Add(time.Millisecond) // the given moment is included
			}
			return t.UTC(), name, nil
		}
		t, err := time.Parse(time.DateOnly, raw)
		if err != nil || !sensible(t) {
			return time.Time{}, name, chatbox.Invalid(name, "must be a time as of RFC 3339 or a date")
		}
		if end {
			t = t.AddDate(0, 0, 1)
		}
		return t, name, nil
	}
	return time.Time{}, names[0], nil
}

// sensible reports whether the time can be stored in milliseconds.
func sensible(t time.Time) bool { return t.Year() >= 1 && t.Year() <= 9998 }

// anySession serves GET /admin/sessions/{id}, with the content that its owner
// sees.
func (s *overviewRoutes) anySession(c echo.Context) error {
	return historyOf(c, s.view, s.overview.AnyHistory)
}

// userSessions serves GET /admin/users/{id}/sessions.
func (s *overviewRoutes) userSessions(c echo.Context) error {
	id, err := userParam(c)
	if err != nil {
		return err
	}
	return sessionsOf(c, chatbox.UserKey{ID: id}, s.overview.UserSessions, viewForStaff)
}
