package conversation

import (
	"context"
	"errors"
	"time"

	"chatbox"
	"chatbox/app/sessionlog"
	"chatbox/internal/sleep"
)

// holdings remembers since when the holders of sessions have had no socket. It
// is one pod's own memory: a pod that starts, or that cannot ask Redis, begins
// to count anew, so that nobody loses a session to an outage.
type holdings map[chatbox.Holding]time.Time

// Bounds of how often held sessions are looked at.
const (
	graceEvery    = 15 * time.Second
	graceEveryMin = 250 * time.Millisecond
)

// sweepHeld hands sessions back whose holder has had no socket anywhere for
// the grace time, until ctx ends.
func (s *Service) sweepHeld(ctx context.Context) {
	gone := holdings{}
	sleep.Every(ctx, min(graceEvery, max(graceEveryMin, s.cfg.AdminGrace/8)), func(ctx context.Context) {
		ctx, cancel := s.log.Bound(ctx)
		defer cancel()
		overdue, err := s.absent(ctx, gone)
		if err != nil {
			clear(gone)
			s.deps.Logger.DebugContext(ctx, "holders not looked for", "error", err)
			return
		}
		for _, h := range overdue {
			s.leaving.Add(h)
		}
	})
}

// leaveQueued hands one session back for the sweep.
func (s *Service) leaveQueued(ctx context.Context, h chatbox.Holding) error {
	turn, cancel := s.log.Bound(ctx)
	defer cancel()
	// It may have waited since the sweep, and the holder be back.
	here, err := s.deps.Presence.Present(turn, []chatbox.UserKey{{Tenant: h.Session.Tenant, ID: h.Holder}})
	if err == nil && !here[0] {
		err = s.leaveFor(turn, h)
	}
	if err != nil && ctx.Err() == nil {
		s.deps.Logger.WarnContext(ctx, "session of an absent admin not handed back", "session", h.Session.ID, "error", err)
	}
	return err
}

// absent updates who is gone and returns whose grace time is over.
func (s *Service) absent(ctx context.Context, gone holdings) ([]chatbox.Holding, error) {
	held, err := s.deps.Sessions.Held(ctx)
	if err != nil {
		return nil, err
	}
	users := make([]chatbox.UserKey, len(held))
	for i, h := range held {
		users[i] = chatbox.UserKey{Tenant: h.Session.Tenant, ID: h.Holder}
	}
	here, err := s.deps.Presence.Present(ctx, users)
	if err != nil {
		return nil, err
	}
	var overdue []chatbox.Holding
	present, at := make(map[chatbox.Holding]bool, len(held)), time.Now()
	for i, h := range held {
		if present[h] = here[i]; here[i] {
			continue
		}
		since, known := gone[h]
		if !known {
			gone[h] = at
		} else if at.Sub(since) >= s.cfg.AdminGrace {
			overdue = append(overdue, h)
		}
	}
	for h := range gone {
		if here, still := present[h]; here || !still {
			delete(gone, h)
		}
	}
	return overdue, nil
}

// leaveFor hands the session back for an admin who is gone, and has the last
// user message answered if nobody has replied to it.
func (s *Service) leaveFor(ctx context.Context, h chatbox.Holding) error {
	sess, err := s.log.Load(ctx, h.Session)
	if err != nil {
		return err
	}
	st := sess.State
	if st.HolderID != h.Holder || st.AnswerableFrom != h.Since {
		return s.log.SaveState(ctx, h.Session, st) // the stored fold was behind
	}
	if st.Unreplied() {
		// Before the leave: what crashes in between is found pending.
		if err := s.answers.Reopen(ctx, h.Session, st); err != nil {
			return err
		}
	}
	e := staffEvent(chatbox.Actor{UserID: st.HolderID, Name: st.HolderName}, "", chatbox.TypeAdminLeave)
	e.Key, e.UserID = automaticKey(h.Since), ""
	e.Metadata[chatbox.MetaAutomatic] = "true"
	stale := errors.New("held by somebody else meanwhile")
	_, err = s.append(ctx, sessionlog.Draft{Session: h.Session, Key: e.Key, Decide: func(b sessionlog.Basis) (chatbox.Event, error) {
		if b.State.HolderID != h.Holder || b.State.AnswerableFrom != h.Since {
			return e, stale
		}
		e.Time = s.log.Now()
		return e, nil
	}})
	if err != nil {
		if errors.Is(err, stale) {
			return nil
		}
		return err
	}
	s.deps.Logger.InfoContext(ctx, "session handed back: its admin is gone", "session", h.Session.ID)
	if st.Unreplied() {
		return s.answers.Enqueue(ctx, h.Session, st.LastUserSeq)
	}
	return nil
}
