// Package rotate is the command that seals a history again under the first key of
// ENCRYPTION_KEYS, while pods serve.
package rotate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"chatbox"
	"chatbox/app/config"
	"chatbox/persistence"
)

// History is the history as the command needs it.
type History interface {
	// Inspect examines the stored data and the keys, and changes nothing.
	Inspect(ctx context.Context) (persistence.Inspection, error)
	// Survey allows this process to read and write.
	Survey(ctx context.Context) (findings []string, err error)
	Reseal(ctx context.Context, opts persistence.ResealOptions) (persistence.ResealReport, error)
	ResealStatus(ctx context.Context) (persistence.ResealReport, error)
	Close(ctx context.Context) error
}

// Options select what the command does.
type Options struct {
	Status bool // only count what older keys have sealed
	Rate   int  // documents per second at most; 0: the default
}

// ErrLeft is the result of a status if something needs an older key.
var ErrLeft = errors.New("older keys are still needed")

// sayEvery is the time between two lines of progress.
const sayEvery = 5 * time.Second

// Run opens the history of the pod's settings and runs the command. Results go to
// out, progress to errs.
func Run(ctx context.Context, cfg config.Config, opts Options, out, errs io.Writer) error {
	keys, err := persistence.NewKeyring(cfg.Keys)
	if err != nil {
		return err
	}
	history, err := persistence.Open(ctx, cfg.History(), keys)
	if err != nil {
		return persistence.Cause(err)
	}
	defer func() {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), sayEvery)
		defer cancel()
		_ = history.Close(closing) // everything is written
	}()
	return run(ctx, history, opts, out, errs)
}

func run(ctx context.Context, history History, opts Options, out, errs io.Writer) error {
	found, err := history.Inspect(ctx)
	switch {
	case err != nil:
		return persistence.Cause(err)
	case found.Keys != nil:
		return found.Keys
	case found.NewKeys:
		return &chatbox.UnfitError{Reason: "no pod seals with the first key of ENCRYPTION_KEYS yet: start all pods with it first, or they cannot read what is sealed with it"}
	}
	if _, err := history.Survey(ctx); err != nil {
		return persistence.Cause(err)
	}
	if opts.Status {
		return status(ctx, history, out)
	}
	var said time.Time
	report, err := history.Reseal(ctx, persistence.ResealOptions{Rate: opts.Rate, Say: func(r persistence.ResealReport) {
		if now := time.Now(); now.Sub(said) >= sayEvery {
			said = now
			c := r.Kinds[len(r.Kinds)-1]
			_, _ = fmt.Fprintf(errs, "%s: %d of about %d read, %d sealed again\n", c.Kind, c.Seen, c.Total, c.Moved)
		}
	}})
	for _, c := range report.Kinds {
		_, _ = fmt.Fprintf(out, "%-9s %9d read %9d sealed again%s\n", c.Kind, c.Seen, c.Moved, troubles(c))
	}
	switch {
	case ctx.Err() != nil:
		return errors.New("interrupted; the next call continues here")
	case err != nil:
		return fmt.Errorf("%w; the next call continues here", persistence.Cause(err))
	}
	_, err = fmt.Fprintln(out, "done; `chatbox rotate --status` says which keys are still needed")
	return err
}

func troubles(c persistence.ResealCount) (text string) {
	if c.Changed > 0 {
		text += fmt.Sprintf(" %9d changed meanwhile: call again", c.Changed)
	}
	if c.Unreadable > 0 {
		text += fmt.Sprintf(" %9d unreadable", c.Unreadable)
	}
	return text
}

// status prints what needs older keys, and returns ErrLeft if something does.
func status(ctx context.Context, history History, out io.Writer) error {
	report, err := history.ResealStatus(ctx)
	if err != nil {
		return persistence.Cause(err)
	}
	stays := false
	for _, c := range report.Kinds {
		line := fmt.Sprintf("%-9s %9d", c.Kind, c.Total)
		for _, key := range slices.Sorted(maps.Keys(c.Old)) {
			line += fmt.Sprintf("  %s: %d", strings.Replace(key, persistence.ResealUnknown, "an older key", 1), c.Old[key])
		}
		if c.Stays && len(c.Old) > 0 {
			stays, line = true, line+"  (not sealed again)"
		}
		if c.Unreadable > 0 {
			line += fmt.Sprintf("  unreadable: %d", c.Unreadable)
		}
		_, _ = fmt.Fprintln(out, line)
	}
	switch {
	case report.Left() == 0:
		_, err = fmt.Fprintln(out, "nothing needs an older key")
		return err
	case stays:
		_, _ = fmt.Fprintln(out, "files and shares keep their key until they are removed or expire")
	}
	return ErrLeft
}
