package live

import (
	"context"

	"chatbox"
	"chatbox/app/sessionlog"
	"chatbox/cluster"
)

// SessionOf returns the id of the session that a socket's frame means: sessionID,
// or the socket's current session if sessionID is empty. It is empty if there is
// no current session.
func (s *Service) SessionOf(c Socket, sessionID string) string {
	if sessionID != "" {
		return sessionID
	}
	return s.deps.Currents.Current(c.ID())
}

// Voice returns the session that a socket's frame means, and whether the caller
// writes there as its user or as staff. It reads only if the socket's attachment
// does not determine that. An empty sessionID means the socket's current session.
// Errors are those of Mine.
func (s *Service) Voice(ctx context.Context, c Socket, sessionID string) (chatbox.SessionKey, chatbox.Sender, error) {
	sessionID = s.SessionOf(c, sessionID)
	k := c.Actor().Session(sessionID)
	if as, speaks := s.deps.Rights.Speaks(c.ID(), k); speaks {
		return k, as, nil
	}
	k, st, err := s.Mine(ctx, c, sessionID)
	if err == nil && st.HolderID == c.Actor().UserID {
		return k, chatbox.SenderAdmin, nil
	}
	return k, chatbox.SenderUser, err
}

// Mine finds the session that a socket's frame means, and its state, where the
// caller owns or holds the session. An empty sessionID means the socket's current
// session. chatbox.NotFound: there is no such session; chatbox.NotYours and
// chatbox.PermissionDenied: it is somebody else's.
func (s *Service) Mine(ctx context.Context, c Socket, sessionID string) (chatbox.SessionKey, chatbox.State, error) {
	if sessionID = s.SessionOf(c, sessionID); sessionID == "" {
		return chatbox.SessionKey{}, chatbox.State{}, chatbox.Missing("session_id")
	}
	if !chatbox.ValidSessionID(sessionID) {
		return chatbox.SessionKey{}, chatbox.State{}, chatbox.BadSessionID()
	}
	k := c.Actor().Session(sessionID)
	var tail cluster.Tail
	err := sessionlog.RetryTransient(ctx, func() (err error) { tail, err = s.log.Tail(ctx, k, sessionlog.AtHead); return err })
	switch {
	case err != nil:
	case tail.Owner == "":
		err = chatbox.NoSuchSession()
	case tail.Owner == c.Actor().UserID, tail.State.HolderID == c.Actor().UserID && c.Actor().Admin():
	case c.Actor().Admin():
		err = chatbox.NotHolder()
	default:
		err = chatbox.NotYourSession()
	}
	return k, tail.State, err
}
