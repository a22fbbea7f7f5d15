package conversation

import (
	"context"
	"errors"
	"time"

	"chatbox"
)

// Erasures are the people who are being erased, so that no crash forgets one.
type Erasures interface {
	// BeginErasure marks the person, durably when it returns; one who is
	// marked already keeps the later time.
	BeginErasure(ctx context.Context, u chatbox.UserKey, at time.Time) error
	// Erasing lists some of those who are marked.
	Erasing(ctx context.Context, limit int) ([]chatbox.Erasing, error)
	// Disown takes the person's name off tombstones that nothing is looked for
	// any more, and off sessions that the person is to look after; it returns
	// how many of the person's tombstones are left.
	Disown(ctx context.Context, u chatbox.UserKey) (left int64, err error)
	// EndErasure takes the mark away unless a later time was marked.
	EndErasure(ctx context.Context, e chatbox.Erasing) error
}

// Cards is what staff keeps beside the log, as far as erasing goes.
type Cards interface {
	// Forget removes all cards of the kinds about the subject.
	Forget(ctx context.Context, tenant, subject string, kinds ...chatbox.CardKind) error
	// Disown takes the person's name off all cards that the person wrote.
	Disown(ctx context.Context, u chatbox.UserKey) error
}

// Blocks is who is kept out, as far as erasing goes.
type Blocks interface {
	// ForgetBlocks takes away the person's block, which would name the person,
	// and the person's name from blocks that were the person's doing, if they
	// were made by then.
	ForgetBlocks(ctx context.Context, u chatbox.UserKey, by time.Time) error
}

// How long the caller of ErasePerson waits at most, and how many marks one
// sweep looks at.
const (
	erasePersonWait = 8 * time.Second
	erasePeopleMost = 500
)

// ErasePerson erases all of a person's sessions and makes the person's
// pseudonym in the audit log nobody's. The caller has withdrawn the person's
// credentials, so that no session is begun meanwhile; one that begins later is
// not touched. When it returns, the mark is durable and sweeps of any pod go on
// until all is done; done says that nothing is left to be read.
func (s *Service) ErasePerson(ctx context.Context, a chatbox.Actor, userID string) (done bool, err error) {
	if !a.Admin() {
		return false, notStaff()
	}
	if err := s.Audit.Record(ctx, a, chatbox.AuditUserErase, chatbox.AuditSubject{UserID: userID}); err != nil {
		return false, err
	}
	e := chatbox.Erasing{User: chatbox.UserKey{Tenant: a.Tenant, ID: userID}, At: s.now()}
	if err := s.Erasures.BeginErasure(ctx, e.User, e.At); err != nil {
		return false, err
	}
	ctx, cancel := context.WithTimeout(ctx, erasePersonWait)
	defer cancel()
	err = s.eraseSessions(ctx, e)
	if err == nil {
		_, err = s.Erasures.Disown(ctx, e.User) // tombstones are named yet, for the sweeps
	}
	if err != nil {
		s.Logger.InfoContext(ctx, "a person's erasing goes on by itself", "error", err)
		return false, nil
	}
	return true, nil
}

// eraseSessions erases the person's sessions that began before the mark, then
// takes the person's name off what the person wrote beside other sessions, and
// erases the key of the person's pseudonym.
func (s *Service) eraseSessions(ctx context.Context, e chatbox.Erasing) error {
	owner := chatbox.Actor{Tenant: e.User.Tenant, UserID: e.User.ID}
	q := chatbox.SessionQuery{User: e.User, Limit: 100}
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		page, err := s.Catalog.List(ctx, q)
		if err != nil {
			return err
		}
		for _, sess := range page.Sessions {
			if sess.CreatedAt.After(e.At) {
				continue
			}
			err := s.Erase(ctx, owner, sess.Key.ID)
			if err != nil && !errors.Is(err, chatbox.NotFound) {
				return err
			}
		}
		if q.Cursor = page.Next; q.Cursor == "" {
			break
		}
	}
	if err := s.Blocks.ForgetBlocks(ctx, e.User, e.At); err != nil {
		return err
	}
	if err := s.Cards.Disown(ctx, e.User); err != nil {
		return err
	}
	return s.Audit.Forget(ctx, e.User)
}

// sweepPeople goes on with erasing people. A mark is taken away when the last
// of the person's tombstones is nobody's.
func (s *Service) sweepPeople(ctx context.Context) {
	found, err := s.Erasures.Erasing(ctx, erasePeopleMost)
	if err != nil {
		s.Logger.DebugContext(ctx, "erasures not read", "error", err)
		return
	}
	for _, e := range found {
		s.people.Add(e)
	}
}

func (s *Service) erasePerson(ctx context.Context, e chatbox.Erasing) error {
	err := s.sweepPerson(ctx, e)
	if err != nil && ctx.Err() == nil {
		s.Logger.WarnContext(ctx, "a person is not erased yet", "error", err)
	}
	return err
}

func (s *Service) sweepPerson(ctx context.Context, e chatbox.Erasing) error {
	ctx, cancel := context.WithTimeout(ctx, eraseWait)
	defer cancel()
	if err := s.eraseSessions(ctx, e); err != nil {
		return err
	}
	left, err := s.Erasures.Disown(ctx, e.User)
	if err != nil || left > 0 {
		return err
	}
	return s.Erasures.EndErasure(ctx, e)
}
