package conversation

import (
	"context"
	"time"

	"chatbox"
)

// Ledger is what staff reads of all of a tenant's sessions together.
type Ledger interface {
	// All pages through them in any order, in the database; erased ones are
	// not listed.
	All(ctx context.Context, q chatbox.StaffQuery) (chatbox.StaffPage, error)
	// Summary adds up those that began within from ≤ start < to, in one read.
	Summary(ctx context.Context, tenant string, from, to time.Time) (chatbox.SessionSummary, error)
}

// Crowds is how many sessions were open on each pod in each minute.
type Crowds interface {
	// Tally writes what a pod has counted so far of a minute; writing it again
	// replaces it.
	Tally(ctx context.Context, crowds []chatbox.Crowd) error
	// Concurrency adds up the pods of each minute of from ≤ minute < to, and
	// then the minutes.
	Concurrency(ctx context.Context, tenant string, from, to time.Time) (chatbox.Concurrency, error)
	// Forget deletes minutes before the time.
	Forget(ctx context.Context, before time.Time) error
}
