//go:build fault

package fault

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"chatbox/cmd/chatload/client"
	"chatbox/cmd/chatload/ledger"
)

// device connects a client of the user to the session through one of the urls,
// each time any of them, and runs it until it leaves or the test ends. A test's
// own goroutine calls it.
func (c *cluster) device(user, session string, urls ...string) *client.Client {
	c.t.Helper()
	return c.run(user, client.Config{URLs: urls, SessionID: session, KeepPieces: true})
}

// run is device for one that is configured otherwise.
func (c *cluster) run(user string, cfg client.Config) *client.Client {
	c.t.Helper()
	cfg.Record, cfg.BackoffMax = true, time.Second
	if cfg.Token == nil {
		token := c.token(user)
		cfg.Token = func(context.Context) (string, error) { return token, nil }
	}
	d := client.New(cfg)
	ctx, cancel := context.WithCancel(c.ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = d.Run(ctx) // why it stopped is in the transcript
	}()
	c.leaving[d] = func() { cancel(); <-done }
	c.t.Cleanup(c.leaving[d])
	c.wait(d, "greeting", func(t *client.Tracker) bool { return t.Greeted() })
	return d
}

// leave ends devices: a user may have ten sockets.
func (c *cluster) leave(devices ...*client.Client) {
	for _, d := range devices {
		c.leaving[d]()
	}
}

func (c *cluster) wait(d *client.Client, what string, ok func(*client.Tracker) bool) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.ctx, longestWait)
	defer cancel()
	if err := d.WaitFor(ctx, ok); err != nil {
		c.keep("waiting", d)
		c.t.Fatalf("waiting for %s: %v", what, err)
	}
}

// keep writes a device's transcript beside the logs.
func (c *cluster) keep(name string, d *client.Client) {
	var b strings.Builder
	for _, e := range d.Transcript() {
		fmt.Fprintf(&b, "%s %d %s %+v %s\n", e.At.Format("15:04:05.000"), e.Conn, e.Act, e.Frame, e.Note)
	}
	if err := os.WriteFile(filepath.Join(c.dir, name+".transcript"), []byte(b.String()), 0o644); err != nil {
		c.t.Error(err)
	}
}

// ask is the text of a message that the model answers with so many words.
func (c *cluster) ask(words int, delay time.Duration) string {
	return fmt.Sprintf("tell me %s %s [[words=%d delay=%v]]", c.canary, client.NewID()[:8], words, delay)
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

// choose selects the session's model.
func (c *cluster) choose(d *client.Client, session, model string) {
	c.t.Helper()
	id, err := d.Send(client.Frame{Type: client.TypeModelSelect, SessionID: session, ModelID: model})
	if err != nil {
		c.t.Fatal(err)
	}
	c.wait(d, "ack of the model", func(t *client.Tracker) bool {
		s := t.Session(session)
		return s != nil && s.Sent[id] != nil && s.Sent[id].Seq > 0
	})
}

// answered waits until the answer to the message is over and returns its text.
func (c *cluster) answered(d *client.Client, session, id string) string {
	c.t.Helper()
	var text string
	c.wait(d, "the answer's end", func(t *client.Tracker) bool {
		a := answerOf(t, session, id)
		if a == nil || !a.Over() {
			return false
		}
		text = a.Shown()
		return true
	})
	return text
}

// streaming waits until so many bytes of the answer were shown.
func (c *cluster) streaming(d *client.Client, session, id string, least int) {
	c.t.Helper()
	c.wait(d, "pieces of the answer", func(t *client.Tracker) bool {
		a := answerOf(t, session, id)
		return a != nil && len(a.Shown()) >= least
	})
}

// alike waits for the answer's end on every device: all show the same text, the
// model's where that can be known.
func (c *cluster) alike(session, id, question, model string, devices ...*client.Client) {
	c.t.Helper()
	want := expected(question)
	for i, d := range devices {
		got := c.answered(d, session, id)
		if i == 0 && model == modelVaried {
			want = got
		}
		if got != want {
			c.t.Errorf("device %d shows %d bytes, expected %d", i, len(got), len(want))
		}
	}
}

func answerOf(t *client.Tracker, session, id string) *client.Answer {
	if s := t.Session(session); s != nil {
		return s.AnswerTo(id)
	}
	return nil
}

// nextPiece is when the device was shown the first text after a moment, text
// that it had been shown before (a snapshot on resume) apart.
func (c *cluster) nextPiece(d *client.Client, after time.Time) time.Time {
	c.t.Helper()
	for _, e := range d.Transcript() {
		f := e.Frame
		if e.Act == client.ActReceived && e.At.After(after) && f.Type == client.TypeAIResponse &&
			f.Metadata["done"] == "false" && f.Metadata["snapshot"] != "true" {
			return e.At
		}
	}
	c.t.Error("no piece followed")
	return after
}

// sitting is a session to be judged.
type sitting struct {
	user, session string
	model         string         // one whose text cannot be known, or any other
	allow         []ledger.Class // findings that are no failure
}

// judge lays what the devices of a session saw beside its history.
func (c *cluster) judge(s sitting, devices ...*client.Client) ledger.Report {
	c.t.Helper()
	session := s.session
	history, err := c.rest(s.user).History(c.ctx, session)
	if err != nil {
		c.t.Fatalf("history of %s: %v", session, err)
	}
	in := ledger.Input{SessionID: session, History: history, Expected: expected, Complete: true}
	if s.model == modelVaried {
		in.Expected = nil
	}
	for i, d := range devices {
		if len(history) > 0 {
			head := history[len(history)-1].Seq
			ctx, cancel := context.WithTimeout(c.ctx, longestWait)
			// One that never gets there is the ledger's to find.
			_ = d.WaitFor(ctx, func(t *client.Tracker) bool {
				s := t.Session(session)
				return s != nil && s.LastSeq >= head && s.Unacked() == 0
			})
			cancel()
		}
		d.View(func(t *client.Tracker) {
			in.Devices = append(in.Devices, ledger.Take(fmt.Sprintf("device-%d", i), session, t))
		})
	}
	r := ledger.Compare(in)
	c.verdict(r, s.allow)
	if c.t.Failed() {
		for i, d := range devices {
			c.keep(fmt.Sprintf("%s-%d", session, i), d)
		}
	}
	return r
}

// verdict fails the test for every finding that is not allowed.
func (c *cluster) verdict(r ledger.Report, allow []ledger.Class) {
	c.t.Helper()
	for _, class := range r.Sorted() {
		if !slices.Contains(allow, class) {
			c.t.Errorf("%s: %d, such as %q", class, r.Counts[class], r.Examples[class])
		}
	}
}

// errorsShown sums up the error frames of a report.
func errorsShown(r ledger.Report) string {
	if len(r.ErrorCodes) == 0 {
		return "errors shown 0"
	}
	var b strings.Builder
	b.WriteString("errors shown")
	for _, code := range slices.Sorted(maps.Keys(r.ErrorCodes)) {
		fmt.Fprintf(&b, " %s %d", code, r.ErrorCodes[code])
	}
	return b.String()
}
