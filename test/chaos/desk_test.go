package chaos

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"time"

	"chatbox/cmd/chatload/client"
)

// Frames and codes of staff.
const (
	typeWatch     = "watch"
	codeTakenOver = "TAKEN_OVER"
	metaAdminID   = "admin_id"
)

// visit is one admin's coming to a talk.
type visit struct {
	admin  string
	rest   bool // by requests alone, else by frames
	watch  bool // reads along before it
	things int  // to say
	again  bool // says each once more, under its id
	asked  bool // the user says something meanwhile
}

// desk is the staff of one talk: when somebody comes, who, and what they were
// promised.
type desk struct {
	at     []int // steps of the talk
	visits [][]visit

	mu      sync.Mutex // guards following
	said    []word
	sockets []socket
	bad     []string
}

// word is a message of staff that was acked.
type word struct{ admin, id, text string }

type socket struct {
	name string
	d    *client.Client
}

// newDesk draws one or two visits, of which some are wanted by two admins at
// once.
func newDesk(r *rand.Rand) *desk {
	k := &desk{}
	for i := range 1 + r.IntN(2) {
		var together []visit
		for n := range 1 + r.IntN(5)/3 {
			together = append(together, visit{
				admin: fmt.Sprintf("admin-%d", n), rest: r.IntN(2) == 0, watch: r.IntN(2) == 0,
				things: 1 + r.IntN(2), again: r.IntN(3) == 0, asked: r.IntN(3) > 0,
			})
		}
		k.at, k.visits = append(k.at, 4*i+r.IntN(3)), append(k.visits, together)
	}
	return k
}

func (k *desk) due(step int) bool { return len(k.at) > 0 && k.at[0] == step }

func (k *desk) failed(format string, args ...any) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.bad = append(k.bad, fmt.Sprintf(format, args...))
}

// visited has staff come while an answer is being given. When the last one has
// gone the model answers what the user says next.
func (k *talk) visited(d *client.Client) {
	together := k.desk.visits[0]
	k.desk.at, k.desk.visits = k.desk.at[1:], k.desk.visits[1:]
	id := k.say(d, 400)
	k.await(d, id, func(a *client.Answer) bool { return a.Over() || a.Shown() != "" })
	var wg sync.WaitGroup
	for _, v := range together {
		wg.Go(func() { k.visit(v, d) })
	}
	wg.Wait()
	if !k.s.t.Failed() {
		k.over(d, k.say(d, 5))
	}
}

// staff is how an admin does what a visit has; each repeats what it does under
// the same id until it knows the outcome.
type staff interface {
	join() (holds bool)
	say(w word, again bool)
	hears(id string)
	leave()
}

func (k *talk) visit(v visit, d *client.Client) {
	var a staff = &requests{k: k, admin: v.admin}
	if !v.rest {
		c, stop := k.s.client(client.Config{URLs: []string{k.s.stack.URL()}, Token: k.s.staffToken(v.admin)})
		defer stop()
		k.desk.mu.Lock()
		k.desk.sockets = append(k.desk.sockets, socket{v.admin, c})
		k.desk.mu.Unlock()
		a = &frames{k: k, admin: v.admin, d: c, watch: v.watch}
	}
	if !a.join() {
		return
	}
	for i := range v.things {
		if i == 0 && v.asked {
			id := k.say(d, 4)
			k.told(d, id)
			a.hears(id)
		}
		a.say(word{v.admin, client.NewID(), fmt.Sprintf("%s says %d", v.admin, i)}, v.again)
	}
	a.leave()
}

// told waits until the device has the message, as its ack or as its event.
func (k *talk) told(d *client.Client, id string) {
	ctx, cancel := context.WithTimeout(k.s.ctx, patience)
	defer cancel()
	err := d.WaitFor(ctx, func(t *client.Tracker) bool {
		x := t.Session(k.session)
		return x != nil && slices.ContainsFunc(x.Events, func(e client.Event) bool { return e.ID == id })
	})
	if err != nil {
		k.s.t.Errorf("%s: message %s: %v\n%s", k.session, id, err, transcript(d))
	}
}

func (k *desk) acked(w word) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.said = append(k.said, w)
}

func (s *stage) staffToken(admin string) func(context.Context) (string, error) {
	return func(context.Context) (string, error) { return s.stack.Token(admin, admin, "chat_admin") }
}

// frames is an admin with a socket.
type frames struct {
	k     *talk
	admin string
	d     *client.Client
	watch bool
}

func (f *frames) join() bool {
	if f.watch {
		// The frame is transient: after a broken socket the admin reconnects without it.
		_ = f.d.SendBare(client.Frame{Type: typeWatch, SessionID: f.k.session})
		ctx, cancel := context.WithTimeout(f.k.s.ctx, time.Second)
		_ = f.d.WaitFor(ctx, func(t *client.Tracker) bool { x := t.Session(f.k.session); return x != nil && x.Resumes > 0 })
		cancel()
	}
	return f.done(client.Frame{Type: client.TypeAdminJoin}, codeTakenOver) == ""
}

