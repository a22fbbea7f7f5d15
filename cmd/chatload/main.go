// Command chatload is the load generator and the proof of a Chatbox cluster: it knows the
// contract on the wire and nothing else, and exits 1 where the cluster breaks it.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/signal"
	"syscall"
)

// Exit codes.
const (
	exitGood      = 0
	exitViolation = 1
	exitUsage     = 2
)

func main() {
	ctx := context.Background()
	// The first signal ends the talking and leads to a report, the second one kills.
	soft, restore := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(soft, restore)
	code := run(ctx, soft, os.Args[1:], os.Getenv, os.Stdout, os.Stderr)
	restore()
	os.Exit(code)
}

// run is the whole program: soft ends the talking, ctx everything.
func run(ctx, soft context.Context, args []string, env func(string) string, stdout, stderr io.Writer) int {
	o, err := parse(args, env, stderr)
	switch {
	case errors.Is(err, errUsage):
		return exitGood
	case err != nil:
		fmt.Fprintf(stderr, "chatload: %v\nchatload --help lists all flags\n", err)
		return exitUsage
	}
	if o.seed == 0 {
		o.seed = rand.Uint64()>>32 | 1 //nolint:gosec // a seed needs no secrecy
	}
	l := newLoad(o, stderr)
	if o.idle > 0 {
		return l.idle(ctx, soft, stdout)
	}
	return l.talkAll(ctx, soft, stdout)
}
