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

// replyRoutes serve the canned replies of staff.
type replyRoutes struct{ replies Replies }

func (s *replyRoutes) register(e *edge) {
	p := e.cfg.Prefix
	replies := p + "/admin/replies"
	e.echo.GET(replies, s.listReplies, e.user, e.staff)
	e.echo.POST(replies, s.addReply, e.user, e.admin)
	e.echo.PUT(replies+"/:reply_id", s.replaceReply, e.user, e.admin)
	e.echo.DELETE(replies+"/:reply_id", s.deleteReply, e.user, e.admin)
	e.echo.POST(replies+"/:reply_id/render", s.renderReply, e.user, e.staff)
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
func (s *replyRoutes) listReplies(c echo.Context) error {
	replies, err := s.replies.Replies(c.Request().Context(), actorOf(c))
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
func (s *replyRoutes) addReply(c echo.Context) error {
	r, err := readReply(c)
	if err != nil {
		return err
	}
	if r, err = s.replies.AddReply(c.Request().Context(), actorOf(c), r); err != nil {
		return err
	}
	return replyAs(c, http.StatusCreated, viewReply(r))
}

// replaceReply serves PUT /admin/replies/{reply_id}.
func (s *replyRoutes) replaceReply(c echo.Context) error {
	r, err := readReply(c)
	if err != nil {
		return err
	}
	r.ID = c.Param("reply_id")
	if r, err = s.replies.ReplaceReply(c.Request().Context(), actorOf(c), r); err != nil {
		return err
	}
	return reply(c, viewReply(r))
}

// deleteReply serves DELETE /admin/replies/{reply_id}.
func (s *replyRoutes) deleteReply(c echo.Context) error {
	if err := s.replies.DeleteReply(c.Request().Context(), actorOf(c), c.Param("reply_id")); err != nil {
		return err
	}
	return reply(c, statusView{Status: statusDeleted})
}

type renderedView struct {
	Content string   `json:"content"`
	Missing []string `json:"missing"`
}

// renderReply serves POST /admin/replies/{reply_id}/render {session_id}.
func (s *replyRoutes) renderReply(c echo.Context) error {
	var sessionID string
	if err := (fields{fieldSession: textField(fieldSession, &sessionID)}).read(c); err != nil {
		return err
	}
	if sessionID == "" {
		return chatbox.Missing(fieldSession)
	}
	content, missing, err := s.replies.RenderReply(c.Request().Context(), actorOf(c), c.Param("reply_id"), sessionID)
	if err != nil {
		return err
	}
	return reply(c, renderedView{Content: content, Missing: missing})
}
