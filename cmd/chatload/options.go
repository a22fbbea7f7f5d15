package main

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
	"time"

	"chatbox/cmd/chatload/client"
	"chatbox/cmd/chatload/expect"
)

// socketsPerUser is the server's default limit. A load that needs more must say
// so by an option.
const socketsPerUser = 10

// options is the validated command line.
type options struct {
	urls       []string
	prefix     string
	secret     string
	tenant     string
	userPrefix string
	auth       string
	resume     string

	users, sessions, parallel, devices, messages int

	rate           float64
	wait           float64
	repeat         float64
	cancel         float64
	retry          float64
	reconnectEvery time.Duration
	duration       time.Duration
	ramp           time.Duration
	answerTimeout  time.Duration
	settle         time.Duration

	directive   string
	verify      string
	expected    expect.Func
	seed        uint64
	end         bool
	allowErrors bool
	json        bool
	manySockets bool

	idle        int
	attach      bool
	dialers     int
	metricsURLs []string
}

// errUsage means that the command line asked for help, which was printed.
var errUsage = errors.New("help was shown")

// parse parses the command line and returns all faults joined.
func parse(args []string, env func(string) string, help io.Writer) (options, error) {
	var o options
	var urls, metrics string
	f := flag.NewFlagSet("chatload", flag.ContinueOnError)
	f.SetOutput(help)
	f.Usage = func() { usage(f, help) }
	f.StringVar(&urls, "url", "http://127.0.0.1:8080", "address of a balancer, or several separated by commas; every dial takes one at random")
	o.podFlags(f)
	f.StringVar(&o.tenant, "tenant", "", "tenant claim of the tokens")
	f.StringVar(&o.userPrefix, "user-prefix", "", "beginning of the user ids; default: a new one for each run")
	f.StringVar(&o.auth, "auth", "header", "how tokens are shown: header, subprotocol, query, ticket or mixed")
	f.StringVar(&o.resume, "resume", "mixed", "how sockets resume: url, frame or mixed")
	f.IntVar(&o.users, "users", 10, "users at the same time")
	f.IntVar(&o.sessions, "sessions", 1, "sessions of each user")
	f.IntVar(&o.parallel, "parallel", 1, "sessions of one user at the same time")
	f.IntVar(&o.devices, "devices", 2, "sockets on each session")
	f.IntVar(&o.messages, "messages", 10, "messages in each session; 0: until --duration ends")
	f.Float64Var(&o.rate, "rate", 0, "messages a second over all users; 0: as fast as answers come")
	f.Float64Var(&o.wait, "wait", 0.8, "probability of waiting for the answer before the next message")
	f.Float64Var(&o.repeat, "repeat", 0.1, "probability that a message's frame is sent again, from any device")
	f.Float64Var(&o.cancel, "cancel", 0, "probability that an answer waited for is cancelled")
	f.Float64Var(&o.retry, "retry", 0.5, "probability that a cancelled answer is asked for again")
	f.DurationVar(&o.reconnectEvery, "reconnect-every", 0, "mean time between a device's broken connections; 0: never")
	f.DurationVar(&o.duration, "duration", 0, "no new messages after this; in idle mode: how long to hold (default 30s)")
	f.DurationVar(&o.ramp, "ramp", 2*time.Second, "users start spread over this time")
	f.DurationVar(&o.answerTimeout, "answer-timeout", time.Minute, "how long an answer may take")
	f.DurationVar(&o.settle, "settle", 30*time.Second, "how long a session may take to reach all devices after its last answer")
	f.StringVar(&o.directive, "directive", "", "appended to every message, as [[words=200 delay=20ms]] for the fake model")
	f.StringVar(&o.verify, "verify", "none", "expected text: none, fakeopenai or echo")
	f.Uint64Var(&o.seed, "seed", 0, "of the script; 0: a new one, printed")
	f.BoolVar(&o.end, "end", false, "end each session after it was verified")
	f.BoolVar(&o.allowErrors, "allow-errors", false, "error frames are counted but are no violation, as during a fault")
	f.BoolVar(&o.json, "json", false, "print the result as JSON")
	f.BoolVar(&o.manySockets, "many-sockets", false, "the pods allow more than 10 sockets of one user")
	f.IntVar(&o.idle, "idle", 0, "idle mode: open so many sockets and hold them")
	f.BoolVar(&o.attach, "attach", true, "idle mode: every socket creates a session of its own")
	f.IntVar(&o.dialers, "dialers", 64, "idle mode: sockets being opened at the same time")
	f.StringVar(&metrics, "metrics-url", "", "pods' /metrics/prometheus addresses, separated by commas, to report their memory")
	if err := f.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return o, errUsage
		}
		return o, err //nolint:wrapcheck // already says which flag
	}
	o.urls, o.metricsURLs = list(urls), list(metrics)
	o.secret = cmp.Or(o.secret, env(secretName))
	return o, o.check(f.Args())
}

