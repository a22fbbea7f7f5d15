package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"chatbox"
	"chatbox/internal/outage"
	"chatbox/internal/retry"
	"chatbox/persistence"
	"chatbox/redisstate"
)

// surveyWait limits how long the start waits to learn whether the pod can work
// with the history.
const surveyWait = 3 * time.Second

// mongoHistory is a pod's history on a MongoDB-compatible server.
type mongoHistory struct {
	store *persistence.Store
	log   *slog.Logger
	away  *outage.Outage
	unfit func(error) // called if the pod cannot work with the history and a restart cannot help

	stop context.CancelFunc
	done chan struct{} // closed when prepare has ended
}

// openHistory opens the history. It returns a *chatbox.UnfitError, having written
// nothing, if the pod cannot work with the stored data. If the server is
// unavailable, it continues in the background; until the server has been
// surveyed, the history is neither read nor written. A *chatbox.UnfitError found
// later is passed to unfit.
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

// prepare surveys the history and creates the indexes, and retries until both
// succeed, because an operator may fix the cause while the pod runs.
func (h *mongoHistory) prepare(ctx context.Context) {
	defer close(h.done)
	fit := func(err error) bool {
		_, unfit := errors.AsType[*chatbox.UnfitError](err)
		return !unfit
	}
	b := retry.Backoff{First: 100 * time.Millisecond, Longest: 5 * time.Second}
	err := retry.While(ctx, b, fit, func() error {
		err := h.tryPrepare(ctx)
		if fit(err) && ctx.Err() == nil {
			h.away.Note(ctx, persistence.Cause(err))
		}
		return err
	})
	if u, ok := errors.AsType[*chatbox.UnfitError](err); ok && ctx.Err() == nil {
		h.unfit(fmt.Errorf("history: %w", u))
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
			h.log.WarnContext(ctx, "possible problem with the history", "finding", f)
		}
	}
	return err
}

// close finishes pending writes and closes the connection.
func (h *mongoHistory) close(ctx context.Context) error {
	h.stop()
	<-h.done
	return h.store.Close(ctx)
}

// stores returns the history as the stores of the use cases.
func (h *mongoHistory) stores() Stores {
	store := h.store
	return Stores{
		Messages: store.Messages(), Sessions: store.Sessions(), Turns: store.Turns(),
		Tombs: store.Sessions(), Shares: store.Shares(), Alerts: store.Alerts(), Transcripts: store.Transcripts(), Audit: store.Audit(),
		Ledger: store.Sessions(), Concurrency: store.Concurrency(), Erasures: store.Sessions(), Cards: store.Cards(), Withdrawals: store.Withdrawals(), Ping: store.Ping,
		Kind:    persistence.Kind,
		Queue:   store.Sessions(),
		Ratings: store.Sessions(), Feedback: store.Messages(),
		Labels: store.Sessions(),
		Finder: store.Search(),
		Blocks: store.Blocks(),
		Peers:  store.Peers(),
		Files:  store.Files(),
	}
}

// OpenMongo opens the history on a MongoDB-compatible server. If the server is
// unavailable, calls fail until it returns. It returns a *chatbox.UnfitError if
// the keys do not open the stored data or another program owns it.
func OpenMongo(ctx context.Context, cfg persistence.Config, keys *persistence.Keyring, log *slog.Logger) (Stores, func(context.Context) error, error) {
	h, err := openHistory(ctx, cfg, keys, log, func(err error) {
		log.ErrorContext(ctx, "the history cannot be used", "error", err)
	})
	if err != nil {
		return Stores{}, nil, err
	}
	return h.stores(), h.close, nil
}

// trustedKeys are the pod's keys, usable once they are known to be the cluster's.
// Before that they neither seal nor open anything in Redis. A pod drops copies
// that its keys do not open, so wrong keys would drop copies that other pods can
// read.
type trustedKeys struct {
	redisstate.Sealer

	trusted func() bool
}

// Seal seals with the keys.
func (k trustedKeys) Seal(plain []byte, ad ...string) ([]byte, error) {
	if !k.trusted() {
		return nil, errNotTrusted()
	}
	return k.Sealer.Seal(plain, ad...)
}

// Open opens with the keys.
func (k trustedKeys) Open(box []byte, ad ...string) ([]byte, error) {
	if !k.trusted() {
		return nil, errNotTrusted()
	}
	return k.Sealer.Open(box, ad...)
}

func errNotTrusted() error {
	return chatbox.NewError(chatbox.StoreFailed, "the history cannot be reached at the moment",
		errors.New("this pod's keys have not been checked against the cluster's yet"))
}
