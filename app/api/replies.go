package api

import (
	"context"
	"net/http"

	"github.com/labstack/echo/v4"

	"chatbox"
	"chatbox/helpdesk"
)

// Replies are staff's canned replies.
type Replies interface {
	Replies(ctx context.Context, a chatbox.Actor) ([]helpdesk.CannedReply, error)
	AddReply(ctx context.Context, a chatbox.Actor, r helpdesk.CannedReply) (helpdesk.CannedReply, error)
	ReplaceReply(ctx context.Context, a chatbox.Actor, r helpdesk.CannedReply) (helpdesk.CannedReply, error)
	DeleteReply(ctx context.Context, a chatbox.Actor, id string) error
	// RenderReply fills in a reply for a session. missing names the variables
	// that have neither a value nor a fallback.
	RenderReply(ctx context.Context, a chatbox.Actor, id, sessionID string) (content string, missing []string, err error)
}

func (s *Server) replyRoutes(p string) {
	replies := p + "/admin/replies"
	s.echo.GET(replies, s.listReplies, s.user, s.staff)
	s.echo.POST(replies, s.addReply, s.user, s.admin)
	s.echo.PUT(replies+"/:reply_id", s.replaceReply, s.user, s.admin)
	s.echo.DELETE(replies+"/:reply_id", s.deleteReply, s.user, s.admin)
	s.echo.POST(replies+"/:reply_id/render", s.renderReply, s.user, s.staff)
}

type replyView struct {
	ID        string   `json:"id"`
	Shortcut  string   `json:"shortcut"`
	Title     string   `json:"title"`
	Text      string   `json:"text"`
	Variables []string `json:"variables"`
	UpdatedAt string   `json:"updated_at"`
	UpdatedBy string   `json:"updated_by"` // empty: erased

	Unreadable bool `json:"unreadable,omitempty"`
}

func viewReply(r helpdesk.CannedReply) replyView {
	return replyView{
		ID: r.ID, Shortcut: r.Shortcut, Title: r.Title, Text: r.Text, Variables: r.Variables(),
		UpdatedAt: stamp(r.UpdatedAt), UpdatedBy: r.UpdatedBy, Unreadable: r.Unreadable,
	}
}

type replyList struct {
	Replies []replyView `json:"replies"`
	Count   int         `json:"count"`
}

// listReplies serves GET /admin/replies, by shortcut.
func (s *Server) listReplies(c echo.Context) error {
	replies, err := s.deps.HelpDesk.Replies.Replies(c.Request().Context(), actorOf(c))
	if err != nil {
		return err
	}
	return reply(c, replyList{Replies: views(replies, viewReply), Count: len(replies)})
}

// readReply parses a body {shortcut, title?, text}.
func readReply(c echo.Context) (r helpdesk.CannedReply, err error) {
	err = fields{
		"shortcut": textField("shortcut", &r.Shortcut), "title": textField("title", &r.Title), fieldText: textField(fieldText, &r.Text),
	}.read(c)
	return r, err
}

// addReply serves POST /admin/replies.
func (s *Server) addReply(c echo.Context) error {
	r, err := readReply(c)
	if err != nil {
		return err
	}
	if r, err = s.deps.HelpDesk.Replies.AddReply(c.Request().Context(), actorOf(c), r); err != nil {
		return err
	}
	return replyAs(c, http.StatusCreated, viewReply(r))
}

// replaceReply serves PUT /admin/replies/{reply_id}.
func (s *Server) replaceReply(c echo.Context) error {
	r, err := readReply(c)
	if err != nil {
		return err
	}
	r.ID = c.Param("reply_id")
	if r, err = s.deps.HelpDesk.Replies.ReplaceReply(c.Request().Context(), actorOf(c), r); err != nil {
		return err
	}
	return reply(c, viewReply(r))
}

// deleteReply serves DELETE /admin/replies/{reply_id}.
func (s *Server) deleteReply(c echo.Context) error {
	if err := s.deps.HelpDesk.Replies.DeleteReply(c.Request().Context(), actorOf(c), c.Param("reply_id")); err != nil {
		return err
	}
	return reply(c, statusView{Status: statusDeleted})
}

type renderedView struct {
	Content string   `json:"content"`
	Missing []string `json:"missing"`
}

// renderReply serves POST /admin/replies/{reply_id}/render {session_id}.
func (s *Server) renderReply(c echo.Context) error {
	var sessionID string
	if err := (fields{fieldSession: textField(fieldSession, &sessionID)}).read(c); err != nil {
		return err
	}
	if sessionID == "" {
		return chatbox.Missing(fieldSession)
	}
	content, missing, err := s.deps.HelpDesk.Replies.RenderReply(c.Request().Context(), actorOf(c), c.Param("reply_id"), sessionID)
	if err != nil {
		return err
	}
	return reply(c, renderedView{Content: content, Missing: missing})
}
