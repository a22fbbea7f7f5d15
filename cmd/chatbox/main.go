// Command chatbox is one pod of a chat cluster. It reads its configuration,
// serves until it is asked to stop, sends its clients to other pods and ends.
//
// Exit status: 0 after a clean drain, 1 when the pod failed, 2 when the
// command line or the configuration is at fault, or does not fit what the pod
// finds around it: a restart does not help.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"chatbox"
	"chatbox/app"
)

const (
	exitFailed = 1
	exitUsage  = 2
)

// gcPercent is how much the heap may grow before it is collected. A pod's heap
// is mostly sockets that say nothing: at Go's 100 an idle attached one costs
// 24.7 KiB resident, at 60 it costs 21.9 (chatload --idle 8000). GOGC overrides
// it.
const gcPercent = 60

func main() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	// A second signal ends the process at once, as it would without a handler.
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, os.Args[1:], os.Environ(), os.Stdout, os.Stderr, app.Run))
}

// run is main without the process: serve is what runs the pod.
func run(ctx context.Context, args, environ []string, out, errs io.Writer, serve func(context.Context, app.Config) error) int {
	flags := flag.NewFlagSet("chatbox", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	file := flags.String("config", "", "")
	version := flags.Bool("version", false, "")
	err := flags.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return status(app.Help(out), errs)
	case err != nil:
		_, _ = fmt.Fprintf(errs, "chatbox: %v; see --help\n", err)
		return exitUsage
	case flags.NArg() > 0:
		_, _ = fmt.Fprintf(errs, "chatbox: %q is not an option; see --help\n", flags.Arg(0))
		return exitUsage
	case *version:
		_, err := fmt.Fprintln(out, versionText())
		return status(err, errs)
	}
	cfg, err := app.Load(environ, *file)
	if err != nil {
		_, _ = fmt.Fprintf(errs, "chatbox: the configuration is at fault; see --help\n%v\n", err)
		return exitUsage
	}
	return status(serve(ctx, cfg), errs)
}

func status(err error, errs io.Writer) int {
	if err == nil {
		return 0
	}
	_, _ = fmt.Fprintf(errs, "chatbox: %v\n", err)
	if _, unfit := errors.AsType[*chatbox.UnfitError](err); unfit {
		return exitUsage
	}
	return exitFailed
}

// versionText is the version with the commit that it was built from.
func versionText() string {
	text := "chatbox " + app.Version
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return text
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			text += " " + s.Value
		}
	}
	return text + " " + info.GoVersion
}
