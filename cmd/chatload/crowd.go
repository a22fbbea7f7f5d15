package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
	"time"

	"chatbox/cmd/chatload/bench"
)

// runCrowd is `chatload bench idle` and `chatload bench storm`: what sockets
// that send nothing cost, and how they come back. It prints one line.
func runCrowd(ctx context.Context, mode string, args []string, env func(string) string, stdout, stderr io.Writer) int {
	c := bench.Crowd{Processes: bench.Processes{}}
	var o options
	var urls string
	var asJSON bool
	f := flag.NewFlagSet("chatload bench "+mode, flag.ContinueOnError)
	f.SetOutput(stderr)
	f.StringVar(&urls, "url", "http://127.0.0.1:8080", "addresses of the pods, separated by commas; the sockets are spread over them")
	f.StringVar(&o.prefix, "prefix", "/chatbox", "path prefix of the pods")
	f.StringVar(&o.secret, "secret", env("JWT_SECRET"), "secret to sign tokens with (HS256); default: JWT_SECRET")
	f.IntVar(&c.Sockets, "sockets", 4000, "number of sockets")
	f.IntVar(&c.Dialers, "dialers", 256, "sockets that connect at the same time")
	f.DurationVar(&c.Settle, "settle", 10*time.Second, "time after the last connection, before memory is read or the sockets are dropped")
	f.BoolVar(&asJSON, "json", false, "print the result as JSON")
	if mode == "idle" {
		f.BoolVar(&c.Attached, "attach", true, "every socket has a session of its own")
	} else {
		f.IntVar(&c.Kill, "kill", 0, "kill this process, the pod at the first address; 0: the clients drop all sockets")
	}
	f.Func("process", "name=pid[,pid...] of processes to account for; may be repeated", func(s string) error {
		return addProcess(c.Processes, s)
	})
	if err := f.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return exitGood
		}
		return exitUsage
	}
	for _, u := range list(urls) {
		c.URLs = append(c.URLs, "ws"+strings.TrimPrefix(u, "http")+o.prefix+"/ws")
	}
	c.Credential = o.benchCredential
	measure := printIdleCrowd
	if mode == "storm" {
		measure = printStorm
	}
	if err := measure(ctx, c, stdout, asJSON); err != nil {
		fmt.Fprintf(stderr, "chatload bench %s: %v\n", mode, err)
		return exitViolation
	}
	return exitGood
}

func printIdleCrowd(ctx context.Context, c bench.Crowd, w io.Writer, asJSON bool) error {
	r, err := c.Idle(ctx)
	if err != nil {
		return err //nolint:wrapcheck // says which socket
	}
	if asJSON {
		return json.NewEncoder(w).Encode(r) //nolint:wrapcheck // standard output
	}
	fmt.Fprintf(w, "%d sockets in %.1f s, connect p50 %.1f ms, p99 %.1f ms; resident per socket:", r.Sockets, r.Connected, r.Connect.P50, r.Connect.P99)
	for _, name := range c.Processes.Names() {
		fmt.Fprintf(w, " %s %.1f KB", name, r.KB[name])
	}
	fmt.Fprintln(w)
	return nil
}

func printStorm(ctx context.Context, c bench.Crowd, w io.Writer, asJSON bool) error {
	r, err := c.Storm(ctx)
	if err != nil {
		return err //nolint:wrapcheck // says which socket
	}
	if asJSON {
		return json.NewEncoder(w).Encode(r) //nolint:wrapcheck // standard output
	}
	fmt.Fprintf(w, "%d sockets back in %.2f s, p50 %.0f ms, p99 %.0f ms; CPU per socket:", r.Sockets, r.Back, r.Resume.P50, r.Resume.P99)
	for _, name := range c.Processes.Names() {
		fmt.Fprintf(w, " %s %.3f ms", name, r.CPU[name])
	}
	fmt.Fprintln(w)
	return nil
}
