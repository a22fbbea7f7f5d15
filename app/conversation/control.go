package conversation

import (
	"cmp"
	"context"
	"errors"
	"time"

	"chatbox"
)

// End ends the session for good: a running answer is closed, and nothing
// follows. Ending what has ended is no error.
func (s *Service) End(ctx context.Context, a chatbox.Actor, sessionID string) error {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.AckWait)
	defer cancel()
	sess, err := s.owned(ctx, a, sessionID)
	if err != nil || sess.State.Ended {
		return err
	}
	if err := s.stopAnswer(ctx, sess.Key); err != nil {
		return err
	}
	id := newID()
	_, err = s.append(ctx, draft{
		session: sess.Key, key: chatbox.ServerKey("ended"), // one key: a session ends once
		decide: func(p place) (chatbox.Event, error) {
			if p.state.Ended {
				return chatbox.Event{}, chatbox.Errorf(chatbox.Ended, "the session has ended", nil)
			}
			return chatbox.Event{
				ID: id, Type: chatbox.TypeSessionEnded, Sender: chatbox.SenderSystem, UserID: a.UserID,
				Metadata: map[string]string{chatbox.MetaReason: chatbox.ReasonEnded}, Time: now(), Status: chatbox.StatusComplete,
			}, nil
		},
	})
	if errors.Is(err, chatbox.Ended) {
		return nil
	}
	return err
}

// stopAnswer closes the answer that the session is being given, if there is one,
// and keeps others from being begun for a few seconds.
func (s *Service) stopAnswer(ctx context.Context, k chatbox.SessionKey) error {
	return patiently(ctx, func() error {
		open, err := s.Leases.Revoke(ctx, k)
		if err != nil || open == nil {
			return err
		}
		return s.closeAnswer(ctx, k, *open, chatbox.FinishCancelled)
	})
}

// closeAnswer makes what was accepted of a revoked answer its final, from any
// pod. A final that its worker had stored already stands.
func (s *Service) closeAnswer(ctx context.Context, k chatbox.SessionKey, open chatbox.OpenAnswer, why chatbox.Finish) error {
	_, err := s.append(ctx, draft{
		session: k, key: chatbox.AnswerKey(open.Gen.Seq, open.Gen.Run),
		decide: func(place) (chatbox.Event, error) {
			return chatbox.Event{
				ID: open.AnswerID, Type: chatbox.TypeAnswer, Sender: chatbox.SenderAI, Content: open.Text,
				ModelID: open.ModelID, Time: now(), Status: why.Status(),
				Answer: &chatbox.Answer{Gen: open.Gen, ReplyTo: open.ReplyTo, Attempt: open.Attempt, Index: open.Index, Finish: why},
			}, nil
		},
	})
	if err != nil {
		return err
	}
	s.Observer.Generation(string(why))
	return s.Turns.SettleTurn(ctx, k, open.Gen, chatbox.TurnDone)
}

// Cancel stops the answer that the caller's session is being given; where none
// is running it has no effect, and that is no error.
func (s *Service) Cancel(ctx context.Context, c Socket, sessionID string) error {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.AckWait)
	defer cancel()
	k, _, err := s.mine(ctx, c, sessionID)
	if err != nil {
		return err
	}
	return patiently(ctx, func() error {
		running, open, err := s.Interrupts.Interrupt(ctx, k)
		if err != nil || running == (chatbox.Gen{}) {
			return err
		}
		if open == nil || open.Gen != running { // claimed, and not announced yet
			m, err := s.message(ctx, k, running.Seq)
			if err != nil {
				return err
			}
			open = &chatbox.OpenAnswer{
				AnswerID: chatbox.AnswerID(k, running.Seq, running.Run), Gen: running, ReplyTo: m.ID, Index: -1,
			}
		}
		if err := s.closeAnswer(ctx, k, *open, chatbox.FinishCancelled); err != nil {
			return err
		}
		if err := s.Interrupts.Allow(ctx, k); err != nil {
			return err
		}
		s.due.add(k) // what was asked meanwhile
		return nil
	})
}

