package live

import (
	"context"
	"time"

	"chatbox"
)

// ackPatience is how long an event may take to come back to the pod that
// published it before the pod reads it from the history.
const ackPatience = 500 * time.Millisecond

// AwaitOwn returns when the socket was sent its own event, when it is no longer
// attached, or when ctx ends. An event that does not come back over the bus is
// read from the history. So the socket's next frame is handled after the ack of
// this one.
func (s *Service) AwaitOwn(ctx context.Context, c Socket, e chatbox.Event) {
	first, cancel := context.WithTimeout(ctx, ackPatience)
	sent := s.deps.Acks.Await(first, c.ID(), e.Session, e.Seq)
	cancel()
	for !sent && ctx.Err() == nil {
		if _, ok := s.deps.Attachments.Attached(c.ID(), e.Session); !ok {
			return
		}
		s.behind.Add(e.Session)
		again, cancel := context.WithTimeout(ctx, ackPatience)
		sent = s.deps.Acks.Await(again, c.ID(), e.Session, e.Seq)
		cancel()
	}
}
