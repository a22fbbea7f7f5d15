package transcribe_test

import (
	"cmp"
	"context"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"chatbox"
	"chatbox/app/answer"
	"chatbox/app/sessionlog"
	"chatbox/app/transcribe"
	"chatbox/internal/sleep"
	"chatbox/test/fakes"

	"github.com/stretchr/testify/require"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var session = chatbox.SessionKey{ID: "s"}

// work is the work on one transcript.
type work struct {
	state chatbox.TranscriptState
	due   time.Time
	token string
	tries int
}

// books is a transcribe.Store in memory.
type books struct {
	mu   sync.Mutex // guards following
	all  map[chatbox.RecordingKey]*work
	fail error // of every call; nil: none
}

func (b *books) DueTranscripts(_ context.Context, before time.Time, limit int) ([]chatbox.RecordingKey, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	var due []chatbox.RecordingKey
	for k, w := range b.all {
		if w.state == chatbox.TranscriptPending && w.due.Before(before) {
			due = append(due, k)
		}
	}
	slices.SortFunc(due, func(x, y chatbox.RecordingKey) int {
		return cmp.Or(b.all[x].due.Compare(b.all[y].due), cmp.Compare(x.Seq, y.Seq))
	})
	return due[:min(len(due), limit)], b.fail
}

func (b *books) ClaimTranscript(_ context.Context, k chatbox.RecordingKey, token string, now, until time.Time, again bool) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	w := b.all[k]
	switch {
	case b.fail != nil:
		return 0, b.fail
	case w == nil || w.state == chatbox.TranscriptDone:
		return 0, chatbox.NotFound
	case w.state == chatbox.TranscriptPending && (w.token == "" || !w.due.After(now)),
		w.state == chatbox.TranscriptFailed && again && !w.due.After(now):
	default:
		return 0, chatbox.NotOwner
	}
	w.state, w.token, w.due, w.tries = chatbox.TranscriptPending, token, until, w.tries+1
	return w.tries, nil
}

func (b *books) RenewTranscript(_ context.Context, k chatbox.RecordingKey, token string, until time.Time) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.fail != nil {
		return b.fail
	}
	w := b.all[k]
	if w == nil || w.state != chatbox.TranscriptPending || w.token != token {
		return chatbox.NotOwner
	}
	w.due = until
	return nil
}

func (b *books) SettleTranscript(_ context.Context, k chatbox.RecordingKey, token string, to chatbox.TranscriptState, due time.Time) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if w := b.all[k]; b.fail == nil && w != nil && w.token == token {
		w.state, w.token, w.due, w.tries = to, "", due, 0
	}
	return b.fail
}

func (b *books) ReviveTranscript(_ context.Context, k chatbox.RecordingKey) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	w := b.all[k]
	if w == nil || w.state != chatbox.TranscriptFailed {
		return chatbox.NotFound
	}
	w.state, w.token = chatbox.TranscriptPending, "revived"
	return b.fail
}

func (b *books) breaks(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fail = err
}

func (b *books) of(k chatbox.RecordingKey) work {
	b.mu.Lock()
	defer b.mu.Unlock()
	return *b.all[k]
}

// ear is a transcribe.Transcriber. It listens for a second.
type ear struct {
	mu    sync.Mutex // guards following
	says  func(ctx context.Context, nth int) (chatbox.Transcript, error)
	asked int
}

func (e *ear) Transcribe(ctx context.Context, r chatbox.Recording) (chatbox.Transcript, error) {
	e.mu.Lock()
	e.asked++
	nth, says := e.asked, e.says
	e.mu.Unlock()
	in, err := r.Open(ctx)
	if err != nil {
		return chatbox.Transcript{}, err
	}
	defer in.Close()
	sound, err := io.ReadAll(in)
	if err != nil {
		return chatbox.Transcript{}, err
	}
	if says != nil {
		return says(ctx, nth)
	}
	select {
	case <-time.After(time.Second):
		return chatbox.Transcript{Text: "heard " + string(sound), Language: "en"}, nil
	case <-ctx.Done():
		return chatbox.Transcript{}, ctx.Err()
	}
}

func (e *ear) times() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.asked
}

// team is the pods of a cluster over one history.
type team struct {
	t       *testing.T
	history *fakes.History
	redis   *fakes.Redis
	books   *books
	ear     *ear
	log     *sessionlog.Log

	mu       sync.Mutex // guards following
	outcomes map[string]int
	kept     map[string]chatbox.Transcript // by file
	hangs    chan struct{}                 // if set, files cannot be read until it is closed
}

