package redisstate

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/redis/go-redis/v9"
)

// LogTo writes the Redis library's messages to the logger at level debug. By
// default the library writes a line to the process's stderr for every failed
// connection. The setting is global, so only the owner of the process calls
// LogTo; a process with several pods does not.
func LogTo(log *slog.Logger) { redis.SetLogger(libraryLog{log}) }

type libraryLog struct{ log *slog.Logger }

// Printf writes one line. The library's messages name addresses and errors of
// the server, never arguments of commands.
func (l libraryLog) Printf(ctx context.Context, format string, v ...any) {
	if l.log.Enabled(ctx, slog.LevelDebug) {
		l.log.DebugContext(ctx, "redis library", "said", fmt.Sprintf(format, v...))
	}
}
