package conversation

import (
	"context"
	"errors"

	"chatbox"
	"chatbox/app/live"
	"chatbox/app/sessionlog"
)

// repeated acks a frame whose event exists already and reports whether it did
// so. Repeats are answered before any other check.
func (s *Service) repeated(ctx context.Context, c live.Socket, k chatbox.SessionKey, e chatbox.Event) (bool, error) {
	if !e.Named {
		return false, nil
	}
	var first chatbox.Event
	err := sessionlog.RetryTransient(ctx, func() (err error) { first, err = s.deps.Messages.ByKey(ctx, k, e.Key); return err })
	switch {
	case errors.Is(err, chatbox.NotFound):
		return false, nil
	case err != nil:
		return false, err
	case first.Type != e.Type:
		return true, otherMessage()
	}
	if _, attached := s.deps.Attachments.Attached(c.ID(), k); !attached {
		return true, s.repeatedDetached(ctx, c, k, first)
	}
	s.deps.Acks.Expect(c.ID(), k, e.Key, true)
	if !s.deps.Acks.AckAgain(c.ID(), first) {
		s.live.AwaitOwn(ctx, c, first)
	}
	return true, nil
}

// repeatedDetached acks a repeat to a socket that is not attached to the
// session. If it repeats a takeover that still stands, the socket is attached
// from there on: the first ack may have been lost with the socket that
// received it.
func (s *Service) repeatedDetached(ctx context.Context, c live.Socket, k chatbox.SessionKey, first chatbox.Event) error {
	if first.Type == chatbox.TypeAdminJoin {
		st, err := s.log.StateAt(ctx, k, first.Seq)
		if err != nil {
			return err
		}
		if st.HolderID == c.Actor().UserID {
			err := s.live.AttachWith(ctx, c, k.ID, live.AttachOptions{After: &first.Seq, Announce: true, Ack: &first})
			if !errors.Is(err, chatbox.NotYours) { // NotYours: the holding has just ended
				return err
			}
		}
	}
	s.deps.Acks.AckDetached(c.ID(), first)
	return nil
}
