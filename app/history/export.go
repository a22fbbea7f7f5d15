package history

import (
	"context"
	"fmt"
	"iter"

	"chatbox"
)

// exportPage is the number of events per read, which bounds the memory of an
// export.
const exportPage = 50

// Pages yields a session's events in order, a page at a time. An error is the
// last element and means that events are missing.
type Pages = iter.Seq2[[]chatbox.Event, error]

// Export returns the caller's session and all its events up to its present
// head. Events are read as they are consumed.
func (s *Service) Export(ctx context.Context, a chatbox.Actor, sessionID string) (chatbox.Session, Pages, error) {
	sess, err := s.log.Owned(ctx, a, sessionID)
	if err != nil {
		return chatbox.Session{}, nil, err
	}
	inTurn := func(read func() error) error {
		leave, err := s.deps.Turns.AwaitRead(ctx, a) // however long: the answer has begun
		if err != nil {
			return err
		}
		defer leave()
		return read()
	}
	return sess, s.pages(ctx, sess.Key, sess.State.Head, inTurn), nil
}

// inNoTurn reads at once, for callers without an identity. The edge limits them
// by address.
func inNoTurn(read func() error) error { return read() }

// pages reads a session's events up to head in closed ranges, each in its own
// call of inTurn. Seqs are dense, so an incomplete page means that the session
// was erased meanwhile.
func (s *Service) pages(ctx context.Context, k chatbox.SessionKey, head int64, inTurn func(read func() error) error) Pages {
	return func(yield func([]chatbox.Event, error) bool) {
		for from := int64(1); from <= head; from += exportPage {
			to := min(head, from+exportPage-1)
			var events []chatbox.Event
			err := inTurn(func() (err error) { events, err = s.deps.Messages.Range(ctx, k, from, to); return err })
			if err == nil && int64(len(events)) != to-from+1 {
				err = chatbox.NewError(chatbox.StoreFailed, "the session is not whole any more",
					fmt.Errorf("session %s: %d events from %d to %d", k.ID, len(events), from, to))
			}
			if err != nil {
				yield(nil, err)
				return
			}
			if !yield(events, nil) {
				return
			}
		}
	}
}
