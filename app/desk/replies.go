package desk

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"chatbox"
	"chatbox/helpdesk"
)

// RepliesDeps are the ports of Replies; all are required.
type RepliesDeps struct {
	Catalog Catalog
	Audit   Audit
	Cards   Cards
	Support *Support // knows the tenants' time zones
	Logger  *slog.Logger
}

// Replies keeps the tenants' canned replies. It is safe for concurrent use.
type Replies struct {
	RepliesDeps
	lookup
}

// NewReplies returns a Replies. It starts nothing.
func NewReplies(d RepliesDeps) *Replies { return &Replies{d, lookup{d.Catalog, d.Audit}} }

// cannedBody is the body of a reply's card.
type cannedBody struct {
	Shortcut string `json:"shortcut"`
	Title    string `json:"title,omitempty"`
	Text     string `json:"text"`
}

func repliesOf(tenant string) helpdesk.CardPile {
	return helpdesk.CardPile{Tenant: tenant, Kind: helpdesk.CardReply}
}

// Replies lists the tenant's canned replies by shortcut.
func (s *Replies) Replies(ctx context.Context, a chatbox.Actor) ([]helpdesk.CannedReply, error) {
	if !a.Staff() {
		return nil, notStaff()
	}
	page, err := s.Cards.List(ctx, helpdesk.CardQuery{Pile: repliesOf(a.Tenant), Limit: helpdesk.MaxReplies})
	if err != nil {
		return nil, err
	}
	replies := make([]helpdesk.CannedReply, len(page.Cards))
	for i, c := range page.Cards {
		replies[i] = replyOf(c)
	}
	slices.SortFunc(replies, func(x, y helpdesk.CannedReply) int {
		return cmp.Or(cmp.Compare(x.Shortcut, y.Shortcut), cmp.Compare(x.ID, y.ID))
	})
	return replies, nil
}

// AddReply stores a new reply. It returns chatbox.Conflict if another reply has
// the shortcut, and chatbox.Full if the tenant has helpdesk.MaxReplies.
func (s *Replies) AddReply(ctx context.Context, a chatbox.Actor, r helpdesk.CannedReply) (helpdesk.CannedReply, error) {
	if !a.Admin() {
		return r, notAdmin()
	}
	r, err := r.Clean()
	if err != nil {
		return r, err
	}
	if err := s.recordReply(ctx, a); err != nil {
		return r, err
	}
	at := now()
	r.ID = newID()
	c, err := cardOf(a, r, at)
	if err != nil {
		return r, err
	}
	c.CreatedAt = at
	if _, err := s.claimShortcut(ctx, a.Tenant, r.Shortcut, r.ID); err != nil {
		return r, err
	}
	err = s.Cards.Add(ctx, c, helpdesk.MaxReplies)
	if errors.Is(err, chatbox.Full) { // after any other failure the card may be stored nevertheless
		s.giveBack(ctx, a.Tenant, func(_ string, c claim) bool { return c.Reply == r.ID })
		err = chatbox.NewError(chatbox.Full, "there are 500 replies; delete some first", err)
	}
	if err != nil {
		return r, err
	}
	return replyOf(c), nil
}

// ReplaceReply changes a reply. Of two concurrent calls the later one wins. It
// returns chatbox.Conflict if another reply has the shortcut.
func (s *Replies) ReplaceReply(ctx context.Context, a chatbox.Actor, r helpdesk.CannedReply) (helpdesk.CannedReply, error) {
	if !a.Admin() {
		return r, notAdmin()
	}
	r, err := r.Clean()
	if err != nil {
		return r, err
	}
	if _, err := s.Cards.Get(ctx, repliesOf(a.Tenant), r.ID); err != nil {
		return r, err
	}
	if err := s.recordReply(ctx, a); err != nil {
		return r, err
	}
	next, err := cardOf(a, r, now())
	if err != nil {
		return r, err
	}
	var others shortcuts
	err = again(func(int) error {
		was, err := s.Cards.Get(ctx, next.Pile, next.ID)
		if err != nil {
			return err
		}
		if others, err = s.claimShortcut(ctx, a.Tenant, r.Shortcut, r.ID); err != nil {
			return err
		}
		next.Revision = was.Revision
		_, err = s.Cards.Replace(ctx, next)
		return err
	})
	if errors.Is(err, chatbox.NotFound) { // deleted meanwhile
		s.giveBack(ctx, a.Tenant, func(_ string, c claim) bool { return c.Reply == r.ID })
	}
	if err != nil {
		return r, err
	}
	if len(others) > 0 {
		s.giveBack(ctx, a.Tenant, func(shortcut string, c claim) bool { return c.Token == others[shortcut].Token })
	}
	return replyOf(next), nil
}

