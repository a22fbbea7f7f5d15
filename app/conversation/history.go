package conversation

import (
	"context"

	"chatbox"
)

// Socket is one connected client, as far as the use cases need to know it.
type Socket interface {
	ID() chatbox.ConnID
	Actor() chatbox.Actor
	// Old reports whether the client may be one without resume.
	Old() bool
}

// Sessions pages through the caller's sessions, newest activity first.
func (s *Service) Sessions(ctx context.Context, a chatbox.Actor, q chatbox.SessionQuery) (chatbox.SessionPage, error) {
	q.User = a.User()
	return s.Catalog.List(ctx, q)
}

// History returns one page of the caller's session; someone else's is
// chatbox.NotFound, as if unknown. Its cost does not depend on the session's
// length.
func (s *Service) History(ctx context.Context, a chatbox.Actor, sessionID string, q chatbox.HistoryQuery) (chatbox.History, error) {
	sess, err := s.owned(ctx, a, sessionID)
	if err != nil {
		return chatbox.History{}, err
	}
	return s.historyPage(ctx, sess, q)
}

func (s *Service) historyPage(ctx context.Context, sess chatbox.Session, q chatbox.HistoryQuery) (h chatbox.History, err error) {
	from, to, truncated := q.Bounds(sess.State.Head)
	h = chatbox.History{Session: sess, Truncated: truncated}
	if from <= to {
		h.Events, err = s.Messages.Range(ctx, sess.Key, from, to)
	}
	return h, err
}

// Rename gives the caller's session a name and returns it as it is then.
func (s *Service) Rename(ctx context.Context, a chatbox.Actor, sessionID, name string) (chatbox.Session, error) {
	name, err := chatbox.CheckName(name)
	if err != nil {
		return chatbox.Session{}, err
	}
	sess, err := s.owned(ctx, a, sessionID)
	if err != nil {
		return chatbox.Session{}, err
	}
	if err := s.Catalog.SetName(ctx, sess.Key, name, false); err != nil {
		return chatbox.Session{}, err
	}
	sess.Name = name
	return sess, nil
}

// Owned returns the caller's session as of its last event; someone else's is
// chatbox.NotFound, as if unknown.
func (s *Service) Owned(ctx context.Context, a chatbox.Actor, sessionID string) (chatbox.Session, error) {
	return s.owned(ctx, a, sessionID)
}

// owned loads the session if it is the caller's.
func (s *Service) owned(ctx context.Context, a chatbox.Actor, sessionID string) (chatbox.Session, error) {
	unknown := chatbox.Errorf(chatbox.NotFound, "no such session", nil)
	if !chatbox.ValidSessionID(sessionID) {
		return chatbox.Session{}, unknown
	}
	sess, err := s.truth(ctx, a.Session(sessionID))
	if err == nil && (sess.Owner != a.UserID || sess.Erased) {
		err = unknown
	}
	return sess, err
}
