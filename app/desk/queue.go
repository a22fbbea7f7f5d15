package desk

import (
	"context"

	"chatbox/helpdesk"
)

// Queue reads a tenant's sessions that wait for a person, from the stored folds.
// A session that has just begun or stopped waiting may be missing or still listed
// for a moment.
type Queue interface {
	// Queue returns the first limit (≥ 1) sessions in the order of
	// helpdesk.Waiting, and the total number, counted up to helpdesk.MaxCounted. It
	// costs one read if limit covers all of them.
	Queue(ctx context.Context, tenant string, limit int) (first []helpdesk.Waiting, total int64, err error)
}
