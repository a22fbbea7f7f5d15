// Command chatload generates load on a Chatbox cluster and checks that the
// cluster keeps the wire contract. It exits with 1 if the cluster violates it.
// "chatload bench" measures what messages, answers and sockets cost, and "chatload
// relay" is the ceiling to compare with.
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
	// The first signal stops the sessions and prints the report; a second one
	// kills the process.
	soft, restore := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(soft, restore)
	code := run(ctx, soft, os.Args[1:], os.Getenv, os.Stdout, os.Stderr)
	restore()
	os.Exit(code)
}

// run is main with its environment as arguments. soft stops the sessions; ctx
// stops everything.
func run(ctx, soft context.Context, args []string, env func(string) string, stdout, stderr io.Writer) int {
	if len(args) > 0 {
		switch args[0] {
		case "bench":
			return runBench(soft, args[1:], env, stdout, stderr)
		case "relay":
			return runRelay(soft, args[1:], stderr)
		}
	}
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
