package privacy

import (
	"context"
	"errors"
	"time"

	"chatbox"
)

const (
	erasePersonWait = 8 * time.Second // the longest that the caller of ErasePerson waits
	erasePeopleMost = 500             // marks that one sweep looks at
)

// ErasePerson erases a person's sessions and the key of the person's pseudonym in
// the audit log. The caller has withdrawn the person's credentials that were
// issued before the given time. A session that begins with a later credential is
// not erased. When it returns without an error, the mark is durable and sweeps of
// any pod finish the erasure; done is true if no readable data remains.
// chatbox.PermissionDenied: only admins may do this.
func (s *Service) ErasePerson(ctx context.Context, a chatbox.Actor, userID string, before time.Time) (done bool, err error) {
	if !a.Admin() {
		return false, chatbox.StaffOnly()
	}
	if err := s.deps.Audit.Record(ctx, a, chatbox.AuditUserErase, chatbox.AuditSubject{UserID: userID}); err != nil {
		return false, err
	}
	e := chatbox.Erasing{User: chatbox.UserKey{Tenant: a.Tenant, ID: userID}, At: before}
	if err := s.deps.Erasures.BeginErasure(ctx, e.User, e.At); err != nil {
		return false, err
	}
	ctx, cancel := context.WithTimeout(ctx, erasePersonWait)
	defer cancel()
	err = s.eraseSessions(ctx, e)
	if err == nil {
		_, err = s.deps.Erasures.Disown(ctx, e.User) // tombstones keep the name until they are swept
	}
	if err != nil {
		s.deps.Logger.InfoContext(ctx, "a person's erasure continues in the background", "error", err)
		return false, nil
	}
	return true, nil
}

// eraseSessions erases the person's sessions that the mark covers, removes
// the person's name from blocks and cards, and erases the key of the person's
// pseudonym. A session that cannot be erased does not keep the others.
func (s *Service) eraseSessions(ctx context.Context, e chatbox.Erasing) error {
	owner := chatbox.Actor{Tenant: e.User.Tenant, UserID: e.User.ID}
	q := chatbox.SessionQuery{User: e.User, Limit: 100}
	var left error // why the first of the sessions that are left is not erased
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		page, err := s.deps.Sessions.List(ctx, q)
		if err != nil {
			return err
		}
		for _, sess := range page.Sessions {
			if !e.Covers(sess) {
				continue
			}
			err := s.Erase(ctx, owner, sess.Key.ID)
			if err != nil && !errors.Is(err, chatbox.NotFound) && left == nil {
				left = err
			}
		}
		if q.Cursor = page.Next; q.Cursor == "" {
			break
		}
	}
	if left != nil {
		return left
	}
	if err := s.deps.Blocks.ForgetBlocks(ctx, e.User, e.At); err != nil {
		return err
	}
	if err := s.deps.Cards.Disown(ctx, e.User); err != nil {
		return err
	}
	if err := s.deps.Files.ForgetPerson(ctx, e.User, e.At); err != nil {
		return err
	}
	return s.deps.Audit.Forget(ctx, e.User)
}

// sweepPeople continues the erasures of people. A mark is removed when no
// tombstone has the person's name any more, and not before EraseFor: until then a
// slow pod may begin a session with a withdrawn credential.
func (s *Service) sweepPeople(ctx context.Context) {
	found, err := s.deps.Erasures.Erasing(ctx, erasePeopleMost)
	if err != nil {
		s.deps.Logger.DebugContext(ctx, "erasures not read", "error", err)
		return
	}
	for _, e := range found {
		s.people.Add(e)
	}
}

// erasePerson continues the erasure of a person of the queue.
func (s *Service) erasePerson(ctx context.Context, e chatbox.Erasing) error {
	err := s.sweepPerson(ctx, e)
	if err != nil && ctx.Err() == nil {
		s.tell(ctx, "a person is not erased yet", err)
	}
	return err
}

func (s *Service) sweepPerson(ctx context.Context, e chatbox.Erasing) error {
	ctx, cancel := context.WithTimeout(ctx, eraseWait)
	defer cancel()
	if err := s.eraseSessions(ctx, e); err != nil {
		return err
	}
	left, err := s.deps.Erasures.Disown(ctx, e.User)
	if err != nil || left > 0 || s.log.Now().Before(e.At.Add(s.cfg.EraseFor)) {
		return err
	}
	return s.deps.Erasures.EndErasure(ctx, e)
}
