package redisstate

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/redis/go-redis/v9"
)

// LogTo has the library write what it has to say to the logger, as debug lines:
// left alone it writes lines of its own form to the process's stderr for every
// connection it cannot make. It holds for the whole process, so only who runs
// one calls it; whoever has several pods in one process leaves it as it is.
func LogTo(log *slog.Logger) { redis.SetLogger(libraryLog{log}) }

type libraryLog struct{ log *slog.Logger }

// Printf writes one line. What the library formats names addresses and errors
// of the server, never commands' arguments.
func (l libraryLog) Printf(ctx context.Context, format string, v ...any) {
	if l.log.Enabled(ctx, slog.LevelDebug) {
		l.log.DebugContext(ctx, "redis library", "said", fmt.Sprintf(format, v...))
	}
}
