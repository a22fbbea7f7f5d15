// Command chatbox runs one pod of a chat cluster. It reads its configuration and
// serves until it is asked to stop; then it sends its clients to other pods and
// exits. Subcommands inspect a pod or its configuration; see --help. One more,
// extract-text, is internal: a pod starts it to read a document.
//
// Exit status: 0 after a clean drain; 1 if the pod failed or is not ready, or the
// doctor found a failure; 2 if the command line or the configuration is invalid or does not fit the pod's
// surroundings, so that a restart does not help; 3 if rotate --status finds that older
// keys are needed.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"sync"
	"syscall"

	"chatbox"
	"chatbox/app"
	"chatbox/app/config"
	"chatbox/app/doctor"
	"chatbox/app/rotate"
)

const (
	exitFailed = 1
	exitUsage  = 2
	exitLeft   = 3
)

func main() {
	// Before anything else: the helper is to have nothing of a pod.
	if len(os.Args) > 1 && os.Args[1] == app.DocumentCommand {
		os.Exit(app.ReadDocument(os.Args[2:], os.Stdin, os.Stdout))
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	// A second signal ends the process at once, as without a handler.
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, os.Args[1:], os.Environ(), os.Stdout, os.Stderr, serve))
}

func serve(ctx context.Context, cfg config.Config) error {
	documents, err := app.NewDocuments()
	if err != nil {
		return err
	}
	return app.Run(ctx, cfg, documents)
}

// call is one invocation of the command.
type call struct {
	file    string // value of --config
	environ []string
	out     io.Writer
	errs    io.Writer
	doctor  doctor.Options
	rotate  rotate.Options
	json    bool                                       // value of --json
	serve   func(context.Context, config.Config) error // runs the pod
}

// commands are the subcommands by name. The empty name runs the pod.
func commands() map[string]func(call, context.Context) int {
	return map[string]func(call, context.Context) int{
		"":            call.pod,
		"healthcheck": call.healthcheck,
		"doctor":      call.examine,
		"rotate":      call.reseal,
		"version":     call.version,
		"help":        call.help,
	}
}

// run is main with its environment as arguments. It returns the exit code.
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
	flags.BoolVar(&c.doctor.AskModels, "ask-models", false, "")
	flags.BoolVar(&c.json, "json", false, "")
	flags.BoolVar(&c.rotate.Status, "status", false, "")
	flags.IntVar(&c.rotate.Rate, "rate", 0, "")
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
	case name != "doctor" && (c.json || c.doctor.AskModels):
		return c.misused("--json and --ask-models are for the doctor")
	case name != "rotate" && c.rotate != (rotate.Options{}):
		return c.misused("--status and --rate are for rotate")
	case c.rotate.Rate < 0:
		return c.misused("--rate must be positive")
	case *version:
		return c.version(ctx)
	case *printed:
		return c.printConfig(ctx)
	}
	return command(c, ctx)
}

// parse parses options, before and after the name of a subcommand.
func parse(flags *flag.FlagSet, args []string) (name string, err error) {
	if err := flags.Parse(args); err != nil || flags.NArg() == 0 {
		return "", err
	}
	name = flags.Arg(0)
	if name == "" {
		return "", errors.New("a command cannot be empty")
	}
	if err := flags.Parse(flags.Args()[1:]); err != nil {
		return "", err
	}
	if flags.NArg() > 0 {
		return "", fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	return name, nil
}

func (c call) pod(ctx context.Context) int {
	cfg, err := config.Load(c.environ, c.file)
	if err != nil {
		return c.misconfigured(err)
	}
	trimming, stop := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() { trim(trimming) })
	err = c.serve(ctx, cfg)
	stop()
	wg.Wait()
	return c.status(err)
}

func (c call) healthcheck(ctx context.Context) int {
	err := app.Probe(ctx, c.environ, c.file)
	if _, ok := errors.AsType[*app.ProbeConfigError](err); ok {
		return c.misconfigured(err)
	}
	return c.status(err)
}

// examine prints what the doctor finds. The configuration's faults are findings,
// too, so that the operator sees everything at once.
func (c call) examine(ctx context.Context) int {
	found := doctor.Examine(ctx, c.environ, c.file, c.doctor)
	write := doctor.Print
	if c.json {
		write = doctor.PrintJSON
	}
	if err := write(c.out, found); err != nil {
		return c.status(err)
	}
	if doctor.Failed(found) {
		return exitFailed
	}
	return 0
}

// reseal seals the history again, or says what needs older keys.
func (c call) reseal(ctx context.Context) int {
	cfg, err := config.Load(c.environ, c.file)
	if err != nil {
		return c.misconfigured(err)
	}
	err = rotate.Run(ctx, cfg, c.rotate, c.out, c.errs)
	if errors.Is(err, rotate.ErrLeft) {
		return exitLeft
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

// versionText returns the version and the commit that it was built from.
func versionText() string {
	return fmt.Sprintf("chatbox %s %s %s %s/%s", app.Version, app.Revision(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
}
