// Package cluster holds scenarios over several pods: what clients see is
// recorded by the clients and judged by the ledger, not by looking inside.
// Without servers they run on the embedded ones; with CHATBOX_TEST_REDIS_URL
// and CHATBOX_TEST_MONGO_URI on real ones.
package cluster

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"chatbox"
	"chatbox/app/devstack"
	"chatbox/cmd/chatload/client"
	"chatbox/cmd/chatload/ledger"
	"chatbox/test/childredis"
	"chatbox/test/specs"
	"chatbox/test/stack"
)

func TestMain(m *testing.M) {
	childredis.ServeInChild()
	// The server of the standard library waits for half a second before it closes a
	// connection whose request it has not read to the end.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("net/http.(*conn).closeWriteAndWait"))
}

// Every wait of a scenario is bounded; no test asserts a speed.
const patience = 2 * time.Minute

// cluster is a running stack with the clients of one test.
type cluster struct {
	t     *testing.T
	ctx   context.Context
	stack *devstack.Stack
	seen  *specs.Recorder // holds responses and frames to the documents
	http  *http.Client
}

// stacks counts the stacks that are up. Two would share one Redis database and
// have pods of the same names.
var stacks atomic.Int32

// start brings up a stack of n pods; change may alter its configuration. The
// stack stops when t ends, and only then may the next one start.
func start(t *testing.T, n int, change ...func(*devstack.Config)) *cluster {
	t.Helper()
	if !stacks.CompareAndSwap(0, 1) {
		t.Fatal("another stack is up: give each one a subtest of its own")
	}
	t.Cleanup(func() { stacks.Store(0) })
	ctx, cancel := context.WithTimeout(t.Context(), 4*patience)
	t.Cleanup(cancel)
	cfg := stack.Config(t, stack.Scripted("fast", "Fast"), stack.Scripted("other", "Other", stack.Continuing))
	cfg.Pods = n
	cfg.RedisURL = emptyRedis(ctx, t)
	if cfg.MongoURI = os.Getenv("CHATBOX_TEST_MONGO_URI"); cfg.MongoURI != "" {
		cfg.MongoName = "cluster_" + strings.ToLower(client.NewID()[:10])
	}
	for _, f := range change {
		f(&cfg)
	}
	pods := stack.Start(ctx, t, cfg)
	seen := specs.Record(t)
	c := &cluster{t: t, ctx: ctx, stack: pods, seen: seen, http: &http.Client{Transport: seen.Transport(http.DefaultTransport)}}
	for i := range n {
		c.until("a pod that is ready", func() bool { return c.ready(i) })
	}
	return c
}

// ready reports whether the n-th pod is.
func (c *cluster) ready(n int) bool {
	c.t.Helper()
	req, err := http.NewRequestWithContext(c.ctx, http.MethodGet, c.podURL(n)+"/chatbox/readyz", http.NoBody)
	if err != nil {
		c.t.Fatal(err)
	}
	res, err := (&http.Client{Timeout: patience}).Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	_, _ = io.Copy(io.Discard, res.Body) // the connection is used again
	return res.StatusCode == http.StatusOK
}

// emptyRedis is a database of the real Redis that only these tests use, one
// after the other: each stack has keys of its own and can read nobody else's.
func emptyRedis(ctx context.Context, t *testing.T) string {
	t.Helper()
	given := os.Getenv("CHATBOX_TEST_REDIS_URL")
	if given == "" {
		return ""
	}
	opts, err := redis.ParseURL(given)
	if err != nil {
		t.Fatal("CHATBOX_TEST_REDIS_URL cannot be parsed")
	}
	opts.DB = 7
	rdb := redis.NewClient(opts)
	defer func() { _ = rdb.Close() }()
	if err := rdb.FlushDB(ctx).Err(); err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(given)
	if err != nil {
		t.Fatal("CHATBOX_TEST_REDIS_URL cannot be parsed")
	}
	u.Path = "/7"
	return u.String()
}

// podURL is the address of the n-th pod itself, beside the balancer.
func (c *cluster) podURL(n int) string { return "http://" + c.stack.Pods()[n].Addr }

func (c *cluster) token(user string) string {
	c.t.Helper()
	token, err := c.stack.Token(user, user)
	if err != nil {
		c.t.Fatal(err)
	}
	return token
}

