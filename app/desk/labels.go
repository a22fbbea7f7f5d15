package desk

import (
	"context"
	"errors"

	"chatbox"
)

// Labels are what staff puts on sessions: kept beside the fold, erased with the
// session, and found by marks that say nothing.
type Labels interface {
	// SetTags puts the tags in the place of those that the session has, and
	// Assign an assignee in that of the one it has, an empty one being nobody.
	// chatbox.NotFound: no such session, or an erased one.
	SetTags(ctx context.Context, k chatbox.SessionKey, tags []string) error
	Assign(ctx context.Context, k chatbox.SessionKey, to chatbox.Assignee) error
	// Tags are a tenant's tags in use, the most used first, at most as many as
	// asked for.
	Tags(ctx context.Context, tenant string, most int) ([]chatbox.TagCount, error)
	// Workload counts what is the affair of a member of staff.
	Workload(ctx context.Context, who chatbox.UserKey) (chatbox.Workload, error)
}

// SetTags puts the tags in the place of those that the session has, which may
// have ended, and returns them as they are kept. Of two who do so at once the
// later wins.
func (s *Service) SetTags(ctx context.Context, a chatbox.Actor, id string, tags []string) ([]string, error) {
	if !a.Admin() {
		return nil, notAdmin()
	}
	tags, err := chatbox.CheckTags(tags)
	if err != nil {
		return nil, err
	}
	sess, err := s.recorded(ctx, a, id, chatbox.AuditSessionTag)
	if err != nil {
		return nil, err
	}
	return tags, s.Labels.SetTags(ctx, sess.Key, tags)
}

// Assign says who is to look after the session, an empty id that nobody is. It
// is no takeover, silences no model and gives no right, so whoever is named
// need not be connected. A colleague who was not the assignee before is told.
func (s *Service) Assign(ctx context.Context, a chatbox.Actor, id string, to chatbox.Assignee) (chatbox.Assignee, error) {
	if !a.Admin() {
		return to, notAdmin()
	}
	if to.Has() {
		var err error
		if to, err = to.Check(); err != nil {
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
		s.tellOfAssignment(ctx, sess, a, to)
	}
	return to, nil
}

// tellOfAssignment tells the colleague; who misses it sees the session in the
// list and in the counters.
func (s *Service) tellOfAssignment(ctx context.Context, sess chatbox.Session, a chatbox.Actor, to chatbox.Assignee) {
	ctx, cancel := context.WithTimeout(ctx, whisperWait)
	defer cancel()
	err := s.Staff.TellStaff(ctx, chatbox.Notice{
		Tenant: sess.Key.Tenant, Event: chatbox.NoticeAssigned, SessionID: sess.Key.ID, UserID: sess.Owner, Time: now(),
		AdminID: a.UserID, To: to.ID,
	})
	if err != nil {
		s.Logger.DebugContext(ctx, "colleague not told of a session", "session", sess.Key.ID, "error", err)
	}
}

// TagsInUse are the tags of the caller's tenant, the most used first.
func (s *Service) TagsInUse(ctx context.Context, a chatbox.Actor) ([]chatbox.TagCount, error) {
	if !a.Staff() {
		return nil, notStaff()
	}
	return s.Labels.Tags(ctx, a.Tenant, chatbox.MaxTagsShown)
}

// Counters are what the caller sees at a glance: a few counts by index,
// whatever is stored.
func (s *Service) Counters(ctx context.Context, a chatbox.Actor) (chatbox.Counters, error) {
	if !a.Staff() {
		return chatbox.Counters{}, notStaff()
	}
	var c chatbox.Counters
	first, total, err := s.Queue.Queue(ctx, a.Tenant, 1)
	if err != nil {
		return c, err
	}
	if len(first) > 0 {
		c.Waiting, c.Oldest, c.Since = total, first[0].Session.ID, first[0].Since
	}
	if c.Waiting > 0 && c.Since.IsZero() { // since a version that did not keep it
		sess, err := s.Catalog.Load(ctx, first[0].Session)
		if err != nil && !errors.Is(err, chatbox.NotFound) {
			return c, err
		}
		c.Since, _ = sess.State.Waiting() // not known where somebody has come, or it is gone, this moment
	}
	c.Workload, err = s.Labels.Workload(ctx, a.User())
	return c, err
}
