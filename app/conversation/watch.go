package conversation

import (
	"context"
	"time"

	"chatbox"
)

// Watch attaches an admin's socket to somebody else's session. The socket
// receives everything and can change nothing. With after it also resumes.
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
	if err := s.efforts.admit(a.User(), time.Now()); err != nil {
		return err
	}
	if err := s.Audit.Record(ctx, a, chatbox.AuditSessionWatch, s.about(ctx, a.Session(sessionID))); err != nil {
		return err
	}
	if err := s.seat(ctx, c, sessionID, visit{after: after, announce: true, known: true, watch: true}); err != nil {
		return err
	}
	if k := a.Session(sessionID); s.Rights.Watching(c.ID(), k) { // an own session need not be watched
		s.tellWatched(ctx, k, true)
	}
	return nil
}

// tellWatched has the owner's sockets told, on every pod, that somebody watches
// or nobody does any more. Those that know are not told again, so it may be
// repeated, and is while the watching lasts.
func (s *Service) tellWatched(ctx context.Context, k chatbox.SessionKey, on bool) {
	if !s.cfg.WatchNotice {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, asideWait)
	defer cancel()
	if err := s.Whispers.Whisper(ctx, chatbox.Update{Session: k, Watched: &chatbox.Watched{On: on}}); err != nil {
		s.Logger.DebugContext(ctx, "watching not told", "session", k.ID, "error", err)
	}
}

// checkWatched tells this pod's sockets of the session's owner what is so now.
func (s *Service) checkWatched(ctx context.Context, k chatbox.SessionKey) {
	if !s.cfg.WatchNotice {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, asideWait)
	defer cancel()
	on, err := s.Watchers.Watched(ctx, k)
	if err != nil {
		s.Logger.DebugContext(ctx, "watching not known", "session", k.ID, "error", err)
		return
	}
	s.Feed.Deliver(chatbox.Update{Session: k, Watched: &chatbox.Watched{On: on}})
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
		err := s.Audit.Record(ctx, c.Actor(), chatbox.AuditSessionUnwatch, s.about(ctx, k))
		if err != nil {
			s.Logger.WarnContext(ctx, "end of watching not on record", "session", k.ID, "error", err)
		}
	}
	if s.Rights.WatchedBy(c.Actor().UserID, k) {
		return nil // in another window
	}
	if err := s.Watchers.Unwatch(ctx, k, c.Actor().UserID); err != nil {
		s.Logger.DebugContext(ctx, "watch left to age", "error", err)
		return nil
	}
	if s.cfg.WatchNotice {
		if on, err := s.Watchers.Watched(ctx, k); err == nil && !on {
			s.tellWatched(ctx, k, false)
		}
	}
	return nil
}

// Renewed takes the socket out of the sessions that its newer credential does
// not let it hear any more. Those that its user holds stay held.
func (s *Service) Renewed(ctx context.Context, c Socket) {
	a := c.Actor()
	if a.Admin() {
		return
	}
	for _, k := range s.Rights.Guest(c.ID()) {
		switch watches := s.Rights.Watching(c.ID(), k); {
		case watches && !a.Staff():
			_ = s.dismiss(ctx, c, k) // it never fails
		case watches: // who may only read goes on
		case s.Rights.Dismiss(c.ID(), k):
			s.Bus.Unsubscribe(k)
		default: // the holding has just ended
		}
	}
}

// reap takes sockets out whose admin holds the session no more.
func (s *Service) reap(k chatbox.SessionKey) {
	for range s.Rights.Reap(k) {
		s.Bus.Unsubscribe(k)
	}
}
