// Command chatbox-dev runs a whole cluster in one process without anything to
// install: three pods, a balancer without affinity, an in-process Redis, the
// history in one SQLite file, and a console that shows them.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"chatbox/app"
	"chatbox/app/devstack"
)

func main() {
	// The pods start this program to read a document.
	if len(os.Args) > 1 && os.Args[1] == app.DocumentCommand {
		os.Exit(app.ReadDocument(os.Args[2:], os.Stdin, os.Stdout))
	}
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

// run is main with its environment as arguments. It returns the exit code: 0
// after a clean stop, 1 after a failure, 2 for an invalid command line.
func run(args []string, out, errs io.Writer) int {
	cfg, level := devstack.DefaultConfig(), slog.LevelWarn
	fs := flag.NewFlagSet("chatbox-dev", flag.ContinueOnError)
	fs.SetOutput(errs)
	fs.IntVar(&cfg.Pods, "pods", cfg.Pods, "how many pods to run, 1-9")
	fs.StringVar(&cfg.Addr, "addr", cfg.Addr, "where the balancer listens")
	fs.StringVar(&cfg.Data, "data", cfg.Data, "folder of the history and of the secrets made on the first run")
	fs.StringVar(&cfg.RedisURL, "redis", "", "a real Redis (redis://host:port/db) instead of the one in this process")
	fs.StringVar(&cfg.MongoURI, "mongo", "", "a real MongoDB (mongodb://host:port) instead of the file under --data")
	fs.BoolVar(&cfg.NoWords, "no-words", false, "leave words out of the index that staff's search needs (SEARCH_INDEX=off)")
	fs.TextVar(&level, "log", level, "least level of log lines: debug, info, warn or error")
	if err := fs.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return 0
		}
		return 2
	}
	if cfg.Pods < 1 || cfg.Pods > 9 || fs.NArg() > 0 {
		_, _ = fmt.Fprintln(errs, "chatbox-dev: --pods takes 1 to 9, and there are no other arguments; see --help")
		return 2
	}
	cfg.Logger = slog.New(slog.NewTextHandler(errs, &slog.HandlerOptions{Level: level}))
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	if err := serve(ctx, cfg, out, errs); err != nil {
		_, _ = fmt.Fprintln(errs, "chatbox-dev:", err)
		return 1
	}
	return 0
}

func serve(ctx context.Context, cfg devstack.Config, out, errs io.Writer) error {
	model, err := devstack.ModelFromEnv(os.Getenv, cfg.Logger)
	if err != nil {
		return err
	}
	cfg.LLM = model
	defer model.Close()
	documents, err := app.NewDocuments()
	if err != nil {
		return err
	}
	cfg.Files.Texts = documents
	stack, err := devstack.Start(ctx, cfg)
	if err != nil {
		return err
	}
	if stack.Exposed() {
		_, _ = fmt.Fprintf(errs, exposed, cfg.Addr)
	}
	if err := greet(stack, cfg, out); err != nil {
		return errors.Join(err, halt(ctx, stack, cfg))
	}
	<-ctx.Done()
	_, _ = fmt.Fprintln(out, "\nStopping: answers end or are handed over, then clients are sent away.")
	return halt(ctx, stack, cfg)
}

const exposed = `WARNING: %s IS NOT A LOOPBACK ADDRESS. ANYBODY ON THE NETWORK CAN STOP THE PODS OF THIS
STACK, WHICH IS FOR DEVELOPMENT, AND ITS TRAFFIC AND THE TOKENS IN IT ARE NOT ENCRYPTED.
`

func halt(ctx context.Context, stack *devstack.Stack, cfg devstack.Config) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cfg.Drain.Shutdown+5*time.Second)
	defer cancel()
	return stack.Stop(ctx)
}

func greet(stack *devstack.Stack, cfg devstack.Config, out io.Writer) error {
	ada, err := stack.Link("ada")
	if err != nil {
		return err
	}
	ben, err := stack.Link("ben")
	if err != nil {
		return err
	}
	sam, err := stack.StaffLink("sam", "Sam")
	if err != nil {
		return err
	}
	kim, err := stack.StaffLink("kim", "Kim")
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, `Chatbox is up: %d pods behind %s, without affinity.

  Chat as user "ada":  %s

  Chat as user "ben":  %s

  Help as staff "sam": %s

  Help as staff "kim": %s

Open a link in two tabs, ask for something long, and kill the pod that serves
you: the buttons are at the top of the page. History is in %s. Ctrl-C stops.
`, cfg.Pods, stack.URL(), ada, ben, sam, kim, cfg.Data)
	return err
}
