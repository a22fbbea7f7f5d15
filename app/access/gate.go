// Package access holds the use cases of coming in: one-time tickets, users who
// were shut out, and how many requests anybody may make. It speaks to the world
// through the ports in this file.
package access

import (
	"context"
	"log/slog"
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

// Config is how long and how much.
type Config struct {
	TicketLife time.Duration // a ticket must be used within this time
	Patience   time.Duration // the longest that Redis is waited for
}

// DefaultConfig has the values of the contract.
func DefaultConfig() Config {
	return Config{TicketLife: 30 * time.Second, Patience: 3 * time.Second}
}

// Deps are the ports a Gate works through; all are required.
type Deps struct {
	Tickets Tickets
	Logger  *slog.Logger
}

// Gate decides who may come in. It is safe for concurrent use.
type Gate struct {
	Deps
	cfg Config
}

// New makes a gate.
func New(cfg Config, d Deps) *Gate { return &Gate{Deps: d, cfg: cfg} }
