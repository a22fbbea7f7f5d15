package conversation

import (
	"context"

	"chatbox"
)

// Watch attaches an admin's socket to a session that is not his: he hears
// everything and can do nothing. With after it also resumes.
func (s *Service) Watch(ctx context.Context, c Socket, sessionID string, after *int64) error {
	a := c.Actor()
	switch {
	case !a.Staff():
		return notStaff()
	case sessionID == "":
		return chatbox.Missing("session_id")
	case after != nil && *after < 0:
		return chatbox.Invalid("seq", "must not be negative")
	}
	if err := s.Audit.Record(ctx, a, chatbox.AuditSessionWatch, chatbox.AuditSubject{SessionID: sessionID}); err != nil {
		return err
	}
	return s.seat(ctx, c, sessionID, visit{after: after, announce: true, known: true, watch: true})
}

// Unwatch ends what Watch began; where the socket does not watch it has no
// effect. The user's own attachment is not touched.
func (s *Service) Unwatch(ctx context.Context, c Socket, sessionID string) error {
	if sessionID == "" {
		sessionID = s.Currents.Current(c.ID())
	}
	if sessionID == "" {
		return chatbox.Missing("session_id")
	}
	return s.dismiss(ctx, c, c.Actor().Session(sessionID))
}

// dismiss ends an attachment that is not its user's own.
func (s *Service) dismiss(ctx context.Context, c Socket, k chatbox.SessionKey) error {
	if s.Rights.Dismiss(c.ID(), k) {
		s.Bus.Unsubscribe(k)
		err := s.Audit.Record(ctx, c.Actor(), chatbox.AuditSessionUnwatch, chatbox.AuditSubject{SessionID: k.ID})
		if err != nil {
			s.Logger.WarnContext(ctx, "end of watching not on record", "session", k.ID, "error", err)
		}
	}
	if err := s.Watchers.Unwatch(ctx, k, c.Actor().UserID); err != nil {
		s.Logger.DebugContext(ctx, "watch left to age", "error", err)
	}
	return nil
}

// reap takes sockets out whose admin holds the session no more.
func (s *Service) reap(k chatbox.SessionKey) {
	for range s.Rights.Reap(k) {
		s.Bus.Unsubscribe(k)
	}
}
