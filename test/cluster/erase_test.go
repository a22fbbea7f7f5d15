package cluster

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"chatbox"
	"chatbox/app"
	"chatbox/app/devstack"
	"chatbox/cmd/chatload/client"
)

// behind is what a test sees of a stack's stores, and can hold up.
type behind struct {
	app.Stores

	mu   sync.Mutex // guards following
	held string     // an insert of this content waits
	let  chan struct{}
	came chan struct{}
}

// watch lets the test see the stack's stores.
func (b *behind) watch(cfg *devstack.Config) {
	cfg.Watch = func(s app.Stores) app.Stores {
		b.Stores = s
		s.Messages = heldMessages{s.Messages, b}
		return s
	}
}

// hold makes the next insert of the content wait until let is closed.
func (b *behind) hold(content string) (came <-chan struct{}, let chan<- struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.held, b.let, b.came = content, make(chan struct{}), make(chan struct{})
	return b.came, b.let
}

type heldMessages struct {
	app.MessageStore
	b *behind
}

func (m heldMessages) Append(ctx context.Context, e chatbox.Event) error {
	m.b.mu.Lock()
	held := e.Content != "" && e.Content == m.b.held
	let, came := m.b.let, m.b.came
	if held {
		m.b.held = ""
	}
	m.b.mu.Unlock()
	if held {
		close(came)
		select {
		case <-let:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return m.MessageStore.Append(ctx, e)
}

// left is what the history has of the session.
func (b *behind) left(t *testing.T, k chatbox.SessionKey) []chatbox.Event {
	t.Helper()
	events, err := b.Messages.Range(t.Context(), k, 1, 10_000)
	if err != nil {
		t.Fatal(err)
	}
	return events
}

// until waits for what sweeps do.
func (c *cluster) until(what string, ok func() bool) {
	c.t.Helper()
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	for deadline := time.Now().Add(patience); !ok(); <-again.C {
		if time.Now().After(deadline) {
			c.t.Fatalf("still waiting for %s", what)
		}
	}
}

// quickSweeps has erased sessions looked at all the time.
func quickSweeps(cfg *devstack.Config) {
	cfg.Privacy.SweepEvery, cfg.Privacy.EraseEvery = 50*time.Millisecond, 50*time.Millisecond
}

// endings are the session_ended frames that the device was sent, by reason.
func endings(d *client.Client, session string) (reasons []string, last int64) {
	for _, e := range d.Transcript() {
		if e.Act == client.ActReceived && e.Frame.SessionID == session && e.Frame.Seq > 0 {
			last = e.Frame.Seq
			if e.Frame.Type == client.TypeSessionEnded {
				reasons = append(reasons, e.Frame.Metadata["reason"])
			}
		}
	}
	return reasons, last
}

func (c *cluster) erased(d *client.Client, session string) {
	c.t.Helper()
	c.wait(d, "the end", func(t *client.Tracker) bool { s := t.Session(session); return s != nil && s.Ended })
}

// refused sends a frame and waits for its refusal.
func (c *cluster) refused(d *client.Client, session, id, code string) {
	c.t.Helper()
	before := 0
	d.View(func(tr *client.Tracker) { before = tr.Errors[code] })
	if err := d.SendBare(client.Frame{Type: client.TypeUserMessage, ID: id, SessionID: session, Content: "and then?"}); err != nil {
		c.t.Fatal(err)
	}
	c.wait(d, "the refusal of "+id, func(tr *client.Tracker) bool { return tr.Errors[code] > before })
}

// keysOf lists what Redis has of the session.
func (c *cluster) keysOf(session string) []string {
	c.t.Helper()
	opts, err := redis.ParseURL(c.stack.RedisURL())
	if err != nil {
		c.t.Fatal(err)
	}
	rdb := redis.NewClient(opts)
	defer func() { _ = rdb.Close() }()
	keys, err := rdb.Keys(c.ctx, "*."+base64.RawURLEncoding.EncodeToString([]byte(session))).Result()
	if err != nil {
		c.t.Fatal(err)
	}
	return keys
}

func TestErase_NothingIsLeftAndTheIDIsBurnt(t *testing.T) {
	var b behind
	var data string
	c := start(t, 3, b.watch, func(cfg *devstack.Config) { data = cfg.Data })
	k := chatbox.SessionKey{ID: "s-1"}
	ada, a, d := c.as("", "ada"), c.device("ada", "s-1", c.podURL(0)), c.device("ada", "s-1", c.podURL(1))
	const canary = "canary-id-7f3a" // an id is stored as it is: it shows what is left of rows
	if _, err := a.Send(client.Frame{Type: client.TypeUserMessage, ID: canary, SessionID: "s-1", Content: "first [[words=3]]"}); err != nil {
		t.Fatal(err)
	}
	c.answered(d, "s-1", canary)
	running := c.say(a, "s-1", "tell me [[words=3000 delay=5ms]]")
	c.streaming(d, "s-1", running, 50)
	c.as("", "eve").want(http.StatusNotFound, http.MethodDelete, "/sessions/s-1", "")
	c.as("other", "ada").want(http.StatusNotFound, http.MethodDelete, "/sessions/s-1", "")

	ada.want(http.StatusOK, http.MethodDelete, "/sessions/s-1", "")
	for _, dev := range []*client.Client{a, d} {
		c.erased(dev, "s-1")
		if reasons, last := endings(dev, "s-1"); len(reasons) != 1 || reasons[0] != "erased" || last != 5 {
			t.Errorf("told %v at %d", reasons, last)
		}
		dev.View(func(tr *client.Tracker) {
			if an := tr.Session("s-1").AnswerTo(running); an.Finish != "cancelled" || an.Seq != 4 {
				t.Errorf("the running answer: %+v", an)
			}
		})
	}
	left := b.left(t, k)
	if len(left) != 1 || !left[0].Erases() || left[0].Seq != 5 {
		t.Errorf("the history has %+v", left)
	}
	if keys := c.keysOf("s-1"); len(keys) != 1 || !strings.Contains(keys[0], ":s:") {
		t.Errorf("Redis has %v", keys)
	}
	if os.Getenv("CHATBOX_TEST_MONGO_URI") == "" {
		files, err := filepath.Glob(filepath.Join(data, "history.db*"))
		if err != nil || len(files) == 0 {
			t.Fatal(files, err)
		}
		for _, f := range files {
			if text, err := os.ReadFile(f); err != nil || bytes.Contains(text, []byte(canary)) {
				t.Errorf("%s has a row of the session, or cannot be read: %v", f, err)
			}
		}
	}
	for _, p := range []person{ada, c.as("", "bob")} {
		for _, r := range [][3]string{
			{http.MethodGet, "/sessions/s-1", ""},
			{http.MethodGet, "/sessions/s-1/export", ""},
			{http.MethodPost, "/sessions/s-1/share", ""},
			{http.MethodDelete, "/sessions/s-1/share", ""},
			{http.MethodPatch, "/sessions/s-1", `{"name":"x"}`},
			{http.MethodDelete, "/sessions/s-1", ""},
			{http.MethodPost, "/sessions/s-1/end", ""},
			{http.MethodPost, "/sessions/s-1/messages", `{"id":"new","content":"x"}`},
			{http.MethodPost, "/sessions/s-1/messages", `{"id":"` + canary + `","content":"first [[words=3]]"}`},
		} {
			p.want(http.StatusNotFound, r[0], r[1], r[2])
		}
		if list := p.want(http.StatusOK, http.MethodGet, "/sessions", ""); list.field(t, "count") != 0.0 {
			t.Errorf("listed %s", list.Body)
		}
	}
	c.refused(a, "s-1", canary, "NOT_FOUND") // a repeat
	c.refused(d, "s-1", "later", "NOT_FOUND")
	if got := b.left(t, k); len(got) != 1 {
		t.Errorf("the history has %+v", got)
	}
	late := c.device("ada", "", c.podURL(2))
	if err := late.Resume("s-1"); err != nil {
		t.Fatal(err)
	}
	c.wait(late, "the refusal", func(tr *client.Tracker) bool { return tr.Errors["NOT_FOUND"] > 0 })
	for _, dev := range []*client.Client{a, d} {
		if reasons, last := endings(dev, "s-1"); len(reasons) != 1 || last != 5 {
			t.Errorf("afterwards told %v at %d", reasons, last)
		}
	}
	c.as("other", "ada").want(http.StatusAccepted, http.MethodPost, "/sessions/s-1/messages", `{"content":"another tenant's [[words=1]]"}`)
}

func TestErase_AlsoWhereTheSessionHadEnded(t *testing.T) {
	c := start(t, 2)
	ada, d := c.as("", "ada"), c.device("ada", "s-1", c.podURL(0))
	c.answered(d, "s-1", c.say(d, "s-1", "first [[words=3]]"))
	ada.want(http.StatusOK, http.MethodPost, "/sessions/s-1/end", "")
	c.erased(d, "s-1")
	ada.want(http.StatusOK, http.MethodDelete, "/sessions/s-1", "")
	c.wait(d, "the second end", func(tr *client.Tracker) bool { return tr.Session("s-1").LastSeq == 4 })
	if reasons, last := endings(d, "s-1"); strings.Join(reasons, " ") != "ended erased" || last != 4 {
		t.Errorf("told %v at %d", reasons, last)
	}
}

func TestErase_InsertUnderWayIsSweptAway(t *testing.T) {
	var b behind
	c := start(t, 2, b.watch, quickSweeps)
	ada, k := c.as("", "ada"), chatbox.SessionKey{ID: "s-1"}
	d, slow := c.device("ada", "s-1", c.podURL(0)), c.device("ada", "s-1", c.podURL(1))
	c.answered(d, "s-1", c.say(d, "s-1", "first [[words=1]]"))
	came, let := b.hold("late [[words=1]]")
	late := c.say(slow, "s-1", "late [[words=1]]") // decided for place 3, and waits
	<-came
	c.answered(d, "s-1", c.say(d, "s-1", "second [[words=1]]"))
	ada.want(http.StatusOK, http.MethodDelete, "/sessions/s-1", "")
	c.erased(d, "s-1")
	if got := b.left(t, k); len(got) != 1 || got[0].Seq != 5 {
		t.Fatalf("the history has %+v", got)
	}
	close(let) // its place is free again, and it lands
	c.until("the insert to be swept away", func() bool {
		_, err := b.Messages.ByKey(c.ctx, k, chatbox.ClientKey("ada", late))
		slow.View(func(tr *client.Tracker) {
			if tr.Session("s-1").Sent[late].Seq != 0 {
				t.Error("acked after the erasure")
			}
		})
		found, ferr := b.Tombs.Unswept(c.ctx, time.Now().Add(time.Hour), 10)
		return err != nil && ferr == nil && len(found) == 1 && len(b.left(t, k)) == 1
	})
	if reasons, last := endings(slow, "s-1"); len(reasons) != 1 || last != 5 {
		t.Errorf("told %v at %d", reasons, last)
	}
}

// A pod that dies right after the tombstone leaves the rest to the others,
// also where Redis has lost everything.
func TestErase_FinishedByOthers(t *testing.T) {
	var b behind
	c := start(t, 2, b.watch, quickSweeps, func(cfg *devstack.Config) { cfg.Privacy.EraseFor = time.Second })
	k := chatbox.SessionKey{ID: "s-1"}
	d := c.device("ada", "s-1", c.podURL(0))
	c.answered(d, "s-1", c.say(d, "s-1", "first [[words=3]]"))
	opts, err := redis.ParseURL(c.stack.RedisURL())
	if err != nil {
		t.Fatal(err)
	}
	rdb := redis.NewClient(opts)
	t.Cleanup(func() { _ = rdb.Close() })
	if err := rdb.FlushDB(c.ctx).Err(); err != nil {
		t.Fatal(err)
	}
	if err := b.Tombs.Bury(c.ctx, k, time.Now()); err != nil {
		t.Fatal(err)
	}
	c.erased(d, "s-1")
	if reasons, last := endings(d, "s-1"); len(reasons) != 1 || reasons[0] != "erased" || last != 3 {
		t.Errorf("told %v at %d", reasons, last)
	}
	c.as("", "ada").want(http.StatusNotFound, http.MethodGet, "/sessions/s-1", "")
	if err := rdb.FlushDB(c.ctx).Err(); err != nil {
		t.Fatal(err)
	}
	c.until("the sweeps to be over", func() bool {
		found, err := b.Tombs.Unswept(c.ctx, time.Now().Add(time.Hour), 10)
		return err == nil && len(found) == 0 && len(b.left(t, k)) == 0
	})
	c.refused(d, "s-1", "later", "NOT_FOUND")
	c.as("", "bob").want(http.StatusNotFound, http.MethodPost, "/sessions/s-1/messages", `{"content":"x"}`)
	if got := b.left(t, k); len(got) != 0 {
		t.Errorf("the history has %+v", got)
	}
}

// A pod that missed the end and all events before it still sends its sockets the
// end.
func TestErase_ToldToWhoMissedIt(t *testing.T) {
	var b behind
	c := start(t, 1, b.watch, quickSweeps)
	k := chatbox.SessionKey{ID: "s-1"}
	d := c.device("ada", "s-1", c.podURL(0))
	c.answered(d, "s-1", c.say(d, "s-1", "first [[words=1]]"))
	at := time.Now().UTC().Truncate(time.Millisecond)
	for seq := int64(3); seq <= 4; seq++ { // by pods that publish nothing
		err := b.Messages.Append(c.ctx, chatbox.Event{
			Session: k, Seq: seq, Key: chatbox.ServerKey(fmt.Sprint("x", seq)), ID: "x", Type: chatbox.TypeUserMessage,
			Sender: chatbox.SenderUser, UserID: "ada", Owner: "ada", Content: "unheard", Time: at, Status: chatbox.StatusComplete,
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	end := chatbox.Erasure(k, "ada", 5, at)
	for _, act := range []func() error{
		func() error { return b.Messages.Append(c.ctx, end) },
		func() error { return b.Messages.EraseRange(c.ctx, k, 1, 4) },
		func() error {
			return b.Sessions.SaveState(c.ctx, k, chatbox.State{Head: 5, Ended: true, EndedAt: at, Erased: true, LastActivity: at})
		},
		func() error { return b.Tombs.Bury(c.ctx, k, at) },
	} {
		if err := act(); err != nil {
			t.Fatal(err)
		}
	}
	c.erased(d, "s-1")
	if reasons, last := endings(d, "s-1"); len(reasons) != 1 || reasons[0] != "erased" || last != 5 {
		t.Errorf("told %v at %d", reasons, last)
	}
}
