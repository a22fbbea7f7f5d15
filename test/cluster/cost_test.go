package cluster

import (
	"context"
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"chatbox"
	"chatbox/app"
	"chatbox/app/devstack"
	"chatbox/cmd/chatload/client"
)

// meter counts what the pods ask of Redis, by script, and of the history, by
// operation. A flush counts once, under the name of its first script.
type meter struct {
	names map[string]string // of scripts, by hash

	mu     sync.Mutex // guards counts
	counts map[string]int
}

// byTheClock are the scripts of a pod's heartbeat, which is no message's.
var byTheClock = map[string]bool{"card.lua": true, "identity.lua": true, "probe.lua": true}

func newMeter(t *testing.T) *meter {
	t.Helper()
	m := &meter{names: map[string]string{}, counts: map[string]int{}}
	files, err := filepath.Glob("../../redisstate/scripts/*.lua")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, f := range files {
		src, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		sum := sha1.Sum(src)
		m.names[hex.EncodeToString(sum[:])] = filepath.Base(f)
	}
	return m
}

func (m *meter) note(name string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.counts[name]++
}

func (m *meter) read() map[string]int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.counts)
}

func (m *meter) command(c redis.Cmder) {
	if c.Name() != "evalsha" {
		return // heartbeats, the canary: not a message's
	}
	sha, _ := c.Args()[1].(string)
	if name := m.names[sha]; !byTheClock[name] {
		m.note(name)
	}
}

// DialHook, ProcessHook and ProcessPipelineHook make it a hook of the client.
func (m *meter) DialHook(next redis.DialHook) redis.DialHook { return next }

func (m *meter) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		m.command(cmd)
		return next(ctx, cmd)
	}
}

func (m *meter) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		m.command(cmds[0])
		return next(ctx, cmds)
	}
}

type countedMessages struct {
	app.MessageStore
	m *meter
}

func (c countedMessages) Append(ctx context.Context, e chatbox.Event) error {
	c.m.note("insert")
	return c.MessageStore.Append(ctx, e)
}

func (c countedMessages) ByKey(ctx context.Context, s chatbox.SessionKey, key string) (chatbox.Event, error) {
	c.m.note("by key")
	return c.MessageStore.ByKey(ctx, s, key)
}

func (c countedMessages) Range(ctx context.Context, s chatbox.SessionKey, from, to int64) ([]chatbox.Event, error) {
	c.m.note("range")
	return c.MessageStore.Range(ctx, s, from, to)
}

type countedSessions struct {
	app.SessionStore
	m *meter
}

func (c countedSessions) Create(ctx context.Context, s chatbox.Session) (chatbox.Session, bool, error) {
	c.m.note("create")
	return c.SessionStore.Create(ctx, s)
}

func (c countedSessions) Load(ctx context.Context, k chatbox.SessionKey) (chatbox.Session, error) {
	c.m.note("load")
	return c.SessionStore.Load(ctx, k)
}

func (c countedSessions) SaveState(ctx context.Context, k chatbox.SessionKey, st chatbox.State) error {
	c.m.note("touch")
	return c.SessionStore.SaveState(ctx, k, st)
}

// quiet switches off what runs by the clock, so that only messages count.
func (m *meter) quiet(cfg *devstack.Config) {
	cfg.Redis.Hook = m
	cfg.Answer.SweepEvery, cfg.Answer.PendingEvery, cfg.Privacy.SweepEvery, cfg.Live.CheckEvery = time.Hour, time.Hour, time.Hour, time.Hour
	cfg.Watch = func(s app.Stores) app.Stores {
		s.Messages, s.Sessions = countedMessages{s.Messages, m}, countedSessions{s.Sessions, m}
		return s
	}
}

