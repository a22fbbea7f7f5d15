package app

import (
	"fmt"
	"io"
	"log/slog"

	"chatbox/app/config"
	"chatbox/internal/logattr"
	"chatbox/internal/logcap"
)

// sameLines is how many warnings or errors of one message are written within a
// minute.
const sameLines = 20

// NewLogger makes the pod's logger: JSON or text on w, from the level on, with
// the attributes that the context of each line carries.
func NewLogger(w io.Writer, cfg config.Log) *slog.Logger {
	opts := &slog.HandlerOptions{Level: cfg.Level, ReplaceAttr: shortTime}
	var h slog.Handler = slog.NewJSONHandler(w, opts)
	if cfg.Format == "text" {
		h = slog.NewTextHandler(w, opts)
	}
	return slog.New(logattr.NewHandler(logcap.NewHandler(h, sameLines)))
}

// shortTime logs spans of time as people read them.
func shortTime(_ []string, a slog.Attr) slog.Attr {
	if a.Value.Kind() == slog.KindDuration {
		a.Value = slog.StringValue(fmt.Sprint(a.Value.Duration()))
	}
	return a
}
