package app

import (
	"context"
	"time"

	"chatbox"
	"chatbox/app/access"
	"chatbox/app/alert"
	"chatbox/app/answer"
	"chatbox/app/conversation"
	"chatbox/app/desk"
	"chatbox/app/history"
	"chatbox/app/live"
	"chatbox/app/privacy"
	"chatbox/app/sessionlog"
	"chatbox/internal/outage"
)

// Stores is the history, whichever server keeps it. The owner closes it after
// the App has stopped; several Apps of one process may share it.
type Stores struct {
	Messages    MessageStore
	Sessions    SessionStore
	Turns       TurnStore
	Alerts      alert.Store
	Tombs       privacy.Tombstones
	Shares      ShareStore
	Audit       AuditLog
	Ledger      history.Overview
	Crowds      Crowds
	Erasures    privacy.Erasures
	Cards       Cards
	Queue       desk.Queue
	Ratings     conversation.Ratings
	Labels      desk.Labels
	Finder      desk.Finder
	Ping        func(ctx context.Context) error
	Kind        func(err error) outage.Kind // why Ping failed; nil: what the network says
	Withdrawals access.Archive
	Blocks      Blocks
}

// The following interfaces are the stores as a server has to have them: each is
// the sum of what the use cases ask of it.

// MessageStore is the durable log of every session.
type MessageStore interface {
	sessionlog.Messages
	privacy.Messages
}

// SessionStore has the records of sessions beside their events.
type SessionStore interface {
	sessionlog.Sessions
	history.Sessions
	conversation.Sessions
}

// TurnStore has the messages that want an answer.
type TurnStore interface {
	sessionlog.Turns
	answer.Turns
}

// ShareStore has the links by which anyone may read a session as it was.
type ShareStore interface {
	history.Shares
	privacy.Shares
}

// AuditLog is the append-only record of staff's acts.
type AuditLog interface {
	history.AuditLog
	privacy.Audit
}

// Cards are staff's notes, labels and replies.
type Cards interface {
	desk.Cards
	privacy.Cards
}

// Blocks are the users whom staff has blocked.
type Blocks interface {
	access.Blocks
	privacy.Blocks
}

// Crowds is how many sessions were open on each pod in each minute.
type Crowds interface {
	history.Crowds
	// Tally writes what a pod has counted so far of a minute; writing it again
	// replaces it.
	Tally(ctx context.Context, crowds []chatbox.Crowd) error
	// Forget deletes minutes before the time.
	Forget(ctx context.Context, before time.Time) error
}

// UseCases are the settings of the use cases.
type UseCases struct {
	Log          sessionlog.Config
	Answer       answer.Config
	Live         live.Config
	Privacy      privacy.Config
	Conversation conversation.Config
}

// DefaultUseCases has the values of the contract.
func DefaultUseCases() UseCases {
	return UseCases{
		Log: sessionlog.DefaultConfig(), Answer: answer.DefaultConfig(), Live: live.DefaultConfig(),
		Privacy: privacy.DefaultConfig(), Conversation: conversation.DefaultConfig(),
	}
}