// cost is what one more durable frame without an answer costs in the session. The
// session's record is written by the clock.
func cost(c *cluster, m *meter, d *client.Client, session string) map[string]int {
	c.t.Helper()
	before := m.read()
	id, err := d.Send(client.Frame{Type: client.TypeModelSelect, SessionID: session, ModelID: "fast"})
	if err != nil {
		c.t.Fatal(err)
	}
	c.acked(d, session, id)
	// The next frame of the socket, a resume of nothing, is answered after
	// everything that this one does.
	n := 0
	d.View(func(t *client.Tracker) { n = t.Session(session).Resumes })
	if err := d.Resume(session); err != nil {
		c.t.Fatal(err)
	}
	c.wait(d, "resumed", func(t *client.Tracker) bool { return t.Session(session).Resumes > n })
	after := m.read()
	for k := range after {
		if after[k] -= before[k]; after[k] == 0 || k == "touch" {
			delete(after, k)
		}
	}
	return after
}

// A durable frame costs two round trips of Redis and one operation of the
// history, with one pod or three, in a new session or a long one; a resume
// within the hot log costs one of Redis beside its subscription, and none of
// the history.
func TestCost_OfAMessageIsConstant(t *testing.T) {
	want := map[string]int{"begin.lua": 1, "publish.lua": 1, "insert": 1, "tail.lua": 1}
	for _, pods := range []int{1, 3} {
		t.Run(fmt.Sprintf("%d pods", pods), func(t *testing.T) {
			m := newMeter(t)
			c := start(t, pods, m.quiet)
			d := c.device("ada", "s-1", c.podURL(0))
			for i := range pods {
				c.device("ada", "s-1", c.podURL(i)) // other pods listen
			}
			c.answered(d, "s-1", c.say(d, "s-1", "hello [[words=2]]"))
			for _, length := range []int{2, 250} {
				last := ""
				for range length {
					id, err := d.Send(client.Frame{Type: client.TypeModelSelect, SessionID: "s-1", ModelID: "fast"})
					if err != nil {
						t.Fatal(err)
					}
					last = id
				}
				c.acked(d, "s-1", last)
				cost(c, m, d, "s-1") // what the last one still had to do
				if got := cost(c, m, d, "s-1"); !maps.Equal(got, want) {
					t.Errorf("session of %d and more: %v, want %v", length, got, want)
				}
			}
		})
	}
}

// A first message costs one more operation of the history: the session's own.
func TestCost_OfAFirstMessage(t *testing.T) {
	m := newMeter(t)
	c := start(t, 1, m.quiet)
	d := c.device("ada", "", c.podURL(0))
	for _, warm := range []string{"s-0", "s-1"} { // the scripts are loaded by the first call
		id, err := d.Send(client.Frame{Type: client.TypeModelSelect, SessionID: warm, ModelID: "fast"})
		if err != nil {
			t.Fatal(err)
		}
		c.acked(d, warm, id)
		cost(c, m, d, warm)
	}
	d = c.device("ada", "", c.podURL(0))
	before := m.read()
	id, err := d.Send(client.Frame{Type: client.TypeModelSelect, ModelID: "fast"})
	if err != nil {
		t.Fatal(err)
	}
	var session string
	c.wait(d, "the ack", func(tr *client.Tracker) bool {
		for _, s := range tr.Sessions {
			if s.Sent[id] != nil && s.Sent[id].Seq > 0 {
				session = s.ID
			}
		}
		return session != ""
	})
	got := m.read()
	for k := range got {
		if got[k] -= before[k]; got[k] == 0 || k == "touch" {
			delete(got, k)
		}
	}
	want := map[string]int{"begin.lua": 1, "publish.lua": 1, "create": 1, "insert": 1}
	if !maps.Equal(got, want) {
		t.Errorf("a first message cost %v, want %v", got, want)
	}
}

// Every piece costs one round trip of Redis and nothing of the history.
func TestCost_OfAnAnswer(t *testing.T) {
	m := newMeter(t)
	c := start(t, 1, m.quiet)
	d := c.device("ada", "s-1", c.podURL(0))
	id := c.say(d, "s-1", "tell me [[words=200 delay=3ms]]")
	c.answered(d, "s-1", id)
	pieces := 0
	d.View(func(t *client.Tracker) { pieces = t.Session("s-1").AnswerTo(id).Pieces })
	got := m.read()
	if got["piece.lua"] != pieces || pieces < 2 {
		t.Errorf("%d pieces cost %d round trips", pieces, got["piece.lua"])
	}
	if got["insert"] != 2 || got["claim.lua"] > 3 {
		t.Errorf("an answer cost %v", got)
	}
}