// Retry has the newest user message answered anew where its answer failed, was
// cancelled or taken over; otherwise, or while one is running, it is
// chatbox.NotFound.
func (s *Service) Retry(ctx context.Context, c Socket, sessionID string) error {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.AckWait)
	defer cancel()
	k, st, err := s.mine(ctx, c, sessionID)
	switch {
	case err != nil:
		return err
	case st.Ended:
		return chatbox.Errorf(chatbox.Ended, "the session has ended", nil)
	}
	none := chatbox.Errorf(chatbox.NotFound, "there is no failed answer to try again", nil)
	if st.LastUserSeq == 0 || st.HolderID != "" || st.LastUserSeq < st.AnswerableFrom {
		return none
	}
	return patiently(ctx, func() error {
		m, err := s.message(ctx, k, st.LastUserSeq)
		if err != nil {
			return err
		}
		if again, err := s.retriable(ctx, m); err != nil || !again {
			return cmp.Or(err, error(none))
		}
		ended := chatbox.Gen{Seq: m.Seq, Run: m.Turn.Run}
		won, err := s.Turns.RetryTurn(ctx, k, ended)
		if err != nil {
			return err
		}
		if !won {
			return none
		}
		if err := s.Schedule.Enqueue(ctx, k, chatbox.Gen{Seq: m.Seq, Run: m.Turn.Run + 1}); err != nil {
			return err
		}
		s.due.add(k)
		return nil
	})
}

// Typing tells the other sockets of the caller's session.
func (s *Service) Typing(ctx context.Context, c Socket, sessionID string, on bool) error {
	if sessionID == "" {
		sessionID = s.Currents.Current(c.ID())
	}
	k := c.Actor().Session(sessionID)
	if _, attached := s.Seats.Attached(c.ID(), k); !attached {
		var err error
		if k, _, err = s.mine(ctx, c, sessionID); err != nil {
			return err
		}
	}
	if wait := s.TypingLeases.MayType(c.ID(), time.Now()); wait > 0 && on {
		return &chatbox.Error{Code: chatbox.RateLimited, Message: "typing is told at most twice a second", RetryAfter: wait}
	}
	me := c.Actor().UserID
	return s.Whispers.Whisper(ctx, chatbox.Update{Session: k, Owner: me, Typing: &chatbox.Typing{
		Conn: c.ID(), UserID: me, Sender: chatbox.SenderUser, On: on,
	}})
}

// retriable reports whether the message's present run came to a bad end.
func (s *Service) retriable(ctx context.Context, m chatbox.Event) (bool, error) {
	if m.Turn == nil {
		return false, nil
	}
	final, err := s.Messages.ByKey(ctx, m.Session, chatbox.AnswerKey(m.Seq, m.Turn.Run))
	switch {
	case errors.Is(err, chatbox.NotFound):
		return m.Turn.State == chatbox.TurnFailed, nil
	case err != nil:
		return false, err
	}
	return final.Status != chatbox.StatusComplete, nil
}

// message reads the event at seq.
func (s *Service) message(ctx context.Context, k chatbox.SessionKey, seq int64) (chatbox.Event, error) {
	events, err := s.Messages.Range(ctx, k, seq, seq)
	if err == nil && len(events) == 0 {
		err = chatbox.Errorf(chatbox.NotFound, "no such message", nil)
	}
	if err != nil {
		return chatbox.Event{}, err
	}
	return events[0], nil
}

// mine finds the session that a socket's frame means and its state, where it
// is the caller's.
func (s *Service) mine(ctx context.Context, c Socket, sessionID string) (chatbox.SessionKey, chatbox.State, error) {
	if sessionID == "" {
		sessionID = s.Currents.Current(c.ID())
	}
	if sessionID == "" {
		return chatbox.SessionKey{}, chatbox.State{}, chatbox.Missing("session_id")
	}
	if !chatbox.ValidSessionID(sessionID) {
		return chatbox.SessionKey{}, chatbox.State{}, chatbox.Invalid("session_id", "must be 1-128 of A-Z a-z 0-9 . _ -")
	}
	k := c.Actor().Session(sessionID)
	var tail chatbox.Tail
	err := patiently(ctx, func() (err error) { tail, err = s.tail(ctx, k, atHead); return err })
	switch {
	case err != nil:
	case tail.Owner == "":
		err = &chatbox.Error{Code: chatbox.NotFound, Field: "session_id", Message: "session_id: no such session"}
	case tail.Owner != c.Actor().UserID:
		err = foreign()
	}
	return k, tail.State, err
}
