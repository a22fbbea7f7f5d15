package app

import (
	"fmt"
	"io"
	"log/slog"

	"chatbox/app/config"
	"chatbox/internal/logattr"
	"chatbox/internal/logcap"
)

// sameLines is the maximum number of warnings or errors with one message that are
// logged per minute.
const sameLines = 20

// NewLogger returns the pod's logger. It writes JSON or text to w, from the level
// on, with the attributes in each line's context.
func NewLogger(w io.Writer, cfg config.Log, level slog.Leveler) *slog.Logger {
	opts := &slog.HandlerOptions{Level: level, ReplaceAttr: shortTime}
	var h slog.Handler = slog.NewJSONHandler(w, opts)
	if cfg.Format == "text" {
		h = slog.NewTextHandler(w, opts)
	}
	return slog.New(logattr.NewHandler(logcap.NewHandler(h, sameLines)))
}

// shortTime logs durations in readable form.
func shortTime(_ []string, a slog.Attr) slog.Attr {
	if a.Value.Kind() == slog.KindDuration {
		a.Value = slog.StringValue(fmt.Sprint(a.Value.Duration()))
	}
	return a
}
