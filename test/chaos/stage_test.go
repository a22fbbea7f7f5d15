package chaos

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"go.uber.org/goleak"

	"chatbox/app"
	"chatbox/app/config"
	"chatbox/app/devstack"
	"chatbox/cmd/chatload/client"
	"chatbox/cmd/chatload/ledger"
	"chatbox/providers/llm"
	"chatbox/test/stack"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const pods = 3

// Every wait is bounded; no test asserts a speed. Builds with a planted defect are
// expected to wait without effect, and set CHAOS_PATIENCE.
var patience = func() time.Duration {
	if d, err := time.ParseDuration(os.Getenv("CHAOS_PATIENCE")); err == nil {
		return d
	}
	return 2 * time.Minute
}()

// stage is three pods whose ways to Redis and to the history are a plan's, and
// the clients of one test.
type stage struct {
	t      *testing.T
	ctx    context.Context
	plan   *plan
	redis  *miniredis.Miniredis
	wire   *wire
	stores app.Stores // as they are, without faults
	stack  *devstack.Stack
	hands  sync.WaitGroup // carry out acts on the whole
	acts   chan *fault
}

func start(t *testing.T, p *plan, change ...func(*devstack.Config)) *stage {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	t.Cleanup(cancel)
	s := &stage{t: t, ctx: ctx, plan: p, acts: make(chan *fault, 64)}
	s.startRedis()
	s.wire = startWire(t, p, s.redis.Addr())
	cfg := stack.Config(t, stack.Scripted("anew", "Anew"), stack.Scripted("goes-on", "Goes on", stack.Continuing))
	cfg.Pods = pods
	cfg.RedisURL = s.wire.url()
	cfg.Redis.LeaseTTL, cfg.Redis.CommandTimeout = 2*time.Second, 2*time.Second
	cfg.Drain = config.Drain{Finish: 300 * time.Millisecond, Window: 200 * time.Millisecond, Shutdown: 10 * time.Second}
	// Periodic work runs faster, so that a schedule with many faults ends in
	// seconds. The order of the periods is that of the defaults.
	cfg.Answer.RenewEvery, cfg.Answer.PendingEvery, cfg.Privacy.SweepEvery = 500*time.Millisecond, 3*time.Second, 3*time.Second
	cfg.Live.CheckEvery, cfg.Answer.MaxClaims = 3*time.Second, 100
	cfg.Conversation.AdminGrace = 2 * patience // staff that only makes requests has no socket, and would be removed after the grace time
	cfg.Watch = func(st app.Stores) app.Stores { s.stores = st; return history{p}.watch(st) }
	for _, f := range change {
		f(&cfg)
	}
	var err error
	if s.stack, err = devstack.Start(ctx, cfg); err != nil {
		t.Fatal(err)
	}
	p.whole = s.whole
	s.hands.Go(s.hand)
	t.Cleanup(s.stop)
	return s
}

// startRedis runs an in-process Redis and drives its clock until the test ends.
// Without that, no key expires.
func (s *stage) startRedis() {
	s.redis = miniredis.NewMiniRedis()
	if err := s.redis.StartAddr("127.0.0.1:0"); err != nil {
		s.t.Fatal(err)
	}
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for last := time.Now(); ; {
			select {
			case <-done:
				return
			case now := <-tick.C:
				s.redis.FastForward(now.Sub(last))
				last = now
			}
		}
	}()
	s.t.Cleanup(func() { close(done); <-ended; s.redis.Close() })
}

func (s *stage) stop() {
	s.plan.heal()
	s.wire.back()
	close(s.acts)
	s.hands.Wait()
	stack.Stop(s.ctx, s.t, s.stack)
}

// whole carries out what concerns all: at once where that is possible, else by
// the hand, in order.
func (s *stage) whole(f *fault) {
	switch f.act {
	case empty:
		s.redis.FlushAll()
	case cutAll:
		s.wire.cut(false)
	case outage:
		s.wire.cut(true)
		time.AfterFunc(f.span, s.wire.back)
	default:
		select {
		case s.acts <- f:
		default: // so many are never planned
		}
	}
}

