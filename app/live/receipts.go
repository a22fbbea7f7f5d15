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
	"chatbox/cluster"
)

// ReceiptStore stores what clients without resume have received of running
// answers, so that the pod to which they reconnect sends them the rest.
type ReceiptStore interface {
	// NoteShown stores what connections were sent and have received, in the
	// list's order.
	NoteShown(ctx context.Context, list []cluster.Shown) error
	// TakeShown returns and removes the record of one of the user's broken
	// connections to the session; nil if there is none.
	TakeShown(ctx context.Context, s chatbox.SessionKey, userID string) (*cluster.Shown, error)
}

const (
	// noteWithin bounds storing and reading a record. Only old clients wait
	// for either.
	noteWithin = 2 * time.Second
	// sendWithin bounds how long the writer of an old client's socket waits
	// until the text that it is about to send is recorded.
	sendWithin = 200 * time.Millisecond
)

// Receipts collects records until they are stored. It keeps only the latest of
// each connection, session and stage, so its size is bounded by the pod's
// sockets. It is safe for concurrent use.
type Receipts struct {
	store  ReceiptStore
	logger *slog.Logger
	wake   chan struct{} // has a token if latest is not empty

	mu     sync.Mutex // guards following
	latest map[receipt]cluster.Shown
	made   chan struct{} // closed when the records in latest were stored, or storing failed
}

type receipt struct {
	conn    chatbox.ConnID
	session chatbox.SessionKey
	stage   cluster.ShownStage
}

// NewReceipts returns a collector. A Service with the collector stores its
// records.
func NewReceipts(store ReceiptStore, logger *slog.Logger) *Receipts {
	return &Receipts{store: store, logger: logger, wake: make(chan struct{}, 1), latest: map[receipt]cluster.Shown{}, made: make(chan struct{})}
}

// add adds one record. The channel is closed when it was stored or storing
// failed.
func (r *Receipts) add(sh cluster.Shown) <-chan struct{} {
	r.mu.Lock()
	if sh.Stage == cluster.ShownOver { // of an answer before the next text
		delete(r.latest, receipt{sh.Conn, sh.Session, cluster.ShownReceived})
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

// take returns the waiting records in the order in which they take effect, and
// the channel to close when they are stored.
func (r *Receipts) take() ([]cluster.Shown, chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := slices.SortedFunc(maps.Values(r.latest), func(a, b cluster.Shown) int { return cmp.Compare(a.Stage, b.Stage) })
	made := r.made
	clear(r.latest)
	r.made = make(chan struct{})
	return list, made
}

// Shown records what an old client's connection is about to be sent, or has
// received. Only for cluster.ShownSent it waits, for at most sendWithin. It is
// safe for concurrent use.
func (r *Receipts) Shown(sh cluster.Shown) {
	made := r.add(sh)
	if sh.Stage != cluster.ShownSent {
		return
	}
	late := time.NewTimer(sendWithin)
	defer late.Stop()
	select {
	case <-made:
	case <-late.C:
	}
}

// run stores records as they come, until ctx ends. A failure is not retried,
// since the connection's next record supersedes it.
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

// takeShown returns what the client received over an earlier connection; nil
// if that is nothing or unknown.
func (s *Service) takeShown(ctx context.Context, c Socket, k chatbox.SessionKey) *cluster.Shown {
	ctx, cancel := context.WithTimeout(ctx, noteWithin)
	defer cancel()
	has, err := s.deps.Receipts.store.TakeShown(ctx, k, c.Actor().UserID)
	if err != nil {
		s.deps.Logger.DebugContext(ctx, "receipts of an old client were not found", "error", err)
		return nil
	}
	return has
}

// endShown finds the final of the answer that an old client received in part,
// if that answer is no longer open.
func (s *Service) endShown(ctx context.Context, k chatbox.SessionKey, j *cluster.Join, open *cluster.OpenAnswer) error {
	if j.Shown == nil || open != nil && open.Gen == j.Shown.Gen || j.Ended != nil {
		return nil
	}
	e, err := s.deps.Messages.ByKey(ctx, k, chatbox.AnswerKey(j.Shown.Gen.Seq, j.Shown.Gen.Run))
	if errors.Is(err, chatbox.NotFound) {
		return nil // not stored yet, or Redis has lost the answer
	}
	if err == nil {
		j.Ended = &e
	}
	return err
}
