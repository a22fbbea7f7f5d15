package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
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

// benching holds the options of `chatload bench`.
type benching struct {
	options

	delivery bench.Delivery
	at       string
	relay    bool
	asJSON   bool
	answers  int
	pieces   float64
	model    string
}

// runBench is `chatload bench`: it measures deliveries between pods or between
// relays, or running answers, and prints one line.
func runBench(ctx context.Context, args []string, env func(string) string, stdout, stderr io.Writer) int {
	if len(args) > 0 && (args[0] == "idle" || args[0] == "storm") {
		return runCrowd(ctx, args[0], args[1:], env, stdout, stderr)
	}
	b := benching{delivery: bench.Delivery{Processes: bench.Processes{}}}
	d := &b.delivery
	f := flag.NewFlagSet("chatload bench", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.Usage = func() {
		fmt.Fprint(stderr, "chatload bench measures messages from one pod to another or, with --answers, running answers.\n"+
			"chatload bench idle --help and chatload bench storm --help measure sockets.\n\n")
		f.PrintDefaults()
	}
	f.StringVar(&b.at, "url", "http://127.0.0.1:8080,http://127.0.0.1:8081", "addresses of the pods, separated by commas; a session has its sockets on two of them")
	b.podFlags(f)
	f.IntVar(&d.Sessions, "sessions", 100, "sessions, each with a sender and a receiver")
	f.IntVar(&d.Outstanding, "outstanding", 4, "messages of a session without an ack")
	f.Float64Var(&d.Rate, "rate", 0, "messages a second over all sessions; 0: as fast as acks come")
	f.DurationVar(&d.Warmup, "warmup", 2*time.Second, "time before the measurement")
	f.DurationVar(&d.Duration, "duration", 10*time.Second, "time of the measurement")
	f.IntVar(&b.answers, "answers", 0, "measure so many running answers instead of messages")
	f.Float64Var(&b.pieces, "pieces", 50, "with --answers: pieces a second that the model writes in each")
	f.StringVar(&b.model, "model-listen", "127.0.0.1:8099", "with --answers: address of the model, whose endpoint the pods or relays need to have")
	f.BoolVar(&b.relay, "relay", false, "the addresses are of `chatload relay`; with --answers it must have the model's address")
	f.BoolVar(&b.asJSON, "json", false, "print the result as JSON")
	processFlag(f, d.Processes)
	if code, ok := readFlags(f, args); !ok {
		return code
	}
	b.urls, b.secret = list(b.at), cmp.Or(b.secret, env(secretName))
	if b.secret == "" && !b.relay {
		return refuse(f, needSecret)
	}
	measure := b.deliveries
	if b.answers > 0 {
		measure = b.runningAnswers
	}
	if err := measure(ctx, stdout); err != nil {
		fmt.Fprintf(stderr, "chatload bench: %v\n", err)
		return exitViolation
	}
	return exitGood
}

// deliveries measures messages.
func (b *benching) deliveries(ctx context.Context, stdout io.Writer) error {
	d := b.delivery
	if b.relay {
		d.URLs = b.addresses("ws", "/ws")
		d.Credential = func(string) (http.Header, error) { return nil, nil }
	} else {
		h := newHTTP()
		defer h.CloseIdleConnections()
		d.URLs = b.addresses("ws", b.prefix+"/ws")
		d.Credential = b.benchCredential
		d.Open = func(ctx context.Context, session string, send func(typ string) error) error {
			return b.holdSession(ctx, h, session, send)
		}
	}
	res, err := d.Run(ctx)
	if err != nil {
		return err //nolint:wrapcheck // says which session
	}
	return printed(stdout, b.asJSON, res, func() {
		fmt.Fprintf(stdout, "%d messages, %.0f/s, p50 %.1f ms, p99 %.1f ms; CPU per message:", res.Messages, res.PerSecond, res.Latency.P50, res.Latency.P99)
		printSum(stdout, "%.3f ms", res.CPU, d.Processes)
	})
}

// runningAnswers serves the model and measures answers.
func (b *benching) runningAnswers(ctx context.Context, stdout io.Writer) error {
	a := bench.Answers{
		Model: bench.NewModel(b.pieces), Sessions: b.answers, Passed: b.relay, Warmup: b.delivery.Warmup, Duration: b.delivery.Duration,
		Processes: b.delivery.Processes, Credential: b.benchCredential, URLs: b.addresses("ws", b.prefix+"/ws"),
	}
	if b.relay {
		a.URLs = b.addresses("http", "/answers")
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", b.model)
	if err != nil {
		return fmt.Errorf("--model-listen: %w", err)
	}
	s := &http.Server{Handler: a.Model, ReadHeaderTimeout: 5 * time.Second}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = s.Serve(l) // until Close
	}()
	res, err := a.Run(ctx)
	_ = s.Close() // the answers have ended
	<-served
	if err != nil {
		return err //nolint:wrapcheck // says which answer
	}
	return printed(stdout, b.asJSON, res, func() {
		fmt.Fprintf(stdout, "%d pieces, %.0f/s, lag p50 %.1f ms, p99 %.1f ms; first piece p50 %.1f ms, p99 %.1f ms; CPU per 1,000 pieces:",
			res.Pieces, res.PerSecond, res.Lag.P50, res.Lag.P99, res.First.P50, res.First.P99)
		printSum(stdout, "%.0f ms", res.CPU, a.Processes)
	})
}

func processFlag(f *flag.FlagSet, of bench.Processes) {
	f.Func("process", "name=pid[,pid...] of processes to account for; may be repeated", func(s string) error { return addProcess(of, s) })
}

// readFlags returns false and the exit code if there is nothing to do.
func readFlags(f *flag.FlagSet, args []string) (code int, ok bool) {
	switch err := f.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return exitGood, false
	case err != nil:
		return exitUsage, false
	case f.NArg() > 0:
		return refuse(f, fmt.Sprintf("unexpected arguments %q", f.Args())), false
	default:
		return exitGood, true
	}
}