// hand ends pods and starts them again, one at a time.
func (s *stage) hand() {
	for f := range s.acts {
		id := s.stack.Pods()[f.pod].ID
		var err error
		if f.act == kill {
			err = s.stack.KillPod(id)
		} else if err = s.stack.DrainPod(s.ctx, id); err != nil && strings.Contains(err.Error(), "sockets") {
			err = nil // Redis or the history was unavailable meanwhile
		}
		wait(s.ctx, f.span, nil)
		if serr := s.stack.StartPod(s.ctx, id); serr != nil {
			s.t.Errorf("%v: %v, %v", f, err, serr)
		}
	}
}

func (s *stage) podURL(n int) string { return "http://" + s.stack.Pods()[n].Addr }

func (s *stage) token(user string) func(context.Context) (string, error) {
	return func(context.Context) (string, error) { return s.stack.Token(user, user) }
}

// device runs a client of the user until the test ends.
func (s *stage) device(user, session string, urls ...string) *client.Client {
	s.t.Helper()
	d, stop := s.client(client.Config{URLs: urls, SessionID: session, Token: s.token(user)})
	s.t.Cleanup(stop)
	return d
}

// client runs a client until stop is called.
func (s *stage) client(cfg client.Config) (d *client.Client, stop func()) {
	cfg.Record, cfg.KeepPieces = true, true
	cfg.BackoffMin, cfg.BackoffMax = 50*time.Millisecond, 500*time.Millisecond
	d = client.New(cfg)
	ctx, cancel := context.WithCancel(s.ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = d.Run(ctx) // why it stopped is in the transcript
	}()
	return d, func() { cancel(); <-done }
}

// attached waits for the device's place in the session.
func (s *stage) attached(d *client.Client, session string) {
	s.t.Helper()
	s.wait(d, "resumed", func(t *client.Tracker) bool { return t.Attached(session) && t.Session(session).Resumes > 0 })
}

func (s *stage) wait(d *client.Client, what string, ok func(*client.Tracker) bool) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.ctx, patience)
	defer cancel()
	if err := d.WaitFor(ctx, ok); err != nil {
		s.t.Fatalf("waiting for %s: %v\n%s", what, err, transcript(d))
	}
}

func transcript(d *client.Client) string {
	var b strings.Builder
	for _, e := range d.Transcript() {
		f := e.Frame
		fmt.Fprintf(&b, "%s %d %s %s %s %d %.60q %v %s", e.At.Format("15:04:05.000"), e.Conn, e.Act, f.Type, f.ID, f.Seq, f.Content, f.Metadata, e.Note)
		if f.Error != nil {
			fmt.Fprintf(&b, " %+v", *f.Error)
		}
		b.WriteString("\n")
	}
	return b.String()
}

func (s *stage) say(d *client.Client, session, content string) string {
	s.t.Helper()
	id, err := d.Send(client.Frame{Type: client.TypeUserMessage, SessionID: session, Content: content})
	if err != nil {
		s.t.Fatal(err)
	}
	return id
}

// sees waits until the device has the message, as its ack or as its event.
func (s *stage) sees(d *client.Client, session, id string) {
	s.t.Helper()
	s.wait(d, "message "+id, func(t *client.Tracker) bool {
		x := t.Session(session)
		return x != nil && slices.ContainsFunc(x.Events, func(e client.Event) bool { return e.ID == id })
	})
}

func answerOf(t *client.Tracker, session, id string) *client.Answer {
	if x := t.Session(session); x != nil {
		return x.AnswerTo(id)
	}
	return nil
}

func (s *stage) answered(d *client.Client, session, id string) {
	s.t.Helper()
	s.wait(d, "the answer to "+id, func(t *client.Tracker) bool {
		a := answerOf(t, session, id)
		return a != nil && a.Over()
	})
}

func (s *stage) rest(user string) *client.REST {
	return &client.REST{URLs: []string{s.stack.URL()}, HTTP: http.DefaultClient, Token: s.token(user)} //nolint:forbidigo // a test's client
}