func list(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return r == ',' || r == ' ' })
}

// check validates all options and returns all faults joined.
func (o *options) check(rest []string) error {
	var faults []error
	need := func(ok bool, format string, args ...any) {
		if !ok {
			faults = append(faults, fmt.Errorf(format, args...))
		}
	}
	need(len(rest) == 0, "unexpected arguments %q", rest)
	need(len(o.urls) > 0, "--url is empty")
	for _, u := range slices.Concat(o.urls, o.metricsURLs) {
		parsed, err := url.Parse(u)
		need(err == nil && parsed.Host != "" && (parsed.Scheme == "http" || parsed.Scheme == "https"), "%q is no http address", u)
	}
	need(o.secret != "", needSecret)
	for name, n := range map[string]int{
		"users": o.users, "sessions": o.sessions, "parallel": o.parallel, "devices": o.devices, "dialers": o.dialers,
	} {
		need(n > 0, "--%s must be positive", name)
	}
	need(o.messages >= 0 && o.idle >= 0 && o.rate >= 0, "--messages, --idle and --rate cannot be negative")
	need(o.messages > 0 || o.duration > 0 || o.idle > 0, "--messages 0 needs --duration")
	for name, p := range map[string]float64{"wait": o.wait, "repeat": o.repeat, "cancel": o.cancel, "retry": o.retry} {
		need(p >= 0 && p <= 1, "--%s is a probability", name)
	}
	for name, d := range map[string]time.Duration{
		"reconnect-every": o.reconnectEvery, "duration": o.duration, "ramp": o.ramp,
	} {
		need(d >= 0, "--%s cannot be negative", name)
	}
	need(o.answerTimeout > 0 && o.settle > 0, "--answer-timeout and --settle must be positive")
	need(o.manySockets || min(o.parallel, o.sessions)*o.devices <= socketsPerUser,
		"%d sockets of one user: the pods allow %d unless configured (then say --many-sockets)",
		min(o.parallel, o.sessions)*o.devices, socketsPerUser)
	need(oneOf(o.resume, "url", "frame", "mixed"), "--resume is url, frame or mixed")
	need(oneOf(o.auth, "mixed", string(client.AuthHeader), string(client.AuthSubprotocol), string(client.AuthQuery), string(client.AuthTicket)),
		"--auth is header, subprotocol, query, ticket or mixed")
	var err error
	o.expected, err = expect.ByName(o.verify)
	need(err == nil, "--verify: %v", err)
	return errors.Join(faults...)
}

func oneOf(s string, of ...string) bool {
	return slices.Contains(of, s)
}

func usage(f *flag.FlagSet, w io.Writer) {
	fmt.Fprint(w, `chatload talks to a Chatbox cluster as many users with several devices each, breaks their
connections, repeats their frames, and compares at the end what every device saw with the
others and with the history.

  chatload --url http://127.0.0.1:8080 --users 100 --messages 20 --reconnect-every 5s --verify fakeopenai
  chatload --url http://127.0.0.1:8080 --idle 8000 --metrics-url http://127.0.0.1:8081/chatbox/metrics/prometheus
  chatload bench --help   measures what messages, answers and sockets cost
  chatload relay --help   the ceiling to compare with

It exits 0 when nothing was lost, repeated, out of order, missing or wrong, 1 when something
was, 2 when the command line is not right.

`)
	f.PrintDefaults()
}

const (
	secretName = "JWT_SECRET" // in the environment
	needSecret = "--secret or " + secretName + " is needed"
)

// podFlags registers the options that every load on pods needs. The secret of the
// environment is read later: help would print it as a default.
func (o *options) podFlags(f *flag.FlagSet) {
	f.StringVar(&o.prefix, "prefix", "/chatbox", "path prefix of the pods")
	f.StringVar(&o.secret, "secret", "", "secret to sign tokens with (HS256); default: "+secretName)
}
