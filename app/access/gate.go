// Package access holds the use cases of coming in: one-time tickets, users who
// were shut out, and how many requests anybody may make. It speaks to the world
// through the ports in this file.
package access

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"chatbox"
)

// Tickets are kept where every pod finds them.
type Tickets interface {
	// PutTicket keeps who a ticket stands for, sealed, for as long as it lives.
	PutTicket(ctx context.Context, ticket string, a chatbox.Actor, life time.Duration) error
	// TakeTicket returns who the ticket stands for, to one caller in the
	// cluster; chatbox.NotFound to all others and when its time is over.
	TakeTicket(ctx context.Context, ticket string) (chatbox.Actor, error)
}

// Marks tell all pods of withdrawals. They are copies: Archive has the truth.
type Marks interface {
	// Mark keeps the withdrawal unless a later one of the user is there, and
	// tells every pod.
	Mark(ctx context.Context, w chatbox.Withdrawal) error
	// Remark keeps withdrawals and tells nobody: what an emptied Redis lost.
	Remark(ctx context.Context, ws []chatbox.Withdrawal) error
	// Time is what Redis' clock says: pods' clocks may differ.
	Time(ctx context.Context) (time.Time, error)
	// MarkOf returns before when credentials of the user do not count; the zero
	// time where none was withdrawn.
	MarkOf(ctx context.Context, u chatbox.UserKey) (before time.Time, err error)
}

// Archive keeps withdrawals for good: how long a token lives that was issued
// before one is known to nobody.
type Archive interface {
	// Keep stores the withdrawal, durably when it returns; of two of one user
	// the later stands.
	Keep(ctx context.Context, w chatbox.Withdrawal) error
	// Kept returns all withdrawals.
	Kept(ctx context.Context) ([]chatbox.Withdrawal, error)
}

// Counts count requests over the whole cluster.
type Counts interface {
	// CountRequest counts one request of the user within the last minute; wait
	// is how long it comes too early, and then it was not counted. It also
	// returns what MarkOf does. One round trip.
	CountRequest(ctx context.Context, u chatbox.UserKey, limit int) (wait time.Duration, before time.Time, err error)
}

// Sockets are those of this pod.
type Sockets interface {
	// Expel closes the user's sockets whose credentials were issued before;
	// the zero time means all. It must not block.
	Expel(u chatbox.UserKey, before time.Time) int
}

// Config is how long and how much.
type Config struct {
	TicketLife time.Duration // a ticket must be used within this time
	MarkLife   time.Duration // Redis has its copy of a withdrawal
	UserRate   int           // REST requests of one user per minute, over all pods
	AdminRate  int           // of one member of staff
	Patience   time.Duration // the longest that Redis is waited for
	Reload     time.Duration // withdrawals and blocks are read from the archive
}

// DefaultConfig has the values of the contract.
func DefaultConfig() Config {
	return Config{
		TicketLife: 30 * time.Second, MarkLife: 90 * 24 * time.Hour, UserRate: 600, AdminRate: 1200,
		Patience: 3 * time.Second, Reload: time.Minute,
	}
}

// Deps are the ports a Gate works through; all are required.
type Deps struct {
	Tickets Tickets
	Marks   Marks
	Archive Archive
	Blocks  Blocks
	News    News
	Counts  Counts
	Sockets Sockets
	Audit   Audit
	Logger  *slog.Logger
}

// Audit is the record of what staff did.
type Audit interface {
	Record(ctx context.Context, actor chatbox.Actor, action chatbox.AuditAction, about chatbox.AuditSubject) error
}

// Gate decides who may come in. It is safe for concurrent use.
type Gate struct {
	Deps
	cfg   Config
	local tally
	// away is until when Redis is not asked for counts and marks, in unix ns:
	// it did not answer a moment ago.
	away atomic.Int64
	// informed is set once the archive was read.
	informed atomic.Bool

	resync chan struct{} // has one where Redis may have forgotten
	// changed are users whose blocks are to be read, maxNews at most; what does
	// not fit has all of them read. Never closed.
	changed chan chatbox.UserKey

	mu    sync.RWMutex // guards following
	marks map[chatbox.UserKey]chatbox.Withdrawal
	// blocks are who is kept out, and for a while who no longer is.
	blocks map[chatbox.UserKey]blockade
}

// New makes a gate; Run keeps it informed.
func New(cfg Config, d Deps) *Gate {
	return &Gate{
		Deps: d, cfg: cfg, resync: make(chan struct{}, 1), changed: make(chan chatbox.UserKey, maxNews),
		marks: map[chatbox.UserKey]chatbox.Withdrawal{}, blocks: map[chatbox.UserKey]blockade{},
	}
}
