// Command chatbox is one pod of a chat cluster. It reads its configuration,
// serves until it is asked to stop, sends its clients to other pods and ends.
// Subcommands look at a pod or its configuration; see --help.
//
// Exit status: 0 after a clean drain, 1 when the pod failed or is not ready, 2
// when the command line or the configuration is at fault, or does not fit what
// the pod finds around it: a restart does not help.
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
	"chatbox/app/config"
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

// call is one use of the command.
type call struct {
	file    string // of --config
	environ []string
	out     io.Writer
	errs    io.Writer
	serve   func(context.Context, config.Config) error // runs the pod
}

// commands are what the command can do by its first word; without one it is
// the pod.
func commands() map[string]func(call, context.Context) int {
	return map[string]func(call, context.Context) int{
		"":            call.pod,
		"healthcheck": call.healthcheck,
		"version":     call.version,
		"help":        call.help,
	}
}

// run is main without the process.
func run(ctx context.Context, args, environ []string, out, errs io.Writer, serve func(context.Context, config.Config) error) int {
	c := call{environ: environ, out: out, errs: errs, serve: serve}
	flags := flag.NewFlagSet("chatbox", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.Func("config", "", func(file string) error {
		if c.file != "" {
			return errors.New("is given twice")
		}
		c.file = file
		return nil
	})
	version := flags.Bool("version", false, "")
	printed := flags.Bool("print-config", false, "")
	name, err := parse(flags, args)
	command, known := commands()[name]
	switch {
	case errors.Is(err, flag.ErrHelp):
		return c.help(ctx)
	case err != nil:
		return c.misused(err.Error())
	case !known:
		return c.misused(fmt.Sprintf("%q is no command", name))
	case *version:
		return c.version(ctx)
	case *printed:
		return c.printConfig(ctx)
	}
	return command(c, ctx)
}

// parse reads options, before and after the one word that is the command.
func parse(flags *flag.FlagSet, args []string) (name string, err error) {
	if err := flags.Parse(args); err != nil || flags.NArg() == 0 {
		return "", err
	}
	name = flags.Arg(0)
	if name == "" {
		return "", errors.New("an empty word is no command")
	}
	if err := flags.Parse(flags.Args()[1:]); err != nil {
		return "", err
	}
	if flags.NArg() > 0 {
		return "", fmt.Errorf("%q is one word too many", flags.Arg(0))
	}
	return name, nil
}

func (c call) pod(ctx context.Context) int {
	cfg, err := config.Load(c.environ, c.file)
	if err != nil {
		return c.misconfigured(err)
	}
	return c.status(c.serve(ctx, cfg))
}

func (c call) healthcheck(ctx context.Context) int {
	err := app.Probe(ctx, c.environ, c.file)
	if _, ok := errors.AsType[*app.ProbeConfigError](err); ok {
		return c.misconfigured(err)
	}
	return c.status(err)
}

func (c call) version(context.Context) int {
	_, err := fmt.Fprintln(c.out, versionText())
	return c.status(err)
}

func (c call) help(context.Context) int { return c.status(config.Help(c.out)) }

func (c call) printConfig(context.Context) int {
	if err := config.Print(c.out, c.environ, c.file); err != nil {
		return c.misconfigured(err)
	}
	return 0
}

func (c call) misconfigured(err error) int {
	_, _ = fmt.Fprintf(c.errs, "chatbox: the configuration is at fault; see --help\n%v\n", err)
	return exitUsage
}

func (c call) misused(why string) int {
	_, _ = fmt.Fprintf(c.errs, "chatbox: %s\n%s\nchatbox --help says more\n", why, config.Usage)
	return exitUsage
}

func (c call) status(err error) int {
	if err == nil {
		return 0
	}
	_, _ = fmt.Fprintf(c.errs, "chatbox: %v\n", err)
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
