package api

import (
	"context"

	"github.com/labstack/echo/v4"

	"chatbox"
	"chatbox/hub"
)

func (s *Server) joinSession(ctx context.Context, conn *hub.Conn, cmd command) error {
	return s.deps.Talks.JoinSession(ctx, conn, cmd.ID, cmd.SessionID)
}

func (s *Server) leaveSession(ctx context.Context, conn *hub.Conn, cmd command) error {
	return s.deps.Talks.LeaveSession(ctx, conn, cmd.ID, cmd.SessionID)
}

func (s *Server) watch(ctx context.Context, conn *hub.Conn, cmd command) error {
	return s.deps.Live.Watch(ctx, conn, cmd.SessionID, cmd.Seq)
}

func (s *Server) unwatch(ctx context.Context, conn *hub.Conn, cmd command) error {
	return s.deps.Live.Unwatch(ctx, conn, cmd.SessionID)
}

// taken is the response of both takeover routes.
type taken struct {
	Message   string `json:"message"`
	SessionID string `json:"session_id"`
	AdminID   string `json:"admin_id"`
}

// takeOver serves POST /admin/takeover/{id}.
func (s *Server) takeOver(c echo.Context) error {
	return s.holding(c, s.deps.Talks.TakeOver, "you hold the session")
}

// handBack serves DELETE /admin/takeover/{id}.
func (s *Server) handBack(c echo.Context) error {
	return s.holding(c, s.deps.Talks.HandBack, "the session is handed back")
}

func (s *Server) holding(c echo.Context, act func(context.Context, chatbox.Actor, string) error, done string) error {
	id, err := sessionParam(c)
	if err != nil {
		return err
	}
	if err := act(c.Request().Context(), actorOf(c), id); err != nil {
		return err
	}
	return reply(c, taken{Message: done, SessionID: id, AdminID: actorOf(c).UserID})
}

// transfer serves POST /admin/takeover/{id}/transfer {admin_id, admin_name?}.
func (s *Server) transfer(c echo.Context) error {
	id, err := sessionParam(c)
	if err != nil {
		return err
	}
	var to, name string
	err = fields{
		chatbox.MetaAdminID:   textField(chatbox.MetaAdminID, &to),
		chatbox.MetaAdminName: textField(chatbox.MetaAdminName, &name),
	}.read(c)
	if err == nil && to == "" {
		err = chatbox.Missing(chatbox.MetaAdminID)
	}
	if err != nil {
		return err
	}
	if err := s.deps.Talks.Transfer(c.Request().Context(), actorOf(c), id, to, name); err != nil {
		return err
	}
	return reply(c, taken{Message: "the session is transferred", SessionID: id, AdminID: to})
}

// postAsHolder serves POST /admin/sessions/{id}/messages.
func (s *Server) postAsHolder(c echo.Context) error {
	return s.postWith(c, s.deps.Talks.PostAsHolder)
}

// endAsStaff serves POST /admin/sessions/{id}/end.
func (s *Server) endAsStaff(c echo.Context) error {
	id, err := sessionParam(c)
	if err != nil {
		return err
	}
	if err := s.deps.Talks.EndAsStaff(c.Request().Context(), actorOf(c), id); err != nil {
		return err
	}
	return reply(c, map[string]string{"status": statusEnded})
}