// refuse prints what is wrong with the command line.
func refuse(f *flag.FlagSet, fault string) int {
	fmt.Fprintf(f.Output(), "%s: %s\n", f.Name(), fault)
	return exitUsage
}

// addresses returns the addresses with another scheme, and with the path.
func (o *options) addresses(scheme, path string) []string {
	urls := make([]string, len(o.urls))
	for i, u := range o.urls {
		urls[i] = scheme + strings.TrimPrefix(u, "http") + path
	}
	return urls
}

func addProcess(of bench.Processes, s string) error {
	name, pids, ok := strings.Cut(s, "=")
	if !ok || name == "" || len(list(pids)) == 0 {
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

// printed prints a result as JSON or as a line.
func printed(w io.Writer, asJSON bool, result any, line func()) error {
	if asJSON {
		return json.NewEncoder(w).Encode(result) //nolint:wrapcheck // standard output
	}
	line()
	return nil
}

// printEach adds a value for each name to a line, and returns their sum.
func printEach(w io.Writer, format string, values map[string]float64, of bench.Processes) (sum float64) {
	for _, name := range of.Names() {
		fmt.Fprintf(w, " %s "+format, name, values[name])
		sum += values[name]
	}
	return sum
}

// printSum ends a line with a value for each name and their sum.
func printSum(w io.Writer, format string, values map[string]float64, of bench.Processes) {
	sum := printEach(w, format, values, of)
	fmt.Fprintf(w, ", all "+format+"\n", sum)
}

// runRelay is `chatload relay`: it serves until ctx ends.
func runRelay(ctx context.Context, args []string, stderr io.Writer) int {
	f := flag.NewFlagSet("chatload relay", flag.ContinueOnError)
	f.SetOutput(stderr)
	listen := f.String("listen", "127.0.0.1:8090", "address")
	url := f.String("redis", "redis://127.0.0.1:6379", "Redis of all relays")
	model := f.String("model", "http://127.0.0.1:8099/", "address of the model whose answers are passed through")
	if code, ok := readFlags(f, args); !ok {
		return code
	}
	opts, err := redis.ParseURL(*url)
	if err != nil {
		fmt.Fprintf(stderr, "chatload relay: --redis: %v\n", err)
		return exitUsage
	}
	rdb := redis.NewClient(opts)
	defer func() { _ = rdb.Close() }()
	mux := http.NewServeMux()
	mux.Handle("/ws", bench.NewRelay(rdb))
	mux.Handle("/answers", bench.PassThrough(*model))
	s := &http.Server{Addr: *listen, Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	context.AfterFunc(ctx, func() { _ = s.Close() }) // the clients are the measurement's own
	if err := s.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		fmt.Fprintf(stderr, "chatload relay: %v\n", err)
		return exitViolation
	}
	return exitGood
}
