package desk

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"chatbox"
	"chatbox/cluster"
	"chatbox/helpdesk"
)

// Ephemerals reach the sockets of a session on any pod.
type Ephemerals interface {
	// PublishEphemeral sends the update to every pod with sockets of the session,
	// at most once.
	PublishEphemeral(ctx context.Context, u cluster.Update) error
}

// NotesDeps are the ports of Notes; all are required.
type NotesDeps struct {
	Catalog    Catalog
	Audit      Audit
	Cards      Cards
	Ephemerals Ephemerals
	Logger     *slog.Logger
}

// Notes keeps staff's notes about sessions. It is safe for concurrent use.
type Notes struct {
	NotesDeps
	lookup
}

// NewNotes returns a Notes. It starts nothing.
func NewNotes(d NotesDeps) *Notes { return &Notes{d, lookup{d.Catalog, d.Audit}} }

// Names on the wire of the change to a note and of the note's id.
const (
	metaNote    = "note_id"
	metaChange  = "change"
	noteAdded   = "added"
	noteEdited  = "edited"
	noteDeleted = "deleted"
)

func notesOf(k chatbox.SessionKey) helpdesk.CardPile {
	return helpdesk.CardPile{Tenant: k.Tenant, Kind: helpdesk.CardNote, Subject: k.ID}
}

// Notes returns staff's notes about the session, oldest first.
func (s *Notes) Notes(ctx context.Context, a chatbox.Actor, id string) ([]helpdesk.Note, error) {
	sess, err := s.recorded(ctx, a, id, chatbox.AuditSessionNotes)
	if err != nil {
		return nil, err
	}
	page, err := s.Cards.List(ctx, helpdesk.CardQuery{Pile: notesOf(sess.Key), Limit: helpdesk.MaxNotes})
	if err != nil {
		return nil, err
	}
	notes := make([]helpdesk.Note, len(page.Cards))
	for i, c := range page.Cards {
		notes[i] = noteOf(c)
	}
	return notes, nil
}

// AddNote adds a note to the session, which may have ended. It returns
// chatbox.Full if the session has helpdesk.MaxNotes notes.
func (s *Notes) AddNote(ctx context.Context, a chatbox.Actor, id, text string) (helpdesk.Note, error) {
	if !a.Admin() {
		return helpdesk.Note{}, notAdmin()
	}
	if err := helpdesk.CheckNote(text); err != nil {
		return helpdesk.Note{}, err
	}
	sess, err := s.recorded(ctx, a, id, chatbox.AuditSessionNote)
	if err != nil {
		return helpdesk.Note{}, err
	}
	at := now()
	c := helpdesk.Card{
		Pile: notesOf(sess.Key), ID: newID(), Body: []byte(text), AuthorID: a.UserID, AuthorName: a.Name,
		CreatedAt: at, UpdatedAt: at, Revision: 1,
	}
	if err := s.Cards.Add(ctx, c, helpdesk.MaxNotes); err != nil {
		if errors.Is(err, chatbox.Full) {
			err = chatbox.NewError(chatbox.Full, "the session has 200 notes; delete some first", err)
		}
		return helpdesk.Note{}, err
	}
	s.notifyOfNote(ctx, sess, a, c.ID, noteAdded)
	return noteOf(c), nil
}

// EditNote changes the text of a note. Only its author may do so.
func (s *Notes) EditNote(ctx context.Context, a chatbox.Actor, id, noteID, text string) (helpdesk.Note, error) {
	if !a.Admin() {
		return helpdesk.Note{}, notAdmin()
	}
	if err := helpdesk.CheckNote(text); err != nil {
		return helpdesk.Note{}, err
	}
	sess, err := s.session(ctx, a, id)
	if err != nil {
		return helpdesk.Note{}, err
	}
	var c helpdesk.Card
	err = again(func(try int) error {
		if c, err = s.Cards.Get(ctx, notesOf(sess.Key), noteID); err != nil {
			return err
		}
		if c.AuthorID != a.UserID {
			return chatbox.NewError(chatbox.PermissionDenied, "only its author may change a note", nil)
		}
		if try == 0 {
			if err := s.record(ctx, a, sess, chatbox.AuditSessionNote); err != nil {
				return err
			}
		}
		c.Body, c.AuthorName, c.UpdatedAt, c.Unreadable = []byte(text), a.Name, now(), false
		c.Revision, err = s.Cards.Replace(ctx, c)
		return err
	})
	if err != nil {
		return helpdesk.Note{}, err
	}
	s.notifyOfNote(ctx, sess, a, noteID, noteEdited)
	return noteOf(c), nil
}

// DeleteNote deletes a note. Its author and admins may do so.
func (s *Notes) DeleteNote(ctx context.Context, a chatbox.Actor, id, noteID string) error {
	if !a.Admin() {
		return notAdmin()
	}
	sess, err := s.session(ctx, a, id)
	if err != nil {
		return err
	}
	c, err := s.Cards.Get(ctx, notesOf(sess.Key), noteID)
	if err != nil {
		return err
	}
	if c.AuthorID != a.UserID && !slices.Contains(a.Roles, chatbox.RoleAdmin) {
		return chatbox.NewError(chatbox.PermissionDenied, "only its author and admins may delete a note", nil)
	}
	if err := s.record(ctx, a, sess, chatbox.AuditSessionNote); err != nil {
		return err
	}
	if err := s.Cards.Delete(ctx, c.Pile, c.ID); err != nil {
		return err
	}
	s.notifyOfNote(ctx, sess, a, noteID, noteDeleted)
	return nil
}

// whisperWait limits how long a caller waits for others to be notified.
const whisperWait = 2 * time.Second

// notifyOfNote notifies the staff who watch the session. One who misses the
// notification sees the note with the next read of the list.
func (s *Notes) notifyOfNote(ctx context.Context, sess chatbox.Session, a chatbox.Actor, noteID, change string) {
	ctx, cancel := context.WithTimeout(ctx, whisperWait)
	defer cancel()
	err := s.Ephemerals.PublishEphemeral(ctx, cluster.Update{Session: sess.Key, Owner: sess.Owner, Notification: &cluster.Notification{
		To: cluster.ToStaff, Event: cluster.NotificationNote,
		Metadata: map[string]string{metaNote: noteID, metaChange: change, chatbox.MetaAdminID: a.UserID},
	}})
	if err != nil {
		s.Logger.DebugContext(ctx, "staff not notified of a note", "session", sess.Key.ID, "error", err)
	}
}

func noteOf(c helpdesk.Card) helpdesk.Note {
	n := helpdesk.Note{
		ID: c.ID, Session: chatbox.SessionKey{Tenant: c.Pile.Tenant, ID: c.Pile.Subject},
		AuthorID: c.AuthorID, AuthorName: c.AuthorName, Text: string(c.Body), CreatedAt: c.CreatedAt,
		Unreadable: c.Unreadable,
	}
	if c.Revision > 1 {
		n.UpdatedAt = c.UpdatedAt
	}
	return n
}
