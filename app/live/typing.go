package live

import (
	"context"
	"time"

	"chatbox"
	"chatbox/cluster"
)

// Typing notifies the other sockets of the session. chatbox.RateLimited: too
// many typing frames of this socket.
func (s *Service) Typing(ctx context.Context, c Socket, sessionID string, on bool) error {
	k, as, err := s.Voice(ctx, c, sessionID)
	if err != nil {
		return err
	}
	if wait := s.deps.TypingLeases.MayType(c.ID(), k, on, time.Now()); wait > 0 {
		return &chatbox.Error{Code: chatbox.RateLimited, Message: "typing may be sent at most twice a second", RetryAfter: wait, Refusal: chatbox.RefusedTypingRate}
	}
	me := c.Actor().UserID
	return s.deps.Ephemerals.PublishEphemeral(ctx, cluster.Update{Session: k, Typing: &cluster.Typing{
		Conn: c.ID(), UserID: me, Sender: as, On: on,
	}})
}
