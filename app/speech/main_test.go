package speech

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"chatbox"
	"chatbox/app/seek"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	ann = "ann"
	bob = "bob"
)

func session() chatbox.SessionKey { return chatbox.SessionKey{Tenant: "t", ID: "s1"} }

func actor(id string) chatbox.Actor {
	return chatbox.Actor{Tenant: "t", UserID: id}
}

// world is all that a Service works through. The vendor sends what say receives.
type world struct {
	s    *Service
	stop context.CancelFunc

	mu       sync.Mutex // guards following
	sess     chatbox.Session
	events   map[string]chatbox.Event
	audited  int
	stored   map[string][]byte // by file id
	asked    []string
	outcomes []string
	refuse   error                // of the vendor
	panics   bool                 // of the vendor
	keep     func() (bool, error) // after the content was written; nil: it is first
	say      chan []byte          // pieces of sound; a nil piece ends it
	hangs    string               // the port that hangs until hang is closed
	hang     chan struct{}
	open     int // contents
}

// opened is a stored content.
type opened struct {
	io.Reader
	w *world
}

func (o opened) Close() error {
	o.w.mu.Lock()
	defer o.w.mu.Unlock()
	o.w.open--
	return nil
}

func (w *world) contents() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.open
}

// at hangs if the port does.
func (w *world) at(port string) {
	if w.hangs == port {
		<-w.hang
	}
}

func newWorld(t *testing.T, change ...func(*Config)) *world {
	t.Helper()
	w := &world{
		sess:   chatbox.Session{Key: session(), Owner: ann, State: chatbox.State{Head: 4}},
		events: map[string]chatbox.Event{}, stored: map[string][]byte{}, say: make(chan []byte, 64), hang: make(chan struct{}),
	}
	w.events[chatbox.AnswerKey(3, 2)] = chatbox.Event{Type: chatbox.TypeAnswer, Content: "Hello there."}
	w.events[chatbox.AnswerKey(1, 1)] = chatbox.Event{Type: chatbox.TypeAnswer}
	cfg := DefaultConfig()
	for _, c := range change {
		c(&cfg)
	}
	w.s = New(cfg, Deps{Sessions: w, Answers: seek.NewAnswers(), Messages: w, Audit: w, Speaker: w, Files: w, Observer: w, Logger: slog.New(slog.DiscardHandler)})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { // ends with cancel
		w.s.Run(ctx)
		close(done)
	}()
	w.stop = func() {
		cancel()
		<-done
	}
	t.Cleanup(w.stop)
	return w
}

func answerID() string { return chatbox.AnswerID(session(), 3, 2) }

func (w *world) Owned(_ context.Context, a chatbox.Actor, id string) (chatbox.Session, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if a.Session(id) != w.sess.Key || a.UserID != w.sess.Owner {
		return chatbox.Session{}, chatbox.NoSuchSession()
	}
	return w.sess, nil
}

func (w *world) Load(_ context.Context, k chatbox.SessionKey) (chatbox.Session, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if k != w.sess.Key {
		return chatbox.Session{}, chatbox.NoSuchSession()
	}
	return w.sess, nil
}

func (w *world) ByKey(_ context.Context, _ chatbox.SessionKey, key string) (chatbox.Event, error) {
	if e, ok := w.events[key]; ok {
		return e, nil
	}
	return chatbox.Event{}, chatbox.NotFound
}

func (w *world) Record(context.Context, chatbox.Actor, chatbox.AuditAction, chatbox.AuditSubject) error {
	w.at("audit")
	w.mu.Lock()
	defer w.mu.Unlock()
	w.audited++
	return nil
}

func (w *world) AnswerSpoken(outcome string, _ int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.outcomes = append(w.outcomes, outcome)
}

func (w *world) counted() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]string(nil), w.outcomes...)
}

// sound receives its pieces from the test.
type sound struct {
	ctx  context.Context
	say  chan []byte
	rest []byte
}

var errCut = chatbox.NewError(chatbox.ModelFailed, "cut", nil)

func (s *sound) Read(p []byte) (int, error) {
	for len(s.rest) == 0 {
		select {
		case piece, more := <-s.say:
			if !more {
				return 0, errCut
			}
			if piece == nil {
				return 0, io.EOF
			}
			s.rest = piece
		case <-s.ctx.Done():
			return 0, context.Cause(s.ctx)
		}
	}
	n := copy(p, s.rest)
	s.rest = s.rest[n:]
	return n, nil
}

func (*sound) Close() error { return nil }

func (w *world) Speak(ctx context.Context, text string) (io.ReadCloser, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked = append(w.asked, text)
	if w.panics {
		panic("on purpose")
	}
	if w.refuse != nil {
		return nil, w.refuse
	}
	return &sound{ctx: ctx, say: w.say}, nil
}

func (w *world) times() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.asked)
}

func (w *world) Keep(_ context.Context, f chatbox.File, _ chatbox.SessionKey, fill func(io.Writer) error) (bool, error) {
	var content bytes.Buffer
	w.at("keep")
	if err := fill(&content); err != nil {
		return false, err
	}
	w.at("end of keep")
	first := true
	if w.keep != nil {
		var err error
		if first, err = w.keep(); err != nil {
			return false, err
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if first {
		w.stored[f.Key.ID] = content.Bytes()
	}
	return first, nil
}

func (w *world) ReadInSession(_ context.Context, _ chatbox.SessionKey, id string, from int64) (io.ReadCloser, int64, error) {
	w.at("read")
	w.mu.Lock()
	defer w.mu.Unlock()
	content, ok := w.stored[id]
	if !ok {
		return nil, 0, chatbox.NoSuchFile()
	}
	w.open++
	return opened{Reader: bytes.NewReader(content[from:]), w: w}, int64(len(content)), nil
}

// begin speaks the answer for ann, whose first bytes the vendor sends.
func (w *world) begin(t *testing.T, first string) Sound {
	t.Helper()
	w.say <- []byte(first)
	got, err := w.s.Speak(t.Context(), actor(ann), "s1", answerID())
	require.NoError(t, err)
	return got
}

func readAll(t *testing.T, s Sound) (string, error) {
	t.Helper()
	got, err := io.ReadAll(s.Body)
	require.NoError(t, s.Body.Close())
	return string(got), err
}

var errGone = errors.New("gone")

// settled waits until no speech is made.
func (w *world) settled(t *testing.T) {
	t.Helper()
	require.Eventually(t, func() bool {
		w.s.mu.Lock()
		defer w.s.mu.Unlock()
		return len(w.s.making) == 0
	}, 10*time.Second, time.Millisecond)
	w.s.work.Wait()
}