// until waits for a condition that no client can see.
func (s *stage) until(what string, ok func() bool) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.ctx, patience)
	defer cancel()
	for !ok() {
		if wait(ctx, 20*time.Millisecond, nil); ctx.Err() != nil {
			s.t.Fatalf("waiting until %s", what)
		}
	}
}

// settled waits until no ack and no answer is missing. It finds a turn that stays
// pending.
func (s *stage) settled(devices ...*client.Client) {
	s.t.Helper()
	for _, d := range devices {
		s.wait(d, "acks", func(t *client.Tracker) bool {
			for _, x := range t.Sessions {
				if x.Unacked() > 0 {
					return false
				}
			}
			return true
		})
	}
	s.until("no turn is pending", func() bool {
		pending, err := s.stores.Turns.PendingTurns(s.ctx, time.Time{}, time.Now().Add(time.Hour), 10)
		running := 0
		for _, p := range s.stack.Pods() {
			running += s.stack.Generations(p.ID)
		}
		return err == nil && len(pending) == 0 && running == 0
	})
}

// judge lays what the devices saw beside the history and fails the test for
// what the contract does not allow; error frames are allowed.
func (s *stage) judge(user, session string, devices ...*client.Client) []client.Message {
	s.t.Helper()
	return s.judgeBy(llm.ScriptedText, user, session, devices...)
}

// judgeBy is judge where a model answers that says something of its own; nil:
// nobody knows what.
func (s *stage) judgeBy(expected func(string) string, user, session string, devices ...*client.Client) []client.Message {
	s.t.Helper()
	history, err := s.rest(user).History(s.ctx, session)
	if err != nil {
		s.t.Fatalf("history of %s: %v", session, err)
	}
	in := ledger.Input{SessionID: session, History: history, Expected: expected, Complete: true}
	head := history[len(history)-1].Seq
	for i, d := range devices {
		s.wait(d, "the head", func(t *client.Tracker) bool {
			x := t.Session(session)
			return x != nil && x.LastSeq >= head && x.Unacked() == 0
		})
		in.Devices = append(in.Devices, ledger.FromTranscript(fmt.Sprintf("device-%d", i), session, d.Transcript()))
	}
	r := ledger.Compare(in)
	bad := afterEnd(history)
	for i, d := range devices {
		bad = append(bad, piecesAfterEnd(i, session, d)...)
		bad = append(bad, behindTheWall(fmt.Sprintf("device-%d", i), session, history, d.Transcript())...)
	}
	for _, class := range r.Sorted() {
		if class != ledger.ErrorShown {
			bad = append(bad, fmt.Sprintf("%s: %d, such as %q", class, r.Counts[class], r.Examples[class]))
		}
	}
	if len(bad) > 0 {
		for i, d := range devices {
			s.t.Logf("device-%d of %s:\n%s", i, session, transcript(d))
		}
		s.t.Errorf("%s", strings.Join(bad, "\n"))
	}
	return history
}

// afterEnd finds what the history has behind a session's end.
func afterEnd(history []client.Message) (bad []string) {
	ended := int64(0)
	for _, m := range history {
		if ended > 0 {
			bad = append(bad, fmt.Sprintf("%s %s at %d, behind session_ended at %d", m.Type, m.ID, m.Seq, ended))
		}
		if m.Type == client.TypeSessionEnded {
			ended = m.Seq
		}
	}
	return bad
}

// piecesAfterEnd finds text that a device was shown on a socket that had told
// it of the session's end.
func piecesAfterEnd(n int, session string, d *client.Client) (bad []string) {
	ended := 0 // the socket
	for _, e := range d.Transcript() {
		f := e.Frame
		if e.Act != client.ActReceived || f.SessionID != session {
			continue
		}
		switch {
		case f.Type == client.TypeSessionEnded:
			ended = e.Conn
		case ended == e.Conn && (f.Type == client.TypeLoading || f.Type == client.TypeAIResponse && f.Metadata["streaming"] == "true"):
			bad = append(bad, fmt.Sprintf("device-%d was shown %s of %s behind the session's end", n, f.Type, f.ID))
		}
	}
	return bad
}
