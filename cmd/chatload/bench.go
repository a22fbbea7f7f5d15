package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"chatbox/cmd/chatload/bench"
	"chatbox/cmd/chatload/client"
)

// benchAdmin is the id of the admin who holds the sessions, so that no model
// answers.
const benchAdmin = "bench-admin"

// runBench is `chatload bench`: it measures deliveries between pods, or between
// relays, and prints one line.
func runBench(ctx context.Context, args []string, env func(string) string, stdout, stderr io.Writer) int {
	d := bench.Delivery{Processes: bench.Processes{}}
	var o options
	var urls string
	var relay, asJSON bool
	f := flag.NewFlagSet("chatload bench", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.StringVar(&urls, "url", "http://127.0.0.1:8080,http://127.0.0.1:8081", "addresses of the pods, separated by commas; a session has its sockets on two of them")
	f.StringVar(&o.prefix, "prefix", "/chatbox", "path prefix of the pods")
	f.StringVar(&o.secret, "secret", env("JWT_SECRET"), "secret to sign tokens with (HS256); default: JWT_SECRET")
	f.IntVar(&d.Sessions, "sessions", 100, "sessions, each with a sender and a receiver")
	f.IntVar(&d.Outstanding, "outstanding", 4, "messages of a session without an ack")
	f.Float64Var(&d.Rate, "rate", 0, "messages a second over all sessions; 0: as fast as acks come")
	f.DurationVar(&d.Warmup, "warmup", 2*time.Second, "time before the measurement")
	f.DurationVar(&d.Duration, "duration", 10*time.Second, "time of the measurement")
	f.BoolVar(&relay, "relay", false, "the addresses are of `chatload relay`")
	f.BoolVar(&asJSON, "json", false, "print the result as JSON")
	f.Func("process", "name=pid[,pid...] of processes whose processor time is reported; may be repeated", func(s string) error {
		return addProcess(d.Processes, s)
	})
	if err := f.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return exitGood
		}
		return exitUsage
	}
	o.urls = list(urls)
	path := o.prefix + "/ws"
	if relay {
		path = "/ws"
		d.Credential = func(string) (http.Header, error) { return nil, nil }
	} else {
		h := newHTTP()
		defer h.CloseIdleConnections()
		d.Credential = o.benchCredential
		d.Open = func(ctx context.Context, session string, send func(typ string) error) error {
			return o.holdSession(ctx, h, session, send)
		}
	}
	for _, u := range o.urls {
		d.URLs = append(d.URLs, "ws"+strings.TrimPrefix(u, "http")+path)
	}
	res, err := d.Run(ctx)
	if err != nil {
		fmt.Fprintf(stderr, "chatload bench: %v\n", err)
		return exitViolation
	}
	printBench(stdout, res, d.Processes, asJSON)
	return exitGood
}

func addProcess(of bench.Processes, s string) error {
	name, pids, ok := strings.Cut(s, "=")
	if !ok || name == "" {
		return errors.New("must be name=pid")
	}
	for _, field := range list(pids) {
		pid, err := strconv.Atoi(field)
		if err != nil {
			return fmt.Errorf("%q is no process id", field)
		}
		of[name] = append(of[name], pid)
	}
	return nil
}

// benchCredential gives each session a user of its own.
func (o *options) benchCredential(session string) (http.Header, error) {
	token, err := o.mint(session)
	return http.Header{"Authorization": {"Bearer " + token}}, err
}

// holdSession creates the session by a frame that wants no answer, and lets an
// admin take it over, so that no message is answered.
func (o *options) holdSession(ctx context.Context, h *http.Client, session string, send func(typ string) error) error {
	if err := send(client.TypeHelpRequest); err != nil {
		return err
	}
	token, err := o.mint(benchAdmin, "admin")
	if err != nil {
		return err
	}
	url := o.urls[0] + o.prefix + "/admin/takeover/" + session
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, http.NoBody)
	if err != nil {
		return fmt.Errorf("take over: %w", err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	res, err := h.Do(req)
	if err != nil {
		return fmt.Errorf("take over: %w", err)
	}
	defer func() { _ = res.Body.Close() }() // not read
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("take over: status %d", res.StatusCode)
	}
	return nil
}

func printBench(w io.Writer, res bench.Result, of bench.Processes, asJSON bool) {
	if asJSON {
		_ = json.NewEncoder(w).Encode(res) // standard output
		return
	}
	fmt.Fprintf(w, "%d messages, %.0f/s, p50 %.1f ms, p99 %.1f ms; CPU per message:", res.Messages, res.PerSecond, res.Latency.P50, res.Latency.P99)
	sum := 0.0
	for _, name := range of.Names() {
		fmt.Fprintf(w, " %s %.3f ms", name, res.CPU[name])
		sum += res.CPU[name]
	}
	fmt.Fprintf(w, ", all %.3f ms\n", sum)
}

// runRelay is `chatload relay`: it serves until ctx ends.
func runRelay(ctx context.Context, args []string, stderr io.Writer) int {
	f := flag.NewFlagSet("chatload relay", flag.ContinueOnError)
	f.SetOutput(stderr)
	listen := f.String("listen", "127.0.0.1:8090", "address")
	url := f.String("redis", "redis://127.0.0.1:6379", "Redis of all relays")
	if err := f.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return exitGood
		}
		return exitUsage
	}
	opts, err := redis.ParseURL(*url)
	if err != nil {
		fmt.Fprintf(stderr, "chatload relay: --redis: %v\n", err)
		return exitUsage
	}
	rdb := redis.NewClient(opts)
	defer func() { _ = rdb.Close() }()
	s := &http.Server{Addr: *listen, Handler: bench.NewRelay(rdb), ReadHeaderTimeout: 5 * time.Second}
	context.AfterFunc(ctx, func() { _ = s.Close() }) // the clients are the measurement's own
	if err := s.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		fmt.Fprintf(stderr, "chatload relay: %v\n", err)
		return exitViolation
	}
	return exitGood
}
