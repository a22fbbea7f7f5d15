package sessionlog

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"chatbox"
	"chatbox/cluster"
	"chatbox/internal/workqueue"
)

const (
	// recordWindow is the minimum time between two background writes of one
	// session's record.
	recordWindow = time.Second
	// A changed record is written at the end of the tick, together with those of
	// other sessions, because the history needs much less for a group. The first
	// change of a quiet session waits at most firstTick, further ones a tick more
	// than the window.
	firstTick     = 50 * time.Millisecond
	laterTick     = 250 * time.Millisecond
	recordWriters = 32 // concurrent writes, which the history groups
	recordTimeout = 2 * time.Second
	recordBackoff = 5 * time.Second        // the longest, after writes that failed
	lastWrites    = 500 * time.Millisecond // for the unwritten records of a pod that stops
	mostIntents   = 256                    // of one session; Redis drops older ones after some seconds
)

// recordWriter writes the states of sessions to their records in the background.
// The first change of a session is written soon, and further changes together
// when the window ends: a record is a cache of the log, and its indexes make it
// the most expensive write of a message. While a state is not written, the intent
// of its append stays in Redis, so that a sweep updates the record if this pod
// dies.
type recordWriter struct {
	sessions Sessions
	hot      Hot
	logger   *slog.Logger
	queue    *workqueue.Queue[chatbox.SessionKey]

	mu    sync.Mutex // guards following
	of    map[chatbox.SessionKey]*recordState
	first tick // sessions that were quiet
	later tick // sessions whose window has ended
}

// tick collects sessions until its timer ends.
type tick struct {
	timer    *time.Timer // nil: none are collected
	sessions []chatbox.SessionKey
}

// recordState is the latest state of a session whose record lacks changes, or was
// written within the window.
type recordState struct {
	state   chatbox.State // the latest; the record lacks it if changed is set
	intents []string      // left in Redis, of the changes that are not written
	changed bool
	due     bool // in a tick or in the queue
	writing bool
	window  *time.Timer // from the last write; nil: the window has ended
}

func newRecordWriter(d Deps) *recordWriter {
	return &recordWriter{
		sessions: d.Sessions, hot: d.Hot, logger: d.Logger, of: map[chatbox.SessionKey]*recordState{},
		queue: workqueue.New[chatbox.SessionKey](workqueue.Config{Workers: recordWriters, Longest: recordBackoff}),
	}
}

// change schedules the state to be written. intent is the one that was left in
// Redis, or empty. It does not block.
func (r *recordWriter) change(k chatbox.SessionKey, st chatbox.State, intent string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	u := r.of[k]
	if u == nil {
		u = &recordState{}
		r.of[k] = u
	}
	if intent != "" {
		u.intents = append(u.intents[max(0, len(u.intents)+1-mostIntents):], intent)
	}
	if st.Head > u.state.Head {
		u.state, u.changed = st, true
	}
	if u.window == nil && !u.writing && !u.due {
		u.due = true
		r.collectLocked(&r.first, firstTick, k)
	}
}

// collectLocked queues the session at the end of the tick.
func (r *recordWriter) collectLocked(t *tick, length time.Duration, k chatbox.SessionKey) {
	t.sessions = append(t.sessions, k)
	if t.timer == nil {
		t.timer = time.AfterFunc(length, func() { r.ended(t) })
	}
}

// ended queues the sessions of the tick.
func (r *recordWriter) ended(t *tick) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, k := range t.sessions {
		if !r.queue.Add(k) && !r.queue.Closed() {
			delete(r.of, k) // the queue is full: a sweep finds the intents
		}
	}
	t.timer, t.sessions = nil, nil
}

// write writes the session's record. If it fails, the queue tries again later.
func (r *recordWriter) write(ctx context.Context, k chatbox.SessionKey) error {
	r.mu.Lock()
	u := r.of[k]
	if u == nil || u.window != nil || !u.changed {
		r.mu.Unlock()
		return nil
	}
	st, intents := u.state, u.intents
	u.due, u.writing, u.intents = false, true, nil
	r.mu.Unlock()

	err := r.save(ctx, k, st, intents)

	r.mu.Lock()
	defer r.mu.Unlock()
	u.writing = false
	if err != nil {
		u.intents, u.due = append(intents, u.intents...), true
		return err
	}
	u.changed = u.state.Head > st.Head
	u.window = time.AfterFunc(recordWindow, func() { r.windowEnded(k) })
	return nil
}

// windowEnded writes the changes of the window that has ended.
func (r *recordWriter) windowEnded(k chatbox.SessionKey) {
	r.mu.Lock()
	defer r.mu.Unlock()
	u := r.of[k]
	if u == nil {
		return
	}
	if u.window = nil; !u.changed {
		delete(r.of, k)
		return
	}
	u.due = true
	r.collectLocked(&r.later, laterTick, k)
}

// save writes the state and then removes the intents. If an intent cannot be
// removed, sweeps update the record needlessly until the intent expires.
func (r *recordWriter) save(ctx context.Context, k chatbox.SessionKey, st chatbox.State, intents []string) error {
	ctx, cancel := context.WithTimeout(ctx, recordTimeout)
	defer cancel()
	if err := r.sessions.SaveState(ctx, k, st); err != nil {
		r.logger.DebugContext(ctx, "state not stored", "session", k.ID, "error", err)
		return err
	}
	if err := r.hot.Abandon(ctx, cluster.Beginning{Session: k}, intents...); err != nil {
		r.logger.DebugContext(ctx, "intents left to age", "session", k.ID, "error", err)
	}
	return nil
}

// run writes until ctx ends, and then what is unwritten unless cut returns true.
func (r *recordWriter) run(ctx context.Context, cut func() bool) {
	r.queue.Open(ctx, r.write)
	<-ctx.Done()
	r.queue.Close()
	r.queue.Wait()
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWrites)
	defer cancel()
	var wg sync.WaitGroup
	defer wg.Wait()
	turns := make(chan struct{}, recordWriters)
	for k, u := range r.takeAll() {
		if cut() {
			return
		}
		turns <- struct{}{}
		wg.Go(func() {
			defer func() { <-turns }()
			_ = r.save(last, k, u.state, u.intents) // logged
		})
	}
}

// takeAll ends all windows and returns what is unwritten.
func (r *recordWriter) takeAll() map[chatbox.SessionKey]*recordState {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := r.of
	r.of = map[chatbox.SessionKey]*recordState{}
	for _, t := range []*tick{&r.first, &r.later} {
		if t.timer != nil {
			t.timer.Stop()
		}
		*t = tick{}
	}
	for k, u := range all {
		if u.window != nil {
			u.window.Stop()
		}
		if !u.changed {
			delete(all, k)
		}
	}
	return all
}