// DeleteReply deletes a reply and frees its shortcut.
func (s *Replies) DeleteReply(ctx context.Context, a chatbox.Actor, id string) error {
	if !a.Admin() {
		return notAdmin()
	}
	if _, err := s.Cards.Get(ctx, repliesOf(a.Tenant), id); err != nil {
		return err
	}
	if err := s.recordReply(ctx, a); err != nil {
		return err
	}
	if err := s.Cards.Delete(ctx, repliesOf(a.Tenant), id); err != nil {
		return err
	}
	s.giveBack(ctx, a.Tenant, func(_ string, c claim) bool { return c.Reply == id })
	return nil
}

func (s *Replies) recordReply(ctx context.Context, a chatbox.Actor) error {
	return s.Audit.Record(ctx, a, chatbox.AuditReplyChange, chatbox.AuditSubject{})
}

// RenderReply fills in a reply for a session, with the caller as the sender. It
// sends nothing.
func (s *Replies) RenderReply(
	ctx context.Context, a chatbox.Actor, id, sessionID string,
) (content string, missing []string, err error) {
	if !a.Staff() {
		return "", nil, notStaff()
	}
	c, err := s.Cards.Get(ctx, repliesOf(a.Tenant), id)
	if err != nil {
		return "", nil, err
	}
	r := replyOf(c)
	if r.Unreadable {
		return "", nil, chatbox.NewError(chatbox.NotFound, "this reply can no longer be read; write it again or delete it", nil)
	}
	sess, err := s.session(ctx, a, sessionID)
	if err != nil {
		return "", nil, err
	}
	at := s.localTime(ctx, a.Tenant)
	content, missing = r.Render(map[string]string{
		helpdesk.VarUserID: sess.Owner, helpdesk.VarUserName: sess.OwnerName, helpdesk.VarSessionName: sess.Name,
		helpdesk.VarAdminID: a.UserID, helpdesk.VarAdminName: a.Name,
		helpdesk.VarDate: at.Format(time.DateOnly), helpdesk.VarTime: at.Format("15:04"),
	})
	return content, missing, nil
}

// localTime returns the time in the tenant's time zone, or UTC if that is
// unknown.
func (s *Replies) localTime(ctx context.Context, tenant string) time.Time {
	at := now()
	r, err := s.Support.settings.get(ctx, tenant)
	if err != nil {
		s.Logger.DebugContext(ctx, "time zone not read", "error", err)
		return at
	}
	zone, err := helpdesk.ParseZone(r.value.TimeZone)
	if err != nil {
		return at
	}
	return at.In(zone)
}

func cardOf(a chatbox.Actor, r helpdesk.CannedReply, at time.Time) (helpdesk.Card, error) {
	body, err := json.Marshal(cannedBody{Shortcut: r.Shortcut, Title: r.Title, Text: r.Text})
	if err != nil {
		return helpdesk.Card{}, fmt.Errorf("encode a reply: %w", err)
	}
	return helpdesk.Card{
		Pile: repliesOf(a.Tenant), ID: r.ID, Body: body, AuthorID: a.UserID, AuthorName: a.Name, UpdatedAt: at, Revision: 1,
	}, nil
}

// replyOf decodes a card. If the body cannot be decoded, only the id is set.
func replyOf(c helpdesk.Card) helpdesk.CannedReply {
	r := helpdesk.CannedReply{ID: c.ID, UpdatedAt: c.UpdatedAt, UpdatedBy: c.AuthorID}
	var b cannedBody
	if err := json.Unmarshal(c.Body, &b); err != nil {
		r.Unreadable = true
		return r
	}
	r.Shortcut, r.Title, r.Text = b.Shortcut, b.Title, b.Text
	return r
}
