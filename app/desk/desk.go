// Package desk holds the use cases of the help desk: staff's records beside
// sessions, and the information for staff and users about the queue and the team.
// None of it is in a session's log, and no model sees it. Each subject has a
// struct of its own with its ports beside it; ports that several share are in
// this file.
package desk

import (
	"context"
	"crypto/rand"
	"errors"
	"strings"
	"time"

	"chatbox"
	"chatbox/helpdesk"
)

// Catalog reads sessions.
type Catalog interface {
	// Load returns the session, or chatbox.NotFound.
	Load(ctx context.Context, k chatbox.SessionKey) (chatbox.Session, error)
}

// Audit records staff's acts. An audited use case calls it before it acts, and
// does nothing if the call fails.
type Audit interface {
	Record(ctx context.Context, actor chatbox.Actor, action chatbox.AuditAction, about chatbox.AuditSubject) error
}

// Staff reaches the members of staff connected to any pod.
type Staff interface {
	// NotifyStaff sends the notice to all pods, at most once.
	NotifyStaff(ctx context.Context, n helpdesk.Notice) error
}

// lookup finds the sessions that staff's requests name.
type lookup struct {
	catalog Catalog
	audit   Audit
}

// session returns the session with the id in the caller's tenant. An erased
// session is chatbox.NotFound.
func (s lookup) session(ctx context.Context, a chatbox.Actor, id string) (chatbox.Session, error) {
	if !a.Staff() {
		return chatbox.Session{}, notStaff()
	}
	if !chatbox.ValidSessionID(id) {
		return chatbox.Session{}, unknownSession()
	}
	sess, err := s.catalog.Load(ctx, a.Session(id))
	if err != nil {
		return chatbox.Session{}, err
	}
	if sess.WasErased() {
		return chatbox.Session{}, unknownSession()
	}
	return sess, nil
}

// recorded is session, and records in the audit log that the act was requested.
func (s lookup) recorded(
	ctx context.Context, a chatbox.Actor, id string, action chatbox.AuditAction,
) (chatbox.Session, error) {
	sess, err := s.session(ctx, a, id)
	if err != nil {
		return sess, err
	}
	return sess, s.record(ctx, a, sess, action)
}

func (s lookup) record(ctx context.Context, a chatbox.Actor, sess chatbox.Session, action chatbox.AuditAction) error {
	return s.audit.Record(ctx, a, action, chatbox.AuditSubject{SessionID: sess.Key.ID, UserID: sess.Owner})
}

// tries limits the retries of a change that conflicts with others. Each conflict
// means that another change succeeded.
const tries = 20

// again retries a change until it meets no conflict.
func again(change func(try int) error) error {
	for try := range tries {
		if err := change(try); !errors.Is(err, chatbox.Clash) {
			return err
		}
	}
	return chatbox.NewError(chatbox.Unavailable, "too many concurrent changes; try again", nil)
}

// newID returns a unique id that cannot be guessed.
func newID() string { return strings.ToLower(rand.Text()) }

// now returns the current time with the resolution of the store.
func now() time.Time { return time.Now().UTC().Truncate(time.Millisecond) }

func unknownSession() error { return chatbox.NewError(chatbox.NotFound, "no such session", nil) }

func notAdmin() error {
	return chatbox.NewError(chatbox.PermissionDenied, "only admins may do this", nil)
}

func notStaff() error {
	return chatbox.NewError(chatbox.PermissionDenied, "only staff may do this", nil)
}
