package desk

import (
	"context"
	"errors"
	"log/slog"

	"chatbox"
	"chatbox/helpdesk"
)

// Labels stores the labels that staff put on sessions. They are stored beside the
// fold and erased with the session. The index has keyed marks that do not reveal
// the labels.
type Labels interface {
	// SetTags replaces the session's tags and Assign its assignee; an empty
	// assignee removes the assignment. Both return chatbox.NotFound if there is
	// no such session or it is erased.
	SetTags(ctx context.Context, k chatbox.SessionKey, tags []string) error
	Assign(ctx context.Context, k chatbox.SessionKey, to chatbox.Assignee) error
	// Tags returns up to most of a tenant's tags in use, most used first.
	Tags(ctx context.Context, tenant string, most int) ([]helpdesk.TagCount, error)
	// Workload counts the sessions of a member of staff.
	Workload(ctx context.Context, who chatbox.UserKey) (helpdesk.Workload, error)
}

// LabellingDeps are the ports of Labelling; all are required.
type LabellingDeps struct {
	Catalog Catalog
	Audit   Audit
	Labels  Labels
	Queue   Queue
	Staff   Staff
	Logger  *slog.Logger
}

// Labelling keeps the tags and assignees of sessions, and counts what waits for
// a member of staff. It is safe for concurrent use.
type Labelling struct {
	LabellingDeps
	lookup
}

// NewLabelling returns a Labelling. It starts nothing.
func NewLabelling(d LabellingDeps) *Labelling { return &Labelling{d, lookup{d.Catalog, d.Audit}} }

// SetTags replaces the session's tags and returns them as stored. The session may
// have ended. Of two concurrent calls the later one wins.
func (s *Labelling) SetTags(ctx context.Context, a chatbox.Actor, id string, tags []string) ([]string, error) {
	if !a.Admin() {
		return nil, notAdmin()
	}
	tags, err := helpdesk.CheckTags(tags)
	if err != nil {
		return nil, err
	}
	sess, err := s.recorded(ctx, a, id, chatbox.AuditSessionTag)
	if err != nil {
		return nil, err
	}
	return tags, s.Labels.SetTags(ctx, sess.Key, tags)
}

// Assign assigns the session to a member of staff; an empty id removes the
// assignment. An assignment is not a takeover: it does not stop the model and
// grants no rights, so the assignee need not be connected. A new assignee other
// than the caller is notified.
func (s *Labelling) Assign(ctx context.Context, a chatbox.Actor, id string, to chatbox.Assignee) (chatbox.Assignee, error) {
	if !a.Admin() {
		return to, notAdmin()
	}
	if to.Has() {
		var err error
		if to, err = helpdesk.CheckAssignee(to); err != nil {
			return to, err
		}
		if to.ID == a.UserID && to.Name == "" {
			to.Name = a.Name
		}
	}
	sess, err := s.recorded(ctx, a, id, chatbox.AuditSessionAssign)
	if err != nil {
		return to, err
	}
	if err := s.Labels.Assign(ctx, sess.Key, to); err != nil {
		return to, err
	}
	if to.Has() && to.ID != a.UserID && to.ID != sess.Assignee.ID {
		s.notifyAssignee(ctx, sess, a, to)
	}
	return to, nil
}

// notifyAssignee notifies the assignee. One who misses the notification sees
// the session in the list and in the counters.
func (s *Labelling) notifyAssignee(ctx context.Context, sess chatbox.Session, a chatbox.Actor, to chatbox.Assignee) {
	ctx, cancel := context.WithTimeout(ctx, whisperWait)
	defer cancel()
	err := s.Staff.NotifyStaff(ctx, helpdesk.Notice{
		Tenant: sess.Key.Tenant, Event: helpdesk.NoticeAssigned, SessionID: sess.Key.ID, UserID: sess.Owner, Time: now(),
		AdminID: a.UserID, To: to.ID,
	})
	if err != nil {
		s.Logger.DebugContext(ctx, "assignee not notified", "session", sess.Key.ID, "error", err)
	}
}

// TagsInUse returns the tags of the caller's tenant, most used first.
func (s *Labelling) TagsInUse(ctx context.Context, a chatbox.Actor) ([]helpdesk.TagCount, error) {
	if !a.Staff() {
		return nil, notStaff()
	}
	return s.Labels.Tags(ctx, a.Tenant, helpdesk.MaxTagsShown)
}

// Counters returns the counts for the caller's overview. They are read from
// indexes, so the cost does not depend on the amount of data.
func (s *Labelling) Counters(ctx context.Context, a chatbox.Actor) (helpdesk.Counters, error) {
	if !a.Staff() {
		return helpdesk.Counters{}, notStaff()
	}
	var c helpdesk.Counters
	first, total, err := s.Queue.Queue(ctx, a.Tenant, 1)
	if err != nil {
		return c, err
	}
	if len(first) > 0 {
		c.Waiting, c.Oldest, c.Since = total, first[0].Session.ID, first[0].Since
	}
	if c.Waiting > 0 && c.Since.IsZero() { // stored by a version without the field
		sess, err := s.Catalog.Load(ctx, first[0].Session)
		if err != nil && !errors.Is(err, chatbox.NotFound) {
			return c, err
		}
		c.Since, _ = sess.State.Waiting() // unknown if the session is taken over or gone by now
	}
	c.Workload, err = s.Labels.Workload(ctx, a.User())
	return c, err
}
