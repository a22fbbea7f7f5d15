package api

import (
	"context"
	"encoding/json"
	"math"

	"github.com/labstack/echo/v4"

	"chatbox"
)

// Page sizes (docs/protocol/openapi.yaml).
const (
	defaultSessions = 50
	maxSessions     = 200
	maxMessages     = 500
)

type sessionList[V any] struct {
	Sessions   []V    `json:"sessions"`
	UserID     string `json:"user_id"`
	Count      int    `json:"count"`
	Limit      int    `json:"limit"`
	Truncated  bool   `json:"truncated"`
	NextCursor string `json:"next_cursor"`
}

// sessionRoutes serve the sessions of a user to the user.
type sessionRoutes struct {
	library  Library
	posting  Posting
	controls Controls
	privacy  Privacy
	view     viewer
}

func (s *sessionRoutes) register(e *edge) {
	sessions := e.cfg.Prefix + "/sessions"
	e.echo.GET(sessions, s.listSessions, e.user, e.query)
	e.echo.GET(sessions+"/:id", s.showSession, e.user, e.query)
	e.echo.PATCH(sessions+"/:id", s.renameSession, e.user)
	e.echo.DELETE(sessions+"/:id", s.eraseSession, e.user)
	e.echo.POST(sessions+"/:id/end", s.endSession, e.user)
	e.echo.POST(sessions+"/:id/messages", s.postMessage, e.user)
}

// listSessions serves GET /sessions: the caller's own, newest activity first.
func (s *sessionRoutes) listSessions(c echo.Context) error {
	return sessionsOf(c, actorOf(c).User(), s.library.Sessions, viewSession)
}

// sessionsOf responds with a page of a person's sessions, each rendered by view.
func sessionsOf[V any](
	c echo.Context, user chatbox.UserKey,
	list func(context.Context, chatbox.Actor, chatbox.SessionQuery) (chatbox.SessionPage, error),
	view func(chatbox.Session) V,
) error {
	limit, err := intParam(c, "limit", 1, maxSessions, defaultSessions)
	if err != nil {
		return err
	}
	status := c.QueryParam("status")
	if status != "" && status != statusActive && status != statusEnded {
		return chatbox.Invalid("status", "must be active or ended")
	}
	page, err := list(c.Request().Context(), actorOf(c), chatbox.SessionQuery{
		User: user, Status: status, Limit: int(limit), Cursor: c.QueryParam("cursor"),
	})
	if err != nil {
		return err
	}
	return reply(c, sessionList[V]{
		Sessions: views(page.Sessions, view), UserID: user.ID, Count: len(page.Sessions),
		Limit: int(limit), Truncated: page.Next != "", NextCursor: page.Next,
	})
}

type sessionHistory struct {
	SessionID string        `json:"session_id"`
	Name      string        `json:"name"`
	ModelID   string        `json:"model_id"`
	Status    string        `json:"status"`
	HeadSeq   int64         `json:"head_seq"`
	Messages  []messageView `json:"messages"`
	Truncated bool          `json:"truncated"`

	Unreadable bool `json:"unreadable,omitempty"` // refers to the session itself
}

// showSession serves GET /sessions/{id}: one page of its history, oldest first.
func (s *sessionRoutes) showSession(c echo.Context) error {
	return historyOf(c, s.view, s.library.History)
}

// historyOf responds with a page of the session in the path.
func historyOf(
	c echo.Context, v viewer, read func(context.Context, chatbox.Actor, string, chatbox.HistoryQuery) (chatbox.History, error),
) error {
	id, err := sessionParam(c)
	if err != nil {
		return err
	}
	q, err := historyQuery(c)
	if err != nil {
		return err
	}
	h, err := read(c.Request().Context(), actorOf(c), id, q)
	if err != nil {
		return err
	}
	view := v.message
	if oldPage(c) {
		view = v.forPages
	}
	return reply(c, viewHistory(h, view))
}

// oldPage reports whether the request may come from a page of the earlier
// service: a browser that asks for a history without parameters. Other clients
// get the exact content.
func oldPage(c echo.Context) bool {
	h := c.Request().Header
	return c.Request().URL.RawQuery == "" && (h.Get("Origin") != "" || h.Get("Referer") != "" || h.Get("Sec-Fetch-Mode") != "")
}

func viewHistory(h chatbox.History, view func(chatbox.Event) messageView) sessionHistory {
	return sessionHistory{
		SessionID: h.Session.Key.ID, Name: h.Session.Name, ModelID: h.Session.State.ModelID,
		Status: statusOf(h.Session), HeadSeq: h.Session.State.Head,
		Messages: views(h.Events, view), Truncated: h.Truncated, Unreadable: h.Session.Unreadable,
	}
}

func historyQuery(c echo.Context) (chatbox.HistoryQuery, error) {
	var q chatbox.HistoryQuery
	limit, err := intParam(c, "limit", 1, maxMessages, maxMessages)
	if err != nil {
		return q, err
	}
	before, err := intParam(c, "before_seq", 1, math.MaxInt64, 0)
	if err != nil {
		return q, err
	}
	after, err := intParam(c, "after_seq", 0, math.MaxInt64, -1)
	if err != nil {
		return q, err
	}
	if before != 0 && after >= 0 {
		return q, chatbox.Invalid("before_seq", "cannot be combined with after_seq")
	}
	return chatbox.HistoryQuery{Limit: int(limit), BeforeSeq: before, AfterSeq: after}, nil
}

// renameSession serves PATCH /sessions/{id}.
func (s *sessionRoutes) renameSession(c echo.Context) error {
	id, err := sessionParam(c)
	if err != nil {
		return err
	}
	var name *string
	err = fields{fieldName: func(raw json.RawMessage) error {
		given, err := text(fieldName, raw)
		name = &given
		return err
	}}.read(c)
	if err != nil {
		return err
	}
	if name == nil {
		return chatbox.Missing(fieldName)
	}
	sess, err := s.library.Rename(c.Request().Context(), actorOf(c), id, *name)
	if err != nil {
		return err
	}
	return reply(c, viewSession(sess))
}

const fieldName = "name"

// endSession serves POST /sessions/{id}/end, which is idempotent.
func (s *sessionRoutes) endSession(c echo.Context) error {
	id, err := sessionParam(c)
	if err != nil {
		return err
	}
	if err := s.controls.End(c.Request().Context(), actorOf(c), id); err != nil {
		return err
	}
	return reply(c, map[string]string{"status": statusEnded})
}

// eraseSession serves DELETE /sessions/{id}. An erased session is not found
// afterwards.
func (s *sessionRoutes) eraseSession(c echo.Context) error {
	id, err := sessionParam(c)
	if err != nil {
		return err
	}
	if err := s.privacy.Erase(c.Request().Context(), actorOf(c), id); err != nil {
		return err
	}
	return reply(c, map[string]string{"status": "erased"})
}

// sessionParam returns the session in the path. An invalid id is not found.
func sessionParam(c echo.Context) (string, error) {
	id := c.Param("id")
	if !chatbox.NameableSession(id) {
		return "", chatbox.NewError(chatbox.NotFound, "", nil)
	}
	return id, nil
}