func newTeam(t *testing.T) *team {
	t.Helper()
	tm := &team{
		t: t, history: fakes.NewHistory(), redis: fakes.NewRedis(), books: &books{all: map[chatbox.RecordingKey]*work{}}, ear: &ear{},
		outcomes: map[string]int{}, kept: map[string]chatbox.Transcript{},
	}
	tm.log = sessionlog.New(sessionlog.DefaultConfig(), sessionlog.Deps{
		Messages: tm.history, Sessions: tm.history, Turns: tm.history, Hot: tm.redis, Due: answer.NewQueue(answer.DefaultConfig()),
		Observer: tm, Logger: slog.New(slog.DiscardHandler), Clock: time.Now,
	})
	return tm
}

func (*team) Healed(int)     {}
func (*team) PublishFailed() {}

func (tm *team) Transcribed(outcome string) {
	tm.mu.Lock()
	defer tm.mu.Unlock()
	tm.outcomes[outcome]++
}

func (tm *team) outcome(name string) int {
	tm.mu.Lock()
	defer tm.mu.Unlock()
	return tm.outcomes[name]
}

// Transcript implements transcribe.Recordings: a recording sounds like its id.
func (tm *team) Transcript(
	ctx context.Context, _ chatbox.SessionKey, id string, transcribe func(context.Context, chatbox.Recording) (chatbox.Transcript, error),
) (chatbox.Transcript, error) {
	if tm.hangs != nil {
		<-tm.hangs
	}
	tm.mu.Lock()
	t, ok := tm.kept[id]
	tm.mu.Unlock()
	if ok {
		return t, nil
	}
	if id == "gone" {
		return chatbox.Transcript{}, chatbox.NoSuchFile()
	}
	t, err := transcribe(ctx, chatbox.Recording{Open: func(context.Context) (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(id)), nil }})
	if err == nil {
		tm.mu.Lock()
		tm.kept[id] = t
		tm.mu.Unlock()
	}
	return t, err
}

// pod returns the service of a pod. Its work begins with Run.
func (tm *team) pod(name string) *transcribe.Service {
	return transcribe.New(transcribe.DefaultConfig(), transcribe.Deps{
		Pod: chatbox.PodID(name), Log: tm.log, Messages: tm.history, Store: tm.books, Recordings: tm, Transcriber: tm.ear,
		Ephemerals: tm.redis, Observer: tm, Logger: slog.New(slog.DiscardHandler),
	})
}

// pass lets the bubble's time pass.
func pass(t *testing.T, d time.Duration) {
	t.Helper()
	sleep.For(t.Context(), d)
}

// run runs a pod's work until stop.
func run(t *testing.T, s *transcribe.Service) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); s.Run(ctx) }()
	synctest.Wait() // until its queue is open
	return func() { cancel(); <-ended }
}

// records appends a recording with the state of its turn, and its work.
func (tm *team) records(file string, turn chatbox.TurnState) chatbox.RecordingKey {
	tm.t.Helper()
	return tm.recordsIn(session, "ada", file, file, turn)
}

func (tm *team) recordsIn(in chatbox.SessionKey, owner, id, file string, turn chatbox.TurnState) chatbox.RecordingKey {
	tm.t.Helper()
	var e chatbox.Event
	done, err := tm.log.Append(tm.t.Context(), sessionlog.Draft{
		Session: in, Key: chatbox.ClientKey(owner, id),
		Create: func() chatbox.Session { return chatbox.Session{Key: in, Owner: owner} },
		Decide: func(sessionlog.Basis) (chatbox.Event, error) {
			e = chatbox.Event{
				ID: id, Named: true, Type: chatbox.TypeVoiceMessage, Sender: chatbox.SenderUser, UserID: owner, FileID: file,
				Files: []chatbox.AttachedFile{{ID: file, Duration: 1500 * time.Millisecond}}, Time: tm.log.Now(), Status: chatbox.StatusComplete,
			}
			if turn != "" {
				e.Turn = &chatbox.Turn{State: turn, Run: 1}
			}
			return e, nil
		},
	})
	require.NoError(tm.t, err)
	k := chatbox.RecordingKey{Session: in, Seq: done.Event.Seq}
	tm.books.mu.Lock()
	defer tm.books.mu.Unlock()
	tm.books.all[k] = &work{state: chatbox.TranscriptPending, due: time.Now().Add(transcribe.DefaultConfig().Lease)}
	return k
}

// transcripts returns the session's transcripts, in order.
func (tm *team) transcripts() (all []chatbox.Event) {
	for _, e := range tm.history.Log(session) {
		if e.Type == chatbox.TypeTranscript {
			all = append(all, e)
		}
	}
	return all
}

// end ends the session.
func (tm *team) end() {
	tm.t.Helper()
	_, err := tm.log.Append(tm.t.Context(), sessionlog.Draft{
		Session: session, Key: "s:ended",
		Decide: func(sessionlog.Basis) (chatbox.Event, error) {
			return chatbox.Event{ID: "end", Type: chatbox.TypeSessionEnded, Sender: chatbox.SenderSystem, Time: tm.log.Now(), Status: chatbox.StatusComplete}, nil
		},
	})
	require.NoError(tm.t, err)
}