// device connects a client of the user to the session through url and runs it
// until the test ends.
func (c *cluster) device(user, session, url string, change ...func(*client.Config)) *client.Client {
	c.t.Helper()
	token := c.token(user)
	cfg := client.Config{
		URLs: []string{url}, SessionID: session, Record: true, KeepPieces: true, Raw: c.seen.Raw,
		Token: func(context.Context) (string, error) { return token, nil },
	}
	for _, f := range change {
		f(&cfg)
	}
	d := client.New(cfg)
	ctx, cancel := context.WithCancel(c.ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = d.Run(ctx)
	}()
	c.t.Cleanup(func() { cancel(); <-done })
	c.wait(d, "greeting", func(t *client.Tracker) bool { return t.Greeted() })
	return d
}

func (c *cluster) wait(d *client.Client, what string, ok func(*client.Tracker) bool) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.ctx, patience)
	defer cancel()
	if err := d.WaitFor(ctx, ok); err != nil {
		for _, e := range d.Transcript() {
			c.t.Logf("%+v", e)
		}
		c.t.Fatalf("waiting for %s: %v", what, err)
	}
}

// say sends a message with an id and returns the id.
func (c *cluster) say(d *client.Client, session, content string) string {
	c.t.Helper()
	id, err := d.Send(client.Frame{Type: client.TypeUserMessage, SessionID: session, Content: content})
	if err != nil {
		c.t.Fatal(err)
	}
	return id
}

// acked waits for the message's ack and returns its seq.
func (c *cluster) acked(d *client.Client, session, id string) int64 {
	c.t.Helper()
	var seq int64
	c.wait(d, "ack of "+id, func(t *client.Tracker) bool {
		s := t.Session(session)
		if s == nil || s.Sent[id] == nil {
			return false
		}
		seq = s.Sent[id].Seq
		return seq > 0
	})
	return seq
}

// answered waits until the answer to the message is over and returns its text.
func (c *cluster) answered(d *client.Client, session, id string) string {
	c.t.Helper()
	var text string
	c.wait(d, "answer to "+id, func(t *client.Tracker) bool {
		s := t.Session(session)
		if s == nil {
			return false
		}
		a := s.AnswerTo(id)
		if a == nil || !a.Over() {
			return false
		}
		text = a.Shown()
		return true
	})
	return text
}

// streaming waits until some of the answer was shown.
func (c *cluster) streaming(d *client.Client, session, id string, least int) {
	c.t.Helper()
	c.wait(d, "pieces of the answer to "+id, func(t *client.Tracker) bool {
		s := t.Session(session)
		if s == nil {
			return false
		}
		a := s.AnswerTo(id)
		return a != nil && len(a.Shown()) >= least
	})
}

func (c *cluster) rest(user string) *client.REST {
	token := c.token(user)
	return &client.REST{
		URLs: []string{c.stack.URL()}, HTTP: c.http,
		Token: func(context.Context) (string, error) { return token, nil },
	}
}

func (c *cluster) history(user, session string) []client.Message {
	c.t.Helper()
	msgs, err := c.rest(user).History(c.ctx, session)
	if err != nil {
		c.t.Fatal(err)
	}
	return msgs
}

// judge lays the devices' transcripts beside the history.
func (c *cluster) judge(user, session string, allow []ledger.Class, devices ...*client.Client) {
	c.t.Helper()
	in := ledger.Input{SessionID: session, History: c.history(user, session), Complete: true}
	for i, d := range devices {
		head := in.History[len(in.History)-1].Seq
		c.wait(d, "the head", func(t *client.Tracker) bool { s := t.Session(session); return s != nil && s.LastSeq >= head })
		in.Devices = append(in.Devices, ledger.FromTranscript(fmt.Sprintf("device-%d", i), session, d.Transcript()))
	}
	r := ledger.Compare(in)
	for class, n := range r.Counts {
		if n > 0 && !slices.Contains(allow, class) {
			c.t.Errorf("%s: %d", class, n)
		}
	}
	if c.t.Failed() {
		c.t.Logf("%+v", r)
	}
}

// serving is the place of the pod that gives the session's answer now.
func (c *cluster) generating() chatbox.PodID {
	c.t.Helper()
	var id chatbox.PodID
	c.until("a pod that answers", func() bool {
		for _, p := range c.stack.Pods() {
			if c.stack.Generations(p.ID) > 0 {
				id = p.ID
			}
		}
		return id != ""
	})
	return id
}
