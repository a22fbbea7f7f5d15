package history

import (
	"context"

	"chatbox"
)

// Sessions pages through the caller's sessions, newest activity first.
func (s *Service) Sessions(ctx context.Context, a chatbox.Actor, q chatbox.SessionQuery) (chatbox.SessionPage, error) {
	q.User = a.User()
	return s.list(ctx, q)
}

func (s *Service) list(ctx context.Context, q chatbox.SessionQuery) (chatbox.SessionPage, error) {
	page, err := s.deps.Sessions.List(ctx, q)
	if err == nil {
		s.complete(ctx, page.Sessions)
	}
	return page, err
}

// History returns one page of the caller's session. For someone else's session
// it returns chatbox.NotFound, as for an unknown one. Its cost does not depend
// on the session's length.
func (s *Service) History(ctx context.Context, a chatbox.Actor, sessionID string, q chatbox.HistoryQuery) (chatbox.History, error) {
	sess, err := s.log.Owned(ctx, a, sessionID)
	if err != nil {
		return chatbox.History{}, err
	}
	return s.historyPage(ctx, a, sess, q)
}

func (s *Service) historyPage(ctx context.Context, a chatbox.Actor, sess chatbox.Session, q chatbox.HistoryQuery) (chatbox.History, error) {
	from, to, truncated := q.Bounds(sess.State.Head)
	h := chatbox.History{Session: sess, Truncated: truncated}
	if from > to {
		return h, nil
	}
	err := s.deps.Turns.ReadInTurn(ctx, a, func(ctx context.Context) (err error) {
		h.Events, err = s.deps.Messages.Range(ctx, sess.Key, from, to)
		return err
	})
	return h, err
}

// Rename names the caller's session and returns the updated session.
func (s *Service) Rename(ctx context.Context, a chatbox.Actor, sessionID, name string) (chatbox.Session, error) {
	name, err := chatbox.CheckName(name)
	if err != nil {
		return chatbox.Session{}, err
	}
	sess, err := s.log.Owned(ctx, a, sessionID)
	if err != nil {
		return chatbox.Session{}, err
	}
	if err := s.deps.Sessions.SetName(ctx, sess.Key, name, false); err != nil {
		return chatbox.Session{}, err
	}
	sess.Name = name
	return sess, nil
}
