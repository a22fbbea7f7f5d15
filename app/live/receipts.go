package live

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"chatbox"
)

// ReceiptStore keeps what clients without resume have received of running
// answers, so that the pod to which they reconnect sends them the rest.
type ReceiptStore interface {
	// NoteShown notes what connections were sent and have received, in the
	// list's order.
	NoteShown(ctx context.Context, list []chatbox.Shown) error
	// TakeShown takes the note of one of the user's broken connections to the
	// session; nil: there is none. Each note is taken once.
	TakeShown(ctx context.Context, s chatbox.SessionKey, userID string) (*chatbox.Shown, error)
}

const (
	// noteWithin bounds a note, and the look for one: nobody but an old client
	// waits for either.
	noteWithin = 2 * time.Second
	// sendWithin is how long the writer of an old client's socket waits for the
	// note of what it is about to send.
	sendWithin = 200 * time.Millisecond
)

// Receipts collects notes until they are stored: the latest of each connection,
// session and stage, so a few for each of the pod's sockets at the most. It is
// safe for concurrent use.
type Receipts struct {
	store  ReceiptStore
	logger *slog.Logger
	wake   chan struct{} // has a token where latest is not empty

	mu     sync.Mutex // guards following
	latest map[receipt]chatbox.Shown
	made   chan struct{} // closed when what latest holds was noted, or could not be
}

type receipt struct {
	conn    chatbox.ConnID
	session chatbox.SessionKey
	stage   chatbox.ShownStage
}

// NewReceipts makes a collector; a Service that is given it stores the notes.
func NewReceipts(store ReceiptStore, logger *slog.Logger) *Receipts {
	return &Receipts{store: store, logger: logger, wake: make(chan struct{}, 1), latest: map[receipt]chatbox.Shown{}, made: make(chan struct{})}
}

// add takes one note; the channel is closed when it was made.
func (r *Receipts) add(sh chatbox.Shown) <-chan struct{} {
	r.mu.Lock()
	if sh.Stage == chatbox.ShownOver { // of an answer before what is sent next
		delete(r.latest, receipt{sh.Conn, sh.Session, chatbox.ShownReceived})
	}
	r.latest[receipt{sh.Conn, sh.Session, sh.Stage}] = sh
	made := r.made
	r.mu.Unlock()
	select {
	case r.wake <- struct{}{}:
	default:
	}
	return made
}

// take returns what waits, in the order in which it takes effect, and what to
// close when it was noted.
func (r *Receipts) take() ([]chatbox.Shown, chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := slices.SortedFunc(maps.Values(r.latest), func(a, b chatbox.Shown) int { return cmp.Compare(a.Stage, b.Stage) })
	made := r.made
	clear(r.latest)
	r.made = make(chan struct{})
	return list, made
}

// Shown says what an old client's connection is about to be sent, or has
// received. Only with chatbox.ShownSent it waits, for sendWithin at most. It is
// safe for concurrent use.
func (r *Receipts) Shown(sh chatbox.Shown) {
	made := r.add(sh)
	if sh.Stage != chatbox.ShownSent {
		return
	}
	late := time.NewTimer(sendWithin)
	defer late.Stop()
	select {
	case <-made:
	case <-late.C:
	}
}

// run stores notes as they come, until ctx ends. What cannot be noted is
// left: the connection's next note says more.
func (r *Receipts) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.wake:
		}
		list, made := r.take()
		bounded, cancel := context.WithTimeout(ctx, noteWithin)
		if err := r.store.NoteShown(bounded, list); err != nil {
			r.logger.DebugContext(ctx, "receipts of old clients were not noted", "error", err)
		}
		cancel()
		close(made)
	}
}

// takeShown is what the client received by an earlier connection; nil where
// that is nothing or cannot be found out.
func (s *Service) takeShown(ctx context.Context, c Socket, k chatbox.SessionKey) *chatbox.Shown {
	ctx, cancel := context.WithTimeout(ctx, noteWithin)
	defer cancel()
	has, err := s.deps.Receipts.store.TakeShown(ctx, k, c.Actor().UserID)
	if err != nil {
		s.deps.Logger.DebugContext(ctx, "receipts of an old client were not found", "error", err)
		return nil
	}
	return has
}

// endShown finds the final of the answer that an old client has received in
// part, where that is no longer the open one.
func (s *Service) endShown(ctx context.Context, k chatbox.SessionKey, j *chatbox.Join, open *chatbox.OpenAnswer) error {
	if j.Shown == nil || open != nil && open.Gen == j.Shown.Gen || j.Ended != nil {
		return nil
	}
	e, err := s.deps.Messages.ByKey(ctx, k, chatbox.AnswerKey(j.Shown.Gen.Seq, j.Shown.Gen.Run))
	if errors.Is(err, chatbox.NotFound) {
		return nil // it is yet to come, or Redis has lost sight of the answer
	}
	if err == nil {
		j.Ended = &e
	}
	return err
}
