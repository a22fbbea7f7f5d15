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
	return sess, s.pages(ctx, sess.Key, sess.State.Head), nil
}

// pages reads a session's events up to head in closed ranges. Seqs are dense,
// so an incomplete page means that the session was erased meanwhile.
func (s *Service) pages(ctx context.Context, k chatbox.SessionKey, head int64) Pages {
	return func(yield func([]chatbox.Event, error) bool) {
		for from := int64(1); from <= head; from += exportPage {
			to := min(head, from+exportPage-1)
			events, err := s.deps.Messages.Range(ctx, k, from, to)
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
