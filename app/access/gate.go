// Package access holds the use cases of admission: one-time tickets, users who
// are shut out, and rate limits of requests. Its ports are in this file and in
// block.go.
package access

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"chatbox"
)

// Tickets stores tickets where every pod can redeem them.
type Tickets interface {
	// PutTicket stores the ticket's actor, encrypted, for the lifetime of the
	// ticket.
	PutTicket(ctx context.Context, ticket string, a chatbox.Actor, life time.Duration) error
	// TakeTicket returns the ticket's actor to one caller in the cluster. All
	// others, and callers after its expiry, get chatbox.NotFound.
	TakeTicket(ctx context.Context, ticket string) (chatbox.Actor, error)
}

// Marks notifies all pods of withdrawals and caches them. The authoritative copy
// is in Archive.
type Marks interface {
	// Mark stores the withdrawal unless a later one of the user is stored, and
	// notifies every pod.
	Mark(ctx context.Context, w chatbox.Withdrawal) error
	// Remark restores withdrawals that Redis lost. It notifies nobody.
	Remark(ctx context.Context, ws []chatbox.Withdrawal) error
	// Time returns the time of Redis, because the clocks of pods may differ.
	Time(ctx context.Context) (time.Time, error)
	// MarkOf returns the time before which the user's credentials are invalid, or
	// the zero time if none was withdrawn.
	MarkOf(ctx context.Context, u chatbox.UserKey) (before time.Time, err error)
}

// Archive stores withdrawals for good.
type Archive interface {
	// Keep stores the withdrawal; it is durable when Keep returns. Of two
	// withdrawals of one user the later one is stored.
	Keep(ctx context.Context, w chatbox.Withdrawal) error
	// Kept returns withdrawals with since ≤ Before, at most limit of them: those
	// that follow the user after in the archive's order. The zero user is before
	// all.
	Kept(ctx context.Context, since time.Time, after chatbox.UserKey, limit int) ([]chatbox.Withdrawal, error)
}

// Counts counts requests over the whole cluster.
type Counts interface {
	// CountRequest counts a request of the user within the last minute. If the
	// limit is exceeded, wait is how long to wait and the request is not counted.
	// It also returns the result of MarkOf. It costs one round trip.
	CountRequest(ctx context.Context, u chatbox.UserKey, limit int) (wait time.Duration, before time.Time, err error)
}

// Sockets are the sockets of this pod.
type Sockets interface {
	// Expel closes the user's sockets whose credentials were issued before the
	// given time, or all if it is zero. It returns how many, and must not block.
	Expel(u chatbox.UserKey, before time.Time) int
}

// Config holds lifetimes, limits and timeouts.
type Config struct {
	TicketLife time.Duration // lifetime of a ticket
	MarkLife   time.Duration // Redis has a copy of a withdrawal for this long; the history never deletes it
	UserRate   int           // REST requests per user and minute, over all pods
	AdminRate  int           // the same for a member of staff
	Timeout    time.Duration // timeout of Redis
	Reload     time.Duration // interval of reading withdrawals and blocks from the archive
}

// DefaultConfig returns the values of the contract.
func DefaultConfig() Config {
	return Config{
		TicketLife: 30 * time.Second, MarkLife: 90 * 24 * time.Hour, UserRate: 600, AdminRate: 1200,
		Timeout: 3 * time.Second, Reload: time.Minute,
	}
}

// Deps are the ports of a Gate; all are required.
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

// Audit records staff's acts.
type Audit interface {
	Record(ctx context.Context, actor chatbox.Actor, action chatbox.AuditAction, about chatbox.AuditSubject) error
}

// Gate decides who is admitted. It is safe for concurrent use.
type Gate struct {
	Deps
	cfg   Config
	local tally
	// away is the time, in Unix nanoseconds, until which Redis is not asked for
	// counts and marks, because it failed to answer.
	away atomic.Int64
	// informed is set after the first read of the archive.
	informed atomic.Bool
	readTo   time.Time // start of the last complete read of withdrawals; only Run uses it

	resync chan struct{} // holds a signal if Redis may have lost data
	// changed has the users whose blocks must be read, at most maxNews. If it is
	// full, all blocks are read instead. Never closed.
	changed chan chatbox.UserKey

	mu    sync.RWMutex // guards following
	marks map[chatbox.UserKey]chatbox.Withdrawal
	// blocks has the blocked users, and for a while the unblocked ones.
	blocks map[chatbox.UserKey]blockade
}

// New returns a Gate. Run must run for it to learn of withdrawals and blocks.
func New(cfg Config, d Deps) *Gate {
	return &Gate{
		Deps: d, cfg: cfg, resync: make(chan struct{}, 1), changed: make(chan chatbox.UserKey, maxNews),
		marks: map[chatbox.UserKey]chatbox.Withdrawal{}, blocks: map[chatbox.UserKey]blockade{},
	}
}
