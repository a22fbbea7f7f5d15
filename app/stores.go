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
	"chatbox/app/feedback"
	"chatbox/app/files"
	"chatbox/app/history"
	"chatbox/app/live"
	"chatbox/app/privacy"
	"chatbox/app/sessionlog"
	"chatbox/app/transcribe"
	"chatbox/helpdesk"
	"chatbox/internal/outage"
)

// Stores is the history on any server. The owner closes it after the App has
// stopped. Several Apps of one process may share it.
type Stores struct {
	Messages    MessageStore
	Sessions    SessionStore
	Turns       TurnStore
	Alerts      alert.Store
	Transcripts transcribe.Store
	Tombs       privacy.Tombstones
	Shares      ShareStore
	Audit       AuditLog
	Ledger      history.Overview
	Concurrency Concurrency
	Erasures    privacy.Erasures
	Cards       Cards
	Queue       desk.Queue
	Ratings     conversation.Ratings
	Feedback    feedback.Store
	Labels      desk.Labels
	Finder      desk.Finder
	Ping        func(ctx context.Context) error
	Kind        func(err error) outage.Kind // classifies errors of Ping; nil: as network errors
	Withdrawals access.Archive
	Blocks      Blocks
	Peers       Peers // nil: pods do not compare their Redis
	Files       files.Records
}

// Each of the following interfaces combines what the use cases need from one
// store.

// MessageStore is the durable log of all sessions.
type MessageStore interface {
	sessionlog.Messages
	privacy.Messages
}

// SessionStore stores the data of sessions other than their events.
type SessionStore interface {
	sessionlog.Sessions
	history.Sessions
	conversation.Sessions
}

// TurnStore stores the messages that need an answer.
type TurnStore interface {
	sessionlog.Turns
	answer.Turns
}

// ShareStore stores the links by which anyone may read a session as it was at one
// moment.
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

// Concurrency stores how many sessions were open on each pod in each minute.
type Concurrency interface {
	history.Concurrency
	// Tally stores a pod's counts of a minute so far. Writing them again replaces
	// them.
	Tally(ctx context.Context, samples []helpdesk.ConcurrencySample) error
	// Forget deletes the counts of minutes before the given time.
	Forget(ctx context.Context, before time.Time) error
}

// Peers stores what the processes that share the history tell one another.
type Peers interface {
	// Meet stores the process's report in place of its earlier one, and returns
	// the reports of all processes with it.
	Meet(ctx context.Context, p chatbox.Peer) ([]chatbox.Peer, error)
	// Leave removes the report of a process that ends.
	Leave(ctx context.Context, run string) error
}

// UseCases are the settings of the use cases.
type UseCases struct {
	Log          sessionlog.Config
	Answer       answer.Config
	Live         live.Config
	Privacy      privacy.Config
	Conversation conversation.Config
}

// DefaultUseCases returns the values of the contract.
func DefaultUseCases() UseCases {
	return UseCases{
		Log: sessionlog.DefaultConfig(), Answer: answer.DefaultConfig(), Live: live.DefaultConfig(),
		Privacy: privacy.DefaultConfig(), Conversation: conversation.DefaultConfig(),
	}
}