// done sends a frame and waits until it is acked, or refused for good with a
// code; one that is not expected fails the test.
func (f *frames) done(x client.Frame, expected ...string) (code string) {
	x.SessionID = f.k.session
	id, err := f.d.Send(x)
	if err != nil {
		f.k.desk.failed("%s: %v", f.admin, err)
	}
	ctx, cancel := context.WithTimeout(f.k.s.ctx, patience)
	defer cancel()
	final := []string{codeTakenOver, "INSUFFICIENT_PERMISSIONS", "NOT_FOUND", "INVALID_FORMAT", "UNAUTHORIZED", client.CodeSessionEnded}
	err = f.d.WaitFor(ctx, func(t *client.Tracker) bool {
		s := t.Session(f.k.session)
		if s == nil || s.Sent[id] == nil {
			return false
		}
		code = s.Sent[id].Code
		return s.Sent[id].Seq > 0 || slices.Contains(final, code)
	})
	if err != nil || code != "" && !slices.Contains(expected, code) {
		f.k.s.t.Errorf("%s: %s %s of %s: %q, %v\n%s", f.k.session, x.Type, id, f.admin, code, err, transcript(f.d))
	}
	return code
}

func (f *frames) say(w word, again bool) {
	if f.done(client.Frame{Type: client.TypeUserMessage, ID: w.id, Content: w.text}) != "" {
		return
	}
	f.k.desk.acked(w)
	if again {
		f.d.Repeat(f.k.session, w.id)
	}
}

func (f *frames) hears(id string) { f.k.told(f.d, id) }

func (f *frames) leave() { f.done(client.Frame{Type: client.TypeAdminLeave}) }

// requests is an admin without a socket.
type requests struct {
	k     *talk
	admin string
}

func (q *requests) join() bool {
	status, text, _ := q.done(http.MethodPost, "takeover/"+q.k.session, nil)
	switch {
	case status == http.StatusOK:
		return true
	case status != http.StatusConflict || !bytes.Contains(text, []byte(codeTakenOver)):
		q.k.s.t.Errorf("%s: takeover by %s: %d %s", q.k.session, q.admin, status, text)
	}
	return false
}

func (q *requests) say(w word, again bool) {
	for range 2 {
		body := map[string]string{"id": w.id, "content": w.text}
		status, text, _ := q.done(http.MethodPost, "sessions/"+q.k.session+"/messages", body)
		if status != http.StatusAccepted {
			q.k.s.t.Errorf("%s: message of %s: %d %s", q.k.session, q.admin, status, text)
			return
		}
		if !again {
			break
		}
	}
	q.k.desk.acked(w)
}

func (q *requests) hears(string) {}

func (q *requests) leave() {
	status, text, again := q.done(http.MethodDelete, "takeover/"+q.k.session, nil)
	if status != http.StatusOK && (status != http.StatusForbidden || !again) { // the first one may have been applied
		q.k.s.t.Errorf("%s: leave of %s: %d %s", q.k.session, q.admin, status, text)
	}
}

// done repeats a request until its outcome is known; again: it was repeated.
func (q *requests) done(method, path string, body any) (status int, text []byte, again bool) {
	ctx, cancel := context.WithTimeout(q.k.s.ctx, patience)
	defer cancel()
	for {
		status, text = q.once(ctx, method, path, body)
		if ctx.Err() != nil || status > 0 && status < 500 && status != http.StatusTooManyRequests {
			return status, text, again
		}
		again = true
		wait(ctx, 100*time.Millisecond, nil)
	}
}

func (q *requests) once(ctx context.Context, method, path string, body any) (status int, text []byte) {
	in, err := json.Marshal(body)
	if err != nil {
		return 0, []byte(err.Error())
	}
	req, err := http.NewRequestWithContext(ctx, method, q.k.s.stack.URL()+"/chatbox/admin/"+path, bytes.NewReader(in))
	if err != nil {
		return 0, []byte(err.Error())
	}
	token, err := q.k.s.staffToken(q.admin)(ctx)
	if err != nil {
		return 0, []byte(err.Error())
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/json")
	if body == nil {
		req.Body, req.ContentLength = http.NoBody, 0
	}
	res, err := http.DefaultClient.Do(req) //nolint:forbidigo // a test's client
	if err != nil {
		return 0, []byte(err.Error())
	}
	defer func() { _ = res.Body.Close() }()
	if text, err = io.ReadAll(res.Body); err != nil {
		return 0, nil
	}
	return res.StatusCode, text
}
