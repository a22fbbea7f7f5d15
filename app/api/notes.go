package api

import (
	"context"
	"net/http"

	"github.com/labstack/echo/v4"

	"chatbox"
	"chatbox/helpdesk"
)

// Notes are staff's internal notes about sessions.
type Notes interface {
	Notes(ctx context.Context, a chatbox.Actor, id string) ([]helpdesk.Note, error)
	AddNote(ctx context.Context, a chatbox.Actor, id, text string) (helpdesk.Note, error)
	EditNote(ctx context.Context, a chatbox.Actor, id, noteID, text string) (helpdesk.Note, error)
	DeleteNote(ctx context.Context, a chatbox.Actor, id, noteID string) error
}

const fieldText = "text"

// noteRoutes serve the notes of staff on a session.
type noteRoutes struct{ notes Notes }

func (s *noteRoutes) register(e *edge) {
	p := e.cfg.Prefix
	notes := p + "/admin/sessions/:id/notes"
	e.echo.GET(notes, s.listNotes, e.user, e.staff)
	e.echo.POST(notes, s.addNote, e.user, e.admin)
	e.echo.PATCH(notes+"/:note_id", s.editNote, e.user, e.admin)
	e.echo.DELETE(notes+"/:note_id", s.deleteNote, e.user, e.admin)
}

type noteView struct {
	ID        string `json:"id"`
	SessionID string `json:"session_id"`
	AdminID   string `json:"admin_id"` // empty: erased
	AdminName string `json:"admin_name"`
	Text      string `json:"text"`
	CreatedAt string `json:"created_at"`
	UpdatedAt string `json:"updated_at,omitempty"`

	Unreadable bool `json:"unreadable,omitempty"`
}

func viewNote(n helpdesk.Note) noteView {
	return noteView{
		ID: n.ID, SessionID: n.Session.ID, AdminID: n.AuthorID, AdminName: n.AuthorName, Text: n.Text,
		CreatedAt: stamp(n.CreatedAt), UpdatedAt: stampKnown(n.UpdatedAt), Unreadable: n.Unreadable,
	}
}

type noteList struct {
	SessionID string     `json:"session_id"`
	Notes     []noteView `json:"notes"`
	Count     int        `json:"count"`
}

// listNotes serves GET /admin/sessions/{id}/notes, oldest first.
func (s *noteRoutes) listNotes(c echo.Context) error {
	id, err := sessionParam(c)
	if err != nil {
		return err
	}
	notes, err := s.notes.Notes(c.Request().Context(), actorOf(c), id)
	if err != nil {
		return err
	}
	return reply(c, noteList{SessionID: id, Notes: views(notes, viewNote), Count: len(notes)})
}

// addNote serves POST /admin/sessions/{id}/notes {text}.
func (s *noteRoutes) addNote(c echo.Context) error {
	id, err := sessionParam(c)
	if err != nil {
		return err
	}
	var words string
	if err := (fields{fieldText: textField(fieldText, &words)}).read(c); err != nil {
		return err
	}
	n, err := s.notes.AddNote(c.Request().Context(), actorOf(c), id, words)
	if err != nil {
		return err
	}
	return replyAs(c, http.StatusCreated, viewNote(n))
}

// editNote serves PATCH /admin/sessions/{id}/notes/{note_id} {text}.
func (s *noteRoutes) editNote(c echo.Context) error {
	id, err := sessionParam(c)
	if err != nil {
		return err
	}
	var words string
	if err := (fields{fieldText: textField(fieldText, &words)}).read(c); err != nil {
		return err
	}
	n, err := s.notes.EditNote(c.Request().Context(), actorOf(c), id, c.Param("note_id"), words)
	if err != nil {
		return err
	}
	return reply(c, viewNote(n))
}

// deleteNote serves DELETE /admin/sessions/{id}/notes/{note_id}.
func (s *noteRoutes) deleteNote(c echo.Context) error {
	id, err := sessionParam(c)
	if err != nil {
		return err
	}
	if err := s.notes.DeleteNote(c.Request().Context(), actorOf(c), id, c.Param("note_id")); err != nil {
		return err
	}
	return reply(c, statusView{Status: statusDeleted})
}

const statusDeleted = "deleted"

type statusView struct {
	Status string `json:"status"`
}
