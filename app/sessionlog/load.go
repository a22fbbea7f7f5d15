package sessionlog

import (
	"context"
	"errors"

	"chatbox"
)

// headPage is how many events one read towards the head brings.
const headPage = 64

// Load reads a session from the history alone. Its state is as of the latest
// event: events that the session's record does not cover yet are folded in.
// chatbox.NotFound: there is no such session. An erased session is returned with
// its state as it is.
func (l *Log) Load(ctx context.Context, k chatbox.SessionKey) (chatbox.Session, error) {
	sess, err := l.deps.Sessions.Load(ctx, k)
	if err != nil || sess.State.Erased {
		return sess, err
	}
	return l.foldRest(ctx, sess)
}

// SyncRecord updates the session's record from its log, if a crash or an
// outage of the history left the record behind.
func (l *Log) SyncRecord(ctx context.Context, k chatbox.SessionKey) error {
	sess, err := l.deps.Sessions.Load(ctx, k)
	if err != nil || sess.State.Erased {
		return err
	}
	stored := sess.State.Head
	if sess, err = l.foldRest(ctx, sess); err != nil || sess.State.Head == stored {
		return err
	}
	return l.deps.Sessions.SaveState(ctx, k, sess.State)
}

// syncQueued updates the record of a session of the queue.
func (l *Log) syncQueued(ctx context.Context, k chatbox.SessionKey) error {
	turn, cancel := l.Bound(ctx)
	defer cancel()
	err := l.SyncRecord(turn, k)
	if errors.Is(err, chatbox.NotFound) {
		return nil
	}
	if err != nil {
		l.deps.Logger.DebugContext(ctx, "session record not updated", "session", k.ID, "error", err)
	}
	return err
}

// foldRest applies the events after the state of the session's record.
func (l *Log) foldRest(ctx context.Context, sess chatbox.Session) (chatbox.Session, error) {
	for {
		events, err := l.deps.Messages.Range(ctx, sess.Key, sess.State.Head+1, sess.State.Head+headPage)
		if err != nil {
			return sess, err
		}
		for _, e := range events {
			sess.State = sess.State.Apply(e)
		}
		if len(events) < headPage {
			return sess, nil
		}
	}
}

// SaveState stores the state in the session's record at once.
func (l *Log) SaveState(ctx context.Context, k chatbox.SessionKey, st chatbox.State) error {
	return l.deps.Sessions.SaveState(ctx, k, st)
}
