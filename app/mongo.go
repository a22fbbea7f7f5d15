package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"chatbox"
	"chatbox/internal/outage"
	"chatbox/internal/sleep"
	"chatbox/persistence"
	"chatbox/redisstate"
)

// How long a start waits for the history to say whether the pod may work with
// it, and the waits between later tries.
const (
	surveyWait     = 3 * time.Second
	prepareWait    = 100 * time.Millisecond
	prepareWaitMax = 5 * time.Second
)

// mongoHistory is a MongoDB-compatible server that a pod keeps its history on.
type mongoHistory struct {
	store *persistence.Store
	log   *slog.Logger
	away  *outage.Outage
	unfit func(error) // the pod cannot work with it, and a restart does not help

	stop context.CancelFunc
	done chan struct{} // closed when nothing is prepared any more
}

// openHistory opens the history. A *chatbox.UnfitError says that the pod cannot
// work with what is there; nothing was written then. A server that is away is
// waited for in the background: until it has been looked at, nothing of it is
// read or written. unfit is told what is found then.
func openHistory(
	ctx context.Context, cfg persistence.Config, keys *persistence.Keyring, log *slog.Logger, unfit func(error),
) (*mongoHistory, error) {
	store, err := persistence.Open(ctx, cfg, keys)
	if err != nil {
		return nil, fmt.Errorf("history: %w", err)
	}
	h := &mongoHistory{store: store, log: log, away: outage.New("history", log), unfit: unfit, done: make(chan struct{})}
	first, cancel := context.WithTimeout(ctx, surveyWait)
	defer cancel()
	err = h.survey(first)
	if u, ok := errors.AsType[*chatbox.UnfitError](err); ok {
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		return nil, errors.Join(fmt.Errorf("history: %w", u), store.Close(end))
	}
	h.away.Note(ctx, persistence.Cause(err))
	run, stop := context.WithCancel(context.WithoutCancel(ctx))
	h.stop = stop
	go h.prepare(run) // ends when the history is prepared or unfit, or with close, which waits for it
	return h, nil
}

// prepare repeats what the pod needs of the history before it may write, until
// it has it: whatever stood in the way may be mended while the pod runs.
func (h *mongoHistory) prepare(ctx context.Context) {
	defer close(h.done)
	for wait := prepareWait; ; wait = min(2*wait, prepareWaitMax) {
		err := h.tryPrepare(ctx)
		if ctx.Err() != nil {
			return
		}
		if u, ok := errors.AsType[*chatbox.UnfitError](err); ok {
			h.unfit(fmt.Errorf("history: %w", u))
			return
		}
		h.away.Note(ctx, persistence.Cause(err))
		if err == nil || !sleep.About(ctx, wait) {
			return
		}
	}
}

func (h *mongoHistory) tryPrepare(ctx context.Context) error {
	if !h.store.Trusted() {
		if err := h.survey(ctx); err != nil {
			return err
		}
	}
	return h.store.MakeIndexes(ctx)
}

func (h *mongoHistory) survey(ctx context.Context) error {
	findings, err := h.store.Survey(ctx)
	if err == nil {
		for _, f := range findings {
			h.log.WarnContext(ctx, "doubtful history", "finding", f)
		}
	}
	return err
}

// close lets what is being written be written, and closes the connection.
func (h *mongoHistory) close(ctx context.Context) error {
	h.stop()
	<-h.done
	return h.store.Close(ctx)
}

// stores are the history by its ports.
func (h *mongoHistory) stores() Stores {
	store := h.store
	return Stores{
		Messages: store.Messages(), Sessions: store.Sessions(), Turns: store.Turns(),
		Tombs: store.Sessions(), Shares: store.Shares(), Alerts: store.Alerts(), Audit: store.Audit(),
		Ledger: store.Sessions(), Crowds: store.Crowds(), Erasures: store.Sessions(), Cards: store.Cards(), Withdrawals: store.Withdrawals(), Ping: store.Ping,
		Kind:    persistence.Kind,
		Queue:   store.Sessions(),
		Ratings: store.Sessions(),
		Labels:  store.Sessions(),
		Finder:  store.Search(),
		Blocks:  store.Blocks(),
	}
}

// OpenMongo opens the history on a MongoDB-compatible server. The server may
// be away: what needs it fails until it is there. A *chatbox.UnfitError: the
// keys are not those of what is there, or it is another program's.
func OpenMongo(ctx context.Context, cfg persistence.Config, keys *persistence.Keyring, log *slog.Logger) (Stores, func(context.Context) error, error) {
	h, err := openHistory(ctx, cfg, keys, log, func(err error) {
		log.ErrorContext(ctx, "the history cannot be used", "error", err)
	})
	if err != nil {
		return Stores{}, nil, err
	}
	return h.stores(), h.close, nil
}

// trustedKeys are a pod's keys once they are known to be the cluster's. Before,
// they seal and open nothing in Redis: copies that a wrong key does not open
// would be dropped, though others can read them.
type trustedKeys struct {
	redisstate.Sealer

	trusted func() bool
}

// Seal is the keys'.
func (k trustedKeys) Seal(plain []byte, ad ...string) ([]byte, error) {
	if !k.trusted() {
		return nil, errNotTrusted()
	}
	return k.Sealer.Seal(plain, ad...)
}

// Open is the keys'.
func (k trustedKeys) Open(box []byte, ad ...string) ([]byte, error) {
	if !k.trusted() {
		return nil, errNotTrusted()
	}
	return k.Sealer.Open(box, ad...)
}

func errNotTrusted() error {
	return chatbox.NewError(chatbox.StoreFailed, "the history cannot be reached at the moment",
		errors.New("it is not known yet whether this pod's keys are the cluster's"))
}
