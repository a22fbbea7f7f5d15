// Package sessionlog is the only writer of sessions' logs. An append stores an
// event in the history first and then publishes it through Redis; what a crash
// leaves between the two steps is healed. The history is the truth, and Redis
// holds copies.
package sessionlog

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"log/slog"
	"sync/atomic"
	"time"

	"chatbox"
	"chatbox/internal/retry"
	"chatbox/internal/workqueue"
)

// Config bounds the log's work.
type Config struct {
	AckWait time.Duration // the longest that one frame, or one background step, may take
}

// DefaultConfig has the values of the contract.
func DefaultConfig() Config { return Config{AckWait: 10 * time.Second} }

// Deps are the ports that a Log works through; all but Clock are required.
type Deps struct {
	Messages Messages
	Sessions Sessions
	Turns    Turns
	Hot      Hot
	Due      Due
	Observer Observer
	Logger   *slog.Logger
	Clock    func() time.Time // nil: the machine's
}

// Log appends to sessions' logs and keeps their copies in Redis and their
// records in the history up to date. It is safe for concurrent use.
type Log struct {
	deps   Deps
	cfg    Config
	serial serial
	broken *workqueue.Queue[chatbox.SessionKey] // sessions whose copy in Redis lags behind the history
	stale  *workqueue.Queue[chatbox.SessionKey] // sessions whose record lags behind their log by an unknown state

	records *recordWriter // of the sessions that this pod appends to
	cut     atomic.Bool   // set by Cut
}

// New makes a log; Run does its background work.
func New(cfg Config, d Deps) *Log {
	if d.Clock == nil {
		d.Clock = time.Now
	}
	return &Log{
		deps: d, cfg: cfg,
		broken: workqueue.New[chatbox.SessionKey](workqueue.Config{Workers: 4}),
		stale:  workqueue.New[chatbox.SessionKey](workqueue.Config{Workers: 2, Longest: time.Minute}),

		records: newRecordWriter(d),
	}
}

// Run heals queued sessions and updates queued records until ctx ends. It then
// writes the latest states to the records, for at most half a second, and returns
// when the workers have stopped.
func (l *Log) Run(ctx context.Context) {
	l.broken.Open(ctx, l.healQueued)
	l.stale.Open(ctx, l.syncQueued)
	l.records.run(ctx, l.cut.Load)
	l.broken.Close()
	l.stale.Close()
	l.broken.Wait()
	l.stale.Wait()
}

// Cut makes Run end as in a crash, without the last writes.
func (l *Log) Cut() { l.cut.Store(true) }

// Now is the time that events get: in UTC, to the millisecond.
func (l *Log) Now() time.Time { return l.deps.Clock().UTC().Truncate(time.Millisecond) }

// Bound limits one frame, or one background step, to the configured time.
func (l *Log) Bound(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, l.cfg.AckWait)
}

// NewID makes a random identifier of 32 hexadecimal digits.
func NewID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	return hex.EncodeToString(b[:])
}

// RetryTransient calls f, which must be safe to repeat, again while it fails with
// a transient error (chatbox.IsTransient) and ctx lasts. It returns the last
// error of f.
func RetryTransient(ctx context.Context, f func() error) error {
	return retry.While(ctx, retry.Backoff{First: 20 * time.Millisecond, Longest: 500 * time.Millisecond}, chatbox.IsTransient, f)
}

// ErrErased is returned for every access to an erased session. The id of the
// session is never free again.
var ErrErased = chatbox.NoSuchSession()

// TooBusy refuses an append after too many others have taken its place.
func TooBusy() error {
	return chatbox.NewError(chatbox.Unavailable, "the session is too busy; try again", nil)
}
