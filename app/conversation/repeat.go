package conversation

import (
	"context"
	"errors"

	"chatbox"
)

// repeated answers a frame whose event is there already: repeats are answered
// before anything else is judged.
func (s *Service) repeated(ctx context.Context, c Socket, k chatbox.SessionKey, e chatbox.Event) (bool, error) {
	if !e.Named {
		return false, nil
	}
	var first chatbox.Event
	err := patiently(ctx, func() (err error) { first, err = s.Messages.ByKey(ctx, k, e.Key); return err })
	switch {
	case errors.Is(err, chatbox.NotFound):
		return false, nil
	case err != nil:
		return false, err
	case first.Type != e.Type:
		return true, otherMessage()
	}
	if _, attached := s.Seats.Attached(c.ID(), k); !attached {
		return true, s.repeatedDetached(ctx, c, k, first)
	}
	s.Acks.Expect(c.ID(), k, e.Key, true)
	if !s.Acks.AckAgain(c.ID(), first) {
		s.awaitOwn(ctx, c, first)
	}
	return true, nil
}

// repeatedDetached acks a repeat to a socket that does not hear the session. A
// takeover that still stands attaches it, from there on: the ack that would
// have told the admin may have been lost with the socket that heard it.
func (s *Service) repeatedDetached(ctx context.Context, c Socket, k chatbox.SessionKey, first chatbox.Event) error {
	if first.Type == chatbox.TypeAdminJoin {
		st, err := s.stateAt(ctx, k, first.Seq)
		if err != nil {
			return err
		}
		if st.HolderID == c.Actor().UserID {
			err := s.seat(ctx, c, k.ID, visit{after: &first.Seq, announce: true, ack: &first})
			if !errors.Is(err, chatbox.NotYours) { // else it was lost this moment
				return err
			}
		}
	}
	s.Acks.AckDetached(c.ID(), first)
	return nil
}

// stateAt is the session's state, that event included: its pod may have died
// before it was published.
func (s *Service) stateAt(ctx context.Context, k chatbox.SessionKey, seq int64) (chatbox.State, error) {
	var tail chatbox.Tail
	err := patiently(ctx, func() (err error) {
		if tail, err = s.tail(ctx, k, atHead); err != nil || tail.State.Head >= seq {
			return err
		}
		if err = s.heal(ctx, k); err == nil {
			tail, err = s.tail(ctx, k, atHead)
		}
		return err
	})
	return tail.State, err
}
