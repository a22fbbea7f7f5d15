package privacy

import (
	"context"
	"time"

	"chatbox"
	"chatbox/helpdesk"
)

// Sessions are the records of sessions.
type Sessions interface {
	// Load returns the session, chatbox.NotFound where there is none.
	Load(ctx context.Context, k chatbox.SessionKey) (chatbox.Session, error)
	// List pages through a user's sessions, newest activity first.
	List(ctx context.Context, q chatbox.SessionQuery) (chatbox.SessionPage, error)
}

// Messages is the durable log, from which events are removed.
type Messages interface {
	// ByKey finds the event with the key, or chatbox.NotFound.
	ByKey(ctx context.Context, s chatbox.SessionKey, key string) (chatbox.Event, error)
	// EraseRange removes the events with from ≤ seq ≤ to for good; its cost is
	// that of the events which are there.
	EraseRange(ctx context.Context, s chatbox.SessionKey, from, to int64) error
}

// Tombstones are the erased sessions: their ids are never used again.
type Tombstones interface {
	// Bury marks the session as erased at the time and removes its name; a
	// session that is buried already stays as it is. chatbox.NotFound: there is no
	// such session.
	Bury(ctx context.Context, s chatbox.SessionKey, at time.Time) error
	// Unswept finds the tombstones whose traces were to be looked for before
	// the time, the longest overdue first. A new tombstone is due.
	Unswept(ctx context.Context, before time.Time, limit int) ([]chatbox.Tombstone, error)
	// Sweep sets when traces are looked for again; the zero time: never.
	Sweep(ctx context.Context, s chatbox.SessionKey, again time.Time) error
}

// Traces are the data that Redis has of a session.
type Traces interface {
	// Erase removes all session data except the final state, which marks the
	// session as erased until the last sweep.
	Erase(ctx context.Context, s chatbox.SessionKey, owner string, st chatbox.State) error
}

// Shares are the links by which anyone may read a session.
type Shares interface {
	// Revoke removes all shares of the session.
	Revoke(ctx context.Context, s chatbox.SessionKey) error
	// Expire removes shares that expired before the time, of all sessions.
	Expire(ctx context.Context, before time.Time) error
}

// Cards are staff's notes and labels beside the log.
type Cards interface {
	// Forget removes all cards of the kinds about the subject.
	Forget(ctx context.Context, tenant, subject string, kinds ...helpdesk.CardKind) error
	// Disown removes the person's name from all cards that the person wrote.
	Disown(ctx context.Context, u chatbox.UserKey) error
}

// Blocks are the users whom staff has blocked.
type Blocks interface {
	// ForgetBlocks removes the person's block, which names the person, and the
	// person's name from blocks that the person made, if they were made by then.
	ForgetBlocks(ctx context.Context, u chatbox.UserKey, by time.Time) error
}

// Erasures are the people who are being erased. They are stored, so that no crash
// forgets a person.
type Erasures interface {
	// BeginErasure marks the person, durably when it returns. Of two marks the
	// later time stands.
	BeginErasure(ctx context.Context, u chatbox.UserKey, at time.Time) error
	// Erasing lists up to limit of the people who are marked.
	Erasing(ctx context.Context, limit int) ([]chatbox.Erasing, error)
	// Disown removes the person's name from tombstones whose traces are not looked
	// for any more, and from sessions that are assigned to the person; it returns
	// how many of the person's tombstones are left.
	Disown(ctx context.Context, u chatbox.UserKey) (left int64, err error)
	// EndErasure removes the mark unless a later time was marked.
	EndErasure(ctx context.Context, e chatbox.Erasing) error
}

// Audit is the append-only record of staff's acts.
type Audit interface {
	// Record appends to the chain of the actor's tenant and returns when the
	// entry is durable. Nothing is done before it is.
	Record(ctx context.Context, actor chatbox.Actor, action chatbox.AuditAction, about chatbox.AuditSubject) error
	// Forget deletes the key that links a person to the person's pseudonym. The
	// chain stays as it is. A repeat has no effect.
	Forget(ctx context.Context, u chatbox.UserKey) error
}

// Files are the uploaded files.
type Files interface {
	// Release ends the use of all files by an erased session: from its return on,
	// files that no other session uses are served to nobody.
	Release(ctx context.Context, s chatbox.SessionKey) error
	// ForgetPerson ends the person's files that were uploaded by the given time
	// and that no session uses, and removes the person's name from the others.
	ForgetPerson(ctx context.Context, u chatbox.UserKey, by time.Time) error
}
