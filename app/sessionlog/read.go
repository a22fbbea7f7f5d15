package sessionlog

import (
	"context"
	"errors"
	"time"

	"chatbox"
	"chatbox/cluster"
)

// AtHead is a place beyond every event: a Tail read from there brings only the
// state.
const AtHead = int64(1) << 60

// tailTries is how often Tail seeds a session that Redis loses again at once.
const tailTries = 4

// Tail reads the session's state and its latest events after the place from,
// from Redis. A session that Redis does not know is seeded from the history
// first. An unknown session is a tail without an owner. ErrErased: the session is
// erased; the tail then has what is left of it, its owner and its state.
// chatbox.Unavailable: Redis loses the session each time it is seeded.
func (l *Log) Tail(ctx context.Context, k chatbox.SessionKey, from int64) (cluster.Tail, error) {
	for range tailTries {
		tail, err := l.deps.Hot.Read(ctx, k, from)
		switch {
		case err != nil:
			return tail, err
		case tail.Seeded && tail.State.Erased:
			return tail, ErrErased
		case tail.Seeded:
			return tail, nil
		}
		sess, err := l.Load(ctx, k)
		switch {
		case errors.Is(err, chatbox.NotFound):
			return tail, nil
		case err != nil:
			return tail, err
		case sess.Erased:
			tail.Owner, tail.State = sess.Owner, sess.State
			return tail, ErrErased
		}
		if err := l.refill(ctx, sess); err != nil {
			return tail, err
		}
	}
	return cluster.Tail{}, chatbox.NewError(chatbox.Unavailable, "Redis does not keep the session", nil)
}

// Peek is Tail without the history: it reads from Redis alone. For a session that
// Redis does not know, the tail's Seeded is false.
func (l *Log) Peek(ctx context.Context, k chatbox.SessionKey, from int64) (cluster.Tail, error) {
	return l.deps.Hot.Read(ctx, k, from)
}

// StateAt returns the session's state as of the event at seq or a later one. It
// heals a copy in Redis that lacks the event: the pod that stored it may have
// died before it published it.
func (l *Log) StateAt(ctx context.Context, k chatbox.SessionKey, seq int64) (chatbox.State, error) {
	var tail cluster.Tail
	err := RetryTransient(ctx, func() (err error) {
		if tail, err = l.Tail(ctx, k, AtHead); err != nil || tail.State.Head >= seq {
			return err
		}
		if err = l.Heal(ctx, k); err == nil {
			tail, err = l.Tail(ctx, k, AtHead)
		}
		return err
	})
	return tail.State, err
}

// Message reads the event at seq from the history; chatbox.NotFound: there is
// none.
func (l *Log) Message(ctx context.Context, k chatbox.SessionKey, seq int64) (chatbox.Event, error) {
	events, err := l.deps.Messages.Range(ctx, k, seq, seq)
	if err == nil && len(events) == 0 {
		err = chatbox.NewError(chatbox.NotFound, "no such message", nil)
	}
	if err != nil {
		return chatbox.Event{}, err
	}
	return events[0], nil
}

// Owned loads the session if it is the caller's. Somebody else's session and an
// erased one are chatbox.NotFound, as if unknown.
func (l *Log) Owned(ctx context.Context, a chatbox.Actor, sessionID string) (chatbox.Session, error) {
	unknown := chatbox.NewError(chatbox.NotFound, "no such session", nil)
	if !chatbox.ValidSessionID(sessionID) {
		return chatbox.Session{}, unknown
	}
	sess, err := l.Load(ctx, a.Session(sessionID))
	if err == nil && (sess.Owner != a.UserID || sess.Erased) {
		err = unknown
	}
	return sess, err
}

// aboutWait is the longest that an audited act waits to know whose session it is
// about.
const aboutWait = time.Second

// About names a session and its owner for the audit log. The owner is left out
// where one cheap read does not tell it, so that the audited act is not delayed.
func (l *Log) About(ctx context.Context, k chatbox.SessionKey) chatbox.AuditSubject {
	subject := chatbox.AuditSubject{SessionID: k.ID}
	if !chatbox.ValidSessionID(k.ID) {
		return subject
	}
	ctx, cancel := context.WithTimeout(ctx, aboutWait)
	defer cancel()
	tail, err := l.deps.Hot.Read(ctx, k, AtHead)
	switch {
	case err == nil && tail.Seeded && !tail.State.Erased:
		subject.UserID = tail.Owner
	case err == nil && !tail.Seeded:
		if sess, err := l.deps.Sessions.Load(ctx, k); err == nil && !sess.Erased {
			subject.UserID = sess.Owner
		}
	}
	return subject
}
