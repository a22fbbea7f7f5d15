package conversation

import (
	"context"
	"errors"
	"time"

	"chatbox"
	"chatbox/app/sessionlog"
	"chatbox/internal/sleep"
)

// holdings records since when the holders of sessions have had no socket. It
// is local to a pod: a pod that starts, or that cannot ask Redis, starts
// counting again, so that no admin loses a session to an outage.
type holdings map[chatbox.Holding]time.Time

// Bounds of the interval at which held sessions are checked.
const (
	graceEvery    = 15 * time.Second
	graceEveryMin = 250 * time.Millisecond
)

// sweepHeld hands sessions back to the model if their holder has had no socket
// on any pod for the grace time. It runs until ctx ends.
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

// leaveQueued hands back one queued session.
func (s *Service) leaveQueued(ctx context.Context, h chatbox.Holding) error {
	turn, cancel := s.log.Bound(ctx)
	defer cancel()
	// The holder may have returned while the session was queued.
	here, err := s.deps.Presence.Present(turn, []chatbox.UserKey{{Tenant: h.Session.Tenant, ID: h.Holder}})
	if err == nil && !here[0] {
		err = s.leaveFor(turn, h)
	}
	if err != nil && ctx.Err() == nil {
		s.deps.Logger.WarnContext(ctx, "session of an absent admin not handed back", "session", h.Session.ID, "error", err)
	}
	return err
}

// absent updates gone and returns the holdings whose grace time is over.
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

// errSpokenMeanwhile ends an automatic leave that prepared an older message. The
// queue tries again.
var errSpokenMeanwhile = errors.New("the user sent a message meanwhile")

// leaveFor hands the session back for an absent admin and enters the last user
// message's turn if nobody has replied to it.
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
		// Before the leave, so that after a crash in between the turn is
		// pending.
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
		if b.State.LastUserSeq != st.LastUserSeq {
			return e, errSpokenMeanwhile
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
