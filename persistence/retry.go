package persistence

import (
	"context"
	"errors"
	"time"

	"go.mongodb.org/mongo-driver/mongo"

	"chatbox/internal/retry"
)

// yieldTries is the number of calls of an operation that the server aborts
// because of a conflict. The DocumentDB stack takes a second to detect a deadlock
// between inserts for one place and resolves one at a time, so an earlier retry
// would only join the deadlock again.
const yieldTries = 5

// yielded reports whether the server aborted the operation because of a conflict.
// Nothing was written then, and a retry is enough.
func yielded(err error) bool {
	const (
		writeConflict    = 112
		documentDBLocked = 16908292 // code of the DocumentDB stack for a deadlock between two inserts for one place
	)
	server, ok := errors.AsType[mongo.ServerError](err)
	return ok && (server.HasErrorCode(writeConflict) || server.HasErrorCode(documentDBLocked))
}

// again runs the operation and retries it a few times while the server aborts it.
func again(ctx context.Context, act func(ctx context.Context) error) error {
	b := retry.Backoff{First: 200 * time.Millisecond, Longest: 2 * time.Second, Tries: yieldTries}
	return retry.While(ctx, b, yielded, func() error { return act(ctx) })
}
