// Package feedback keeps the opinions of sessions' owners on single answers.
package feedback

import (
	"context"
	"errors"
	"time"

	"chatbox"
	"chatbox/app/seek"
	"chatbox/internal/lanes"
)

// Log reads sessions and their events.
type Log interface {
	// Owned returns a session of the caller.
	Owned(ctx context.Context, a chatbox.Actor, id string) (chatbox.Session, error)
	Now() time.Time
}

// Messages finds events by their keys.
type Messages interface {
	// ByKey returns chatbox.NotFound if there is no such event.
	ByKey(ctx context.Context, k chatbox.SessionKey, key string) (chatbox.Event, error)
}

// Store keeps the feedback beside the answers.
type Store interface {
	// SetFeedback replaces the feedback of the answer at seq and returns the
	// feedback before; nil is none. It returns chatbox.NotFound if there is no
	// such answer.
	SetFeedback(ctx context.Context, k chatbox.SessionKey, seq int64, f *chatbox.Feedback) (before *chatbox.Feedback, err error)
}

// Observer counts feedback.
type Observer interface {
	// Feedback counts an opinion that differs from the one before.
	Feedback(modelID string, o chatbox.Opinion)
}

// Deps are what a Service works through.
type Deps struct {
	Log      Log
	Answers  *seek.Answers
	Messages Messages
	Store    Store
	Observer Observer
}

// Service takes feedback. It is safe for concurrent use.
type Service struct{ deps Deps }

// searchWait is the longest time that a call waits for the searches of others.
const searchWait = 5 * time.Second

// New makes a service.
func New(d Deps) *Service { return &Service{deps: d} }

// Give stores the owner's feedback on a finished answer, in place of earlier
// feedback. chatbox.OpinionNone removes it. A repeat has no effect.
// chatbox.NotFound: the caller has no such session, or it has no such answer.
func (s *Service) Give(ctx context.Context, a chatbox.Actor, sessionID, answerID string, o chatbox.Opinion, comment string) (*chatbox.Feedback, error) {
	comment, err := chatbox.CheckFeedback(o, comment)
	if err != nil {
		return nil, err
	}
	sess, err := s.deps.Log.Owned(ctx, a, sessionID)
	if err != nil {
		return nil, err
	}
	if sess.WasErased() {
		return nil, chatbox.NoSuchSession()
	}
	e, err := s.find(ctx, a.User(), sess, answerID)
	if err != nil {
		return nil, err
	}
	var f *chatbox.Feedback
	if o != chatbox.OpinionNone {
		f = &chatbox.Feedback{Opinion: o, Comment: comment, Time: s.deps.Log.Now()}
	}
	before, err := s.deps.Store.SetFeedback(ctx, sess.Key, e.Seq, f)
	if errors.Is(err, chatbox.NotFound) {
		err = seek.NoSuchAnswer()
	}
	if err != nil {
		return nil, err
	}
	if before.Value() != o {
		s.deps.Observer.Feedback(e.ModelID, o)
	}
	return f, nil
}

// find returns the finished answer with the id.
func (s *Service) find(ctx context.Context, u chatbox.UserKey, sess chatbox.Session, id string) (chatbox.Event, error) {
	key, err := s.deps.Answers.Key(ctx, searchWait, u, sess, id)
	if errors.Is(err, seek.ErrBusy) || errors.Is(err, lanes.ErrShare) {
		err = chatbox.AskedTooMuch(time.Second, err)
	}
	if err != nil {
		return chatbox.Event{}, err
	}
	e, err := s.deps.Messages.ByKey(ctx, sess.Key, key)
	switch {
	case errors.Is(err, chatbox.NotFound), err == nil && e.Type != chatbox.TypeAnswer:
		return chatbox.Event{}, seek.NoSuchAnswer()
	default:
		return e, err
	}
}
