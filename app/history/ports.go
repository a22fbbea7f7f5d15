package history

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
	// SetName names the session; with onlyIfEmpty a name that it has stays.
	SetName(ctx context.Context, k chatbox.SessionKey, name string, onlyIfEmpty bool) error
}

// Latest has the states of sessions that were active within minutes.
type Latest interface {
	// States returns the states of the sessions in order, the zero state where it
	// has none. One round trip.
	States(ctx context.Context, keys []chatbox.SessionKey) ([]chatbox.State, error)
}

// Turns keep the long reads of one user from slowing down others.
type Turns interface {
	// ReadInTurn calls read in the caller's turn. If that takes too long, it
	// returns chatbox.RateLimited if the caller's own reads were in the way, and
	// chatbox.Unavailable if others' were.
	ReadInTurn(ctx context.Context, a chatbox.Actor, read func(ctx context.Context) error) error
	// AwaitRead is the same for readers that wait as long as ctx lasts. They call
	// leave after the read.
	AwaitRead(ctx context.Context, a chatbox.Actor) (leave func(), err error)
}

// Shares are the links by which anyone may read a session as it was. Only a
// keyed digest of a token is stored.
type Shares interface {
	// Add stores the share under its token. chatbox.Full: the session has
	// reached its limit of links.
	Add(ctx context.Context, token string, sh chatbox.Share) error
	// ByToken finds the share, expired or not; chatbox.NotFound.
	ByToken(ctx context.Context, token string) (chatbox.Share, error)
	// Revoke removes all shares of the session.
	Revoke(ctx context.Context, s chatbox.SessionKey) error
}

// Overview has lists and totals over a tenant's sessions, for staff.
type Overview interface {
	// All pages through them in any order, in the database; erased sessions are
	// not listed.
	All(ctx context.Context, q helpdesk.StaffQuery) (helpdesk.StaffPage, error)
	// Summary adds up those that began within from ≤ start < to, in one read.
	Summary(ctx context.Context, tenant string, from, to time.Time) (helpdesk.SessionSummary, error)
}

// Concurrency counts open sessions per pod and minute.
type Concurrency interface {
	// Total adds up the pods of each minute of from ≤ minute < to, and
	// then the minutes.
	Total(ctx context.Context, tenant string, from, to time.Time) (helpdesk.Concurrency, error)
}

// AuditLog is the append-only record of staff's acts. It can be read and
// verified, and nothing in it can be changed.
type AuditLog interface {
	// Record appends to the chain of the actor's tenant and returns when the
	// entry is durable. A use case that is audited calls it before it acts, and
	// does not act where it fails.
	Record(ctx context.Context, actor chatbox.Actor, action chatbox.AuditAction, about chatbox.AuditSubject) error
	// Entries pages through a tenant's log, newest first, and looks at a
	// bounded number of entries. chatbox.InvalidArgument names a cursor that
	// the log has not made.
	Entries(ctx context.Context, q chatbox.AuditQuery) (chatbox.AuditPage, error)
	// Verify walks along the whole chain and finds an entry that was altered,
	// removed or inserted without a key. Its cost is the chain's length.
	Verify(ctx context.Context, tenant string) (chatbox.AuditVerdict, error)
}
