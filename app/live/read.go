package live

import (
	"context"
	"errors"

	"chatbox"
	"chatbox/app/sessionlog"
	"chatbox/cluster"
)

// Reads are how far people have read, for as long as a session is hot.
type Reads interface {
	// NoteRead stores a read position, never lowers it, and tells every pod with
	// sockets of the session. chatbox.InvalidArgument: beyond the head;
	// chatbox.NotFound: the session is not seeded.
	NoteRead(ctx context.Context, s chatbox.SessionKey, r cluster.Read) error
}

// Read tells the session's other sockets how far the caller has read.
func (s *Service) Read(ctx context.Context, c Socket, sessionID string, seq int64) error {
	if seq < 1 {
		return chatbox.Invalid("seq", "must be at least 1")
	}
	if err := s.Admit(c.Actor()); err != nil {
		return err
	}
	ctx, cancel := s.log.Bound(ctx)
	defer cancel()
	k, as, err := s.Voice(ctx, c, sessionID)
	if err != nil {
		return err
	}
	r := cluster.Read{Conn: c.ID(), UserID: c.Actor().UserID, Sender: as, Seq: seq}
	return sessionlog.RetryTransient(ctx, func() error {
		err := s.deps.Reads.NoteRead(ctx, k, r)
		if !errors.Is(err, chatbox.NotFound) {
			return err
		}
		if _, _, err := s.Mine(ctx, c, k.ID); err != nil { // seeds it where it exists
			return err
		}
		return s.deps.Reads.NoteRead(ctx, k, r)
	})
}
