// Command fakeopenaid serves the fake OpenAI vendor for tests that run real pods.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"chatbox/test/fakeopenai"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "fakeopenaid:", err)
		os.Exit(1)
	}
}

// run serves until ctx ends. It prints the address it listens on as its first line.
func run(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("fakeopenaid", flag.ContinueOnError)
	addr := flags.String("listen", "127.0.0.1:0", "address to listen on")
	delay := flags.Duration("delay", 20*time.Millisecond, "between two pieces, where a message does not say otherwise")
	key := flags.String("api-key", "", "bearer token to require, empty: none")
	if err := flags.Parse(args); err != nil {
		return fmt.Errorf("flags: %w", err)
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", *addr)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	fmt.Fprintf(os.Stdout, "http://%s/v1\n", listener.Addr())
	server := &http.Server{
		Handler:           fakeopenai.New(fakeopenai.Config{Delay: *delay, APIKey: *key}).Handler(),
		ReadHeaderTimeout: 10 * time.Second,
		BaseContext:       func(net.Listener) context.Context { return ctx },
	}
	closed := context.AfterFunc(ctx, func() { _ = server.Close() }) // ends every stream; nothing is owed
	defer closed()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve: %w", err)
	}
	return nil
}
