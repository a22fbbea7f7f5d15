package api

import (
	"context"

	"github.com/labstack/echo/v4"

	"chatbox"
	"chatbox/hub"
)

func (s *sockets) joinSession(ctx context.Context, conn *hub.Conn, cmd command) error {
	return s.deps.Talks.JoinSession(ctx, conn, cmd.ID, cmd.SessionID)
}

func (s *sockets) leaveSession(ctx context.Context, conn *hub.Conn, cmd command) error {
	return s.deps.Talks.LeaveSession(ctx, conn, cmd.ID, cmd.SessionID)
}

func (s *sockets) watch(ctx context.Context, conn *hub.Conn, cmd command) error {
	return s.deps.Live.Watch(ctx, conn, cmd.SessionID, cmd.Seq)
}

func (s *sockets) unwatch(ctx context.Context, conn *hub.Conn, cmd command) error {
	return s.deps.Live.Unwatch(ctx, conn, cmd.SessionID)
}

// takeoverRoutes serve what staff does in sessions without a socket.
type takeoverRoutes struct {
	staffing Staffing
	serving  Serving
}

func (s *takeoverRoutes) register(e *edge) {
	admin := e.cfg.Prefix + "/admin"
	e.echo.POST(admin+"/takeover/:id", s.takeOver, e.user, e.admin)
	e.echo.DELETE(admin+"/takeover/:id", s.handBack, e.user, e.admin)
	e.echo.POST(admin+"/takeover/:id/transfer", s.transfer, e.user, e.admin)
	e.echo.POST(admin+"/sessions/:id/messages", s.postAsHolder, e.user, e.admin)
	e.echo.POST(admin+"/sessions/:id/end", s.endAsStaff, e.user, e.admin)
}

// taken is the response of both takeover routes.
type taken struct {
	Message   string `json:"message"`
	SessionID string `json:"session_id"`
	AdminID   string `json:"admin_id"`
}

// takeOver serves POST /admin/takeover/{id}.
func (s *takeoverRoutes) takeOver(c echo.Context) error {
	return s.holding(c, s.staffing.TakeOver, "you hold the session")
}

// handBack serves DELETE /admin/takeover/{id}.
func (s *takeoverRoutes) handBack(c echo.Context) error {
	return s.holding(c, s.staffing.HandBack, "the session is handed back")
}

func (s *takeoverRoutes) holding(c echo.Context, act func(context.Context, chatbox.Actor, string) error, done string) error {
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
func (s *takeoverRoutes) transfer(c echo.Context) error {
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
	if err := s.serving.Transfer(c.Request().Context(), actorOf(c), id, to, name); err != nil {
		return err
	}
	return reply(c, taken{Message: "the session is transferred", SessionID: id, AdminID: to})
}

// postAsHolder serves POST /admin/sessions/{id}/messages.
func (s *takeoverRoutes) postAsHolder(c echo.Context) error {
	return postWith(c, s.serving.PostAsHolder)
}

// endAsStaff serves POST /admin/sessions/{id}/end.
func (s *takeoverRoutes) endAsStaff(c echo.Context) error {
	id, err := sessionParam(c)
	if err != nil {
		return err
	}
	if err := s.serving.EndAsStaff(c.Request().Context(), actorOf(c), id); err != nil {
		return err
	}
	return reply(c, map[string]string{"status": statusEnded})
}
