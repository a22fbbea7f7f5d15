// Package desk holds the use cases of the people who help: what they keep
// beside sessions and what tells them, and users, where help stands. Nothing of
// it is in a session's log, and no model ever sees it. It speaks to the world
// through the ports in this file and beside each use case.
package desk

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"time"

	"chatbox"
	"chatbox/internal/lanes"
)

// Catalog knows the sessions.
type Catalog interface {
	// Load returns the session, chatbox.NotFound where there is none.
	Load(ctx context.Context, k chatbox.SessionKey) (chatbox.Session, error)
}

// Audit is the record of what staff did; a use case that is audited calls it
// before it acts and does nothing where that fails.
type Audit interface {
	Record(ctx context.Context, actor chatbox.Actor, action chatbox.AuditAction, about chatbox.AuditSubject) error
}

// Staff are the members of staff who are connected, on any pod.
type Staff interface {
	// TellStaff gives the notice to all pods, at most once.
	TellStaff(ctx context.Context, n chatbox.Notice) error
}

// Deps are the ports a Service works through; all are required.
type Deps struct {
	Catalog    Catalog
	Cards      Cards
	Audit      Audit
	Queue      Queue
	Labels     Labels
	Ephemerals Ephemerals
	Staff      Staff
	Logger     *slog.Logger
	Finder     Finder

	StaffPresence StaffPresence
	LocalStaff    LocalStaff
	QueueSockets  QueueSockets
	Holdings      Holdings
	// Owned returns the caller's session as of its last event; someone else's is
	// chatbox.NotFound, as if unknown.
	Owned func(ctx context.Context, a chatbox.Actor, sessionID string) (chatbox.Session, error)
}

// Config is what the use cases can be told.
type Config struct {
	Support chatbox.SupportSettings // of tenants that have none of their own
}

// Service is the use cases of one pod. It is safe for concurrent use.
type Service struct {
	Deps

	cfg      Config
	settings *recent[settings]
	lines    *recent[queueView]
	held     *recent[map[chatbox.UserKey]int]
	searches *lanes.Lanes[chatbox.UserKey]

	mu   sync.Mutex                              // guards following
	here map[chatbox.UserKey]chatbox.StaffMember // staff with sockets here
}

// New makes a service; it starts nothing.
func New(cfg Config, d Deps) *Service {
	s := &Service{Deps: d, cfg: cfg, here: map[chatbox.UserKey]chatbox.StaffMember{}}
	s.searches = lanes.New[chatbox.UserKey](searchLanes, searchesEach)
	s.settings = newRecent(settingsLife, settingsSpare, s.readSettings)
	s.lines = newRecent(queueLife, 0, s.readQueue)
	s.held = newRecent(heldLife, 0, s.countHeld)
	return s
}

// session is the session of the staff member's tenant by its id; one that was
// erased is as unknown as one that never was.
func (s *Service) session(ctx context.Context, a chatbox.Actor, id string) (chatbox.Session, error) {
	if !a.Staff() {
		return chatbox.Session{}, notStaff()
	}
	if !chatbox.ValidSessionID(id) {
		return chatbox.Session{}, unknownSession()
	}
	sess, err := s.Catalog.Load(ctx, a.Session(id))
	if err != nil {
		return chatbox.Session{}, err
	}
	if sess.Erased || sess.State.Erased {
		return chatbox.Session{}, unknownSession()
	}
	return sess, nil
}

// recorded is session, and that the act was asked for is on record.
func (s *Service) recorded(
	ctx context.Context, a chatbox.Actor, id string, action chatbox.AuditAction,
) (chatbox.Session, error) {
	sess, err := s.session(ctx, a, id)
	if err != nil {
		return sess, err
	}
	return sess, s.record(ctx, a, sess, action)
}

func (s *Service) record(ctx context.Context, a chatbox.Actor, sess chatbox.Session, action chatbox.AuditAction) error {
	return s.Audit.Record(ctx, a, action, chatbox.AuditSubject{SessionID: sess.Key.ID, UserID: sess.Owner})
}

// tries is how often a change is made anew that met another: each time it does,
// somebody else's was made.
const tries = 20

// again makes a change until it meets no other.
func (s *Service) again(change func(try int) error) error {
	for try := range tries {
		if err := change(try); !errors.Is(err, chatbox.Clash) {
			return err
		}
	}
	return chatbox.NewError(chatbox.Unavailable, "too many are changing this; try again", nil)
}

// newID is unguessable and unique.
func newID() string { return strings.ToLower(rand.Text()) }

// now is the time as it is stored.
func now() time.Time { return time.Now().UTC().Truncate(time.Millisecond) }

func unknownSession() error { return chatbox.NewError(chatbox.NotFound, "no such session", nil) }

func notAdmin() error {
	return chatbox.NewError(chatbox.PermissionDenied, "only admins may do this", nil)
}

func notStaff() error {
	return chatbox.NewError(chatbox.PermissionDenied, "only staff may do this", nil)
}
