package live

import (
	"context"
	"time"

	"chatbox"
	"chatbox/cluster"
)

// ephemeralWait is the longest that an ephemeral update may delay the request
// that causes it.
const ephemeralWait = 2 * time.Second

// Watch attaches an admin's socket to somebody else's session. The socket
// receives everything and can change nothing. With after it also resumes.
func (s *Service) Watch(ctx context.Context, c Socket, sessionID string, after *int64) error {
	a := c.Actor()
	switch {
	case !a.Staff():
		return chatbox.StaffOnly()
	case sessionID == "":
		return chatbox.Missing("session_id")
	case after != nil && *after < 0:
		return chatbox.Invalid("seq", "must not be negative")
	}
	if err := s.Admit(a); err != nil {
		return err
	}
	if err := s.deps.Audit.Record(ctx, a, chatbox.AuditSessionWatch, s.log.About(ctx, a.Session(sessionID))); err != nil {
		return err
	}
	if err := s.AttachWith(ctx, c, sessionID, AttachOptions{After: after, Announce: true, MustExist: true, Watch: true}); err != nil {
		return err
	}
	if k := a.Session(sessionID); s.deps.Rights.Watching(c.ID(), k) { // false for an own session
		s.sendWatched(ctx, k, true)
	}
	return nil
}

// sendWatched notifies the owner's sockets on every pod whether somebody
// watches. Sockets that know already are skipped, so repeats are harmless; it
// is repeated while the watching lasts.
func (s *Service) sendWatched(ctx context.Context, k chatbox.SessionKey, on bool) {
	if !s.cfg.WatchNotice {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, ephemeralWait)
	defer cancel()
	if err := s.deps.Ephemerals.PublishEphemeral(ctx, cluster.Update{Session: k, Watched: &cluster.Watched{On: on}}); err != nil {
		s.deps.Logger.DebugContext(ctx, "watching not told", "session", k.ID, "error", err)
	}
}

// checkWatched notifies this pod's sockets of the session's owner whether
// somebody watches now.
func (s *Service) checkWatched(ctx context.Context, k chatbox.SessionKey) {
	if !s.cfg.WatchNotice {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, ephemeralWait)
	defer cancel()
	on, err := s.deps.Watchers.Watched(ctx, k)
	if err != nil {
		s.deps.Logger.DebugContext(ctx, "watching not known", "session", k.ID, "error", err)
		return
	}
	s.deps.Feed.Deliver(cluster.Update{Session: k, Watched: &cluster.Watched{On: on}})
}

// Unwatch ends watching. If the socket does not watch the session it has no
// effect. The user's attachment to an own session stays.
func (s *Service) Unwatch(ctx context.Context, c Socket, sessionID string) error {
	if sessionID = s.SessionOf(c, sessionID); sessionID == "" {
		return chatbox.Missing("session_id")
	}
	s.Dismiss(ctx, c, c.Actor().Session(sessionID))
	return nil
}

// Dismiss detaches the socket from a session that its user does not own. An end of
// watching that cannot be recorded is logged.
func (s *Service) Dismiss(ctx context.Context, c Socket, k chatbox.SessionKey) {
	if s.deps.Rights.Dismiss(c.ID(), k) {
		s.deps.Bus.Unsubscribe(k)
		err := s.deps.Audit.Record(ctx, c.Actor(), chatbox.AuditSessionUnwatch, s.log.About(ctx, k))
		if err != nil {
			s.deps.Logger.WarnContext(ctx, "end of watching not on record", "session", k.ID, "error", err)
		}
	}
	if s.deps.Rights.WatchedBy(c.Actor().UserID, k) {
		return // in another window
	}
	if err := s.deps.Watchers.Unwatch(ctx, k, c.Actor().UserID); err != nil {
		s.deps.Logger.DebugContext(ctx, "watch left to age", "error", err)
		return
	}
	if s.cfg.WatchNotice {
		if on, err := s.deps.Watchers.Watched(ctx, k); err == nil && !on {
			s.sendWatched(ctx, k, false)
		}
	}
}

// Renewed detaches the socket from the sessions that its new credential does
// not permit. Sessions that its user holds stay held.
func (s *Service) Renewed(ctx context.Context, c Socket) {
	a := c.Actor()
	if a.Admin() {
		return
	}
	for _, k := range s.deps.Rights.Guest(c.ID()) {
		switch watches := s.deps.Rights.Watching(c.ID(), k); {
		case watches && !a.Staff():
			s.Dismiss(ctx, c, k)
		case watches: // viewers may continue to watch
		case s.deps.Rights.Dismiss(c.ID(), k):
			s.deps.Bus.Unsubscribe(k)
		default: // the holding has just ended
		}
	}
}

// reap detaches sockets whose admin no longer holds the session.
func (s *Service) reap(k chatbox.SessionKey) {
	for range s.deps.Rights.Reap(k) {
		s.deps.Bus.Unsubscribe(k)
	}
}
