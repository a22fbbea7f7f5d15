package persistence

import (
	"context"
	"errors"
	"time"

	"go.mongodb.org/mongo-driver/mongo"

	"chatbox/internal/sleep"
)

// How often, and after what first wait, an act is repeated that the server
// undid for another's sake. The DocumentDB stack needs a second to notice that
// inserts race for one place, and notices one of them at a time: who comes
// back sooner than that only joins the knot again.
const (
	yieldTries = 5
	yieldWait  = 100 * time.Millisecond
)

// yielded reports whether the server undid the act because it stood in
// another's way: nothing was written, and another try is all it wants.
func yielded(err error) bool {
	const (
		writeConflict    = 112
		documentDBLocked = 16908292 // what the DocumentDB stack calls a deadlock of two inserts that race for one place
	)
	server, ok := errors.AsType[mongo.ServerError](err)
	return ok && (server.HasErrorCode(writeConflict) || server.HasErrorCode(documentDBLocked))
}

// again runs the act until the server does not undo it, a few times.
func again(ctx context.Context, act func(ctx context.Context) error) error {
	for try := 1; ; try++ {
		err := act(ctx)
		if !yielded(err) || try == yieldTries || !sleep.About(ctx, yieldWait<<try) {
			return err
		}
	}
}
