package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"io"
	"time"

	"chatbox/cmd/chatload/bench"
)

// runCrowd is `chatload bench idle` and `chatload bench storm`: what sockets
// that send nothing cost, and how they come back. It prints one line.
func runCrowd(ctx context.Context, mode string, args []string, env func(string) string, stdout, stderr io.Writer) int {
	c := bench.Crowd{Processes: bench.Processes{}}
	var o options
	var at string
	var asJSON bool
	f := flag.NewFlagSet("chatload bench "+mode, flag.ContinueOnError)
	f.SetOutput(stderr)
	f.StringVar(&at, "url", "http://127.0.0.1:8080", "addresses of the pods, separated by commas; the sockets are spread over them")
	o.podFlags(f)
	f.IntVar(&c.Sockets, "sockets", 4000, "number of sockets")
	f.IntVar(&c.Dialers, "dialers", 256, "sockets that connect at the same time")
	f.DurationVar(&c.Settle, "settle", 10*time.Second, "time after the last connection, before memory is read or the sockets are dropped")
	f.BoolVar(&asJSON, "json", false, "print the result as JSON")
	measure := idleCrowd
	if mode == "idle" {
		f.BoolVar(&c.Attached, "attach", true, "every socket has a session of its own")
	} else {
		f.IntVar(&c.Kill, "kill", 0, "kill this process, the pod at the first address; 0: the clients drop all sockets")
		measure = storm
	}
	processFlag(f, c.Processes)
	if code, ok := readFlags(f, args); !ok {
		return code
	}
	if o.secret = cmp.Or(o.secret, env(secretName)); o.secret == "" {
		return refuse(f, needSecret)
	}
	o.urls = list(at)
	c.URLs, c.Credential = o.addresses("ws", o.prefix+"/ws"), o.benchCredential
	if err := measure(ctx, c, stdout, asJSON); err != nil {
		fmt.Fprintf(stderr, "chatload bench %s: %v\n", mode, err)
		return exitViolation
	}
	return exitGood
}

func idleCrowd(ctx context.Context, c bench.Crowd, w io.Writer, asJSON bool) error {
	r, err := c.Idle(ctx)
	if err != nil {
		return err //nolint:wrapcheck // says which socket
	}
	return printed(w, asJSON, r, func() {
		fmt.Fprintf(w, "%d sockets in %.1f s, connect p50 %.1f ms, p99 %.1f ms; resident per socket:", r.Sockets, r.Connected, r.Connect.P50, r.Connect.P99)
		printEach(w, "%.1f KB", r.KB, c.Processes)
		fmt.Fprintln(w)
	})
}

func storm(ctx context.Context, c bench.Crowd, w io.Writer, asJSON bool) error {
	r, err := c.Storm(ctx)
	if err != nil {
		return err //nolint:wrapcheck // says which socket
	}
	return printed(w, asJSON, r, func() {
		fmt.Fprintf(w, "%d sockets back in %.2f s, p50 %.0f ms, p99 %.0f ms; CPU per socket:", r.Sockets, r.Back, r.Resume.P50, r.Resume.P99)
		printEach(w, "%.3f ms", r.CPU, c.Processes)
		fmt.Fprintln(w)
	})
}
