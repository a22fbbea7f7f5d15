package conversation

import (
	"context"
	"errors"

	"chatbox"
	"chatbox/app/live"
	"chatbox/app/sessionlog"
)

// End ends the caller's session for good: a running answer is closed, and no
// event follows the end. Ending an ended session has no effect.
func (s *Service) End(ctx context.Context, a chatbox.Actor, sessionID string) error {
	ctx, cancel := s.log.Bound(ctx)
	defer cancel()
	sess, err := s.log.Owned(ctx, a, sessionID)
	if err != nil {
		return err
	}
	return s.end(ctx, a, sess)
}

// EndAsStaff is End for an admin. The admin need not own or hold the session.
func (s *Service) EndAsStaff(ctx context.Context, a chatbox.Actor, sessionID string) error {
	ctx, cancel := s.log.Bound(ctx)
	defer cancel()
	k, err := s.staffed(ctx, a, sessionID, chatbox.AuditSessionEnd)
	if err != nil {
		return err
	}
	sess, err := s.log.Load(ctx, k)
	if err == nil && sess.Erased {
		err = chatbox.NoSuchSession()
	}
	if err != nil {
		return err
	}
	return s.end(ctx, a, sess)
}

func (s *Service) end(ctx context.Context, a chatbox.Actor, sess chatbox.Session) error {
	if sess.State.Ended {
		return nil
	}
	id := sessionlog.NewID()
	_, err := s.appendAlone(ctx, chatbox.FinishCancelled, sessionlog.Draft{
		Session: sess.Key, Key: chatbox.ServerKey("ended"), // one key: a session ends once
		Decide: func(b sessionlog.Basis) (chatbox.Event, error) {
			if b.State.Ended {
				return chatbox.Event{}, chatbox.SessionEnded()
			}
			return chatbox.Event{
				ID: id, Type: chatbox.TypeSessionEnded, Sender: chatbox.SenderSystem, UserID: a.UserID,
				Metadata: map[string]string{chatbox.MetaReason: chatbox.ReasonEnded}, Time: s.log.Now(), Status: chatbox.StatusComplete,
			}, nil
		},
	})
	if errors.Is(err, chatbox.Ended) {
		return nil
	}
	return err
}

// Cancel stops the answer that is running in the caller's session. Where no
// answer is running it has no effect.
func (s *Service) Cancel(ctx context.Context, c live.Socket, sessionID string) error {
	if err := s.live.Admit(c.Actor()); err != nil {
		return err
	}
	ctx, cancel := s.log.Bound(ctx)
	defer cancel()
	k, _, err := s.live.Mine(ctx, c, sessionID)
	if err != nil {
		return err
	}
	return s.answers.Cancel(ctx, k)
}

// Retry starts a new answer to the newest user message if its answer failed,
// was cancelled or was taken over. While a person holds the session, it has the
// transcript of the newest recording made again if that failed. Otherwise, or
// while an answer is running, it returns chatbox.NotFound.
func (s *Service) Retry(ctx context.Context, c live.Socket, sessionID string) error {
	if err := s.live.Admit(c.Actor()); err != nil {
		return err
	}
	ctx, cancel := s.log.Bound(ctx)
	defer cancel()
	k, st, err := s.live.Mine(ctx, c, sessionID)
	switch {
	case err != nil:
		return err
	case st.Ended:
		return chatbox.SessionEnded()
	case st.HolderID != "" && st.LastUserSeq > 0 && s.deps.Transcripts != nil:
		return s.deps.Transcripts.Again(ctx, chatbox.RecordingKey{Session: k, Seq: st.LastUserSeq})
	}
	return s.answers.Retry(ctx, k, st)
}
