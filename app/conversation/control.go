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
	if err != nil {
		return err
	}
	return s.end(ctx, a, sess)
}

// EndAsStaff is End for an admin, whoever owns or holds the session.
func (s *Service) EndAsStaff(ctx context.Context, a chatbox.Actor, sessionID string) error {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.AckWait)
	defer cancel()
	k, err := s.staffed(ctx, a, sessionID, chatbox.AuditSessionEnd)
	if err != nil {
		return err
	}
	sess, err := s.truth(ctx, k)
	if err == nil && sess.Erased {
		err = unknownSession()
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
	id := newID()
	_, err := s.appendAlone(ctx, chatbox.FinishCancelled, draft{
		session: sess.Key, key: chatbox.ServerKey("ended"), // one key: a session ends once
		decide: func(p place) (chatbox.Event, error) {
			if p.state.Ended {
				return chatbox.Event{}, hasEnded()
			}
			return chatbox.Event{
				ID: id, Type: chatbox.TypeSessionEnded, Sender: chatbox.SenderSystem, UserID: a.UserID,
				Metadata: map[string]string{chatbox.MetaReason: chatbox.ReasonEnded}, Time: s.now(), Status: chatbox.StatusComplete,
			}, nil
		},
	})
	if errors.Is(err, chatbox.Ended) {
		return nil
	}
	return err
}

// appendAlone appends what no answer may run into: one that is running is closed
// first, and none is begun until the event has its place. Where that takes
// longer than claims are forbidden, it is made sure of again.
func (s *Service) appendAlone(ctx context.Context, why chatbox.Finish, d draft) (appended, error) {
	for {
		began := time.Now()
		if err := s.stopAnswer(ctx, d.session, why); err != nil {
			return appended{}, err
		}
		left := aloneFor - time.Since(began)
		if left < aloneFor/2 && ctx.Err() == nil {
			continue // closing it has taken that long
		}
		turn, cancel := context.WithTimeout(ctx, left)
		res, err := s.append(turn, d)
		late := turn.Err() != nil
		cancel()
		if err == nil || !late || ctx.Err() != nil {
			return res, err
		}
	}
}

// aloneFor is how long it may be relied on that claims are forbidden: well below
// the five seconds for which they are.
const aloneFor = 4 * time.Second

// stopAnswer closes the answer that the session is being given, if there is one,
// and keeps others from being begun for a few seconds.
func (s *Service) stopAnswer(ctx context.Context, k chatbox.SessionKey, why chatbox.Finish) error {
	return patiently(ctx, func() error {
		running, open, err := s.Leases.Revoke(ctx, k)
		if err != nil {
			return err
		}
		return s.closeRunning(ctx, k, running, open, why)
	})
}

// closeRunning closes the answer that was running when its lease was revoked,
// also one that had been claimed and not announced.
func (s *Service) closeRunning(
	ctx context.Context, k chatbox.SessionKey, running chatbox.Gen, open *chatbox.OpenAnswer, why chatbox.Finish,
) error {
	if running == (chatbox.Gen{}) {
		return nil
	}
	if open == nil || open.Gen != running {
		m, err := s.message(ctx, k, running.Seq)
		if err != nil {
			return err
		}
		open = &chatbox.OpenAnswer{AnswerID: chatbox.AnswerID(k, running.Seq, running.Run), Gen: running, ReplyTo: m.ID, Index: -1}
		if m.Turn != nil && m.Turn.Run == running.Run {
			open.Attempt = max(0, m.Turn.Claims-1) // Redis may have lost what was shown of it
		}
	}
	return s.closeAnswer(ctx, k, *open, why)
}

// closeAnswer makes what was accepted of a revoked answer its final, from any
// pod. A final that its worker had stored already stands.
func (s *Service) closeAnswer(ctx context.Context, k chatbox.SessionKey, open chatbox.OpenAnswer, why chatbox.Finish) error {
	_, err := s.append(ctx, draft{
		session: k, key: chatbox.AnswerKey(open.Gen.Seq, open.Gen.Run),
		decide: func(p place) (chatbox.Event, error) {
			if p.state.HolderID != "" || p.state.Ended { // somebody else was faster; what stands behind it is void
				return chatbox.Event{}, errLost
			}
			w := &chatbox.Answer{Gen: open.Gen, ReplyTo: open.ReplyTo, Attempt: open.Attempt, Index: open.Index, Finish: why}
			w.SetUsage(billOf(open))
			return chatbox.Event{
				ID: open.AnswerID, Type: chatbox.TypeAnswer, Sender: chatbox.SenderAI, Content: open.Text,
				ModelID: open.ModelID, Time: s.now(), Status: why.Status(), Answer: w,
			}, nil
		},
	})
	switch {
	case errors.Is(err, chatbox.NotOwner):
		return nil
	case err != nil:
		return err
	}
	s.Observer.Generation(string(why))
	return s.Turns.SettleTurn(ctx, k, open.Gen, chatbox.TurnDone)
}

// Cancel stops the answer that the caller's session is being given; where none
// is running it has no effect, and that is no error.
func (s *Service) Cancel(ctx context.Context, c Socket, sessionID string) error {
	if err := s.efforts.admit(c.Actor().User(), time.Now()); err != nil {
		return err
	}
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
		if err := s.closeRunning(ctx, k, running, open, chatbox.FinishCancelled); err != nil {
			return err
		}
		if err := s.Interrupts.Allow(ctx, k); err != nil {
			return err
		}
		s.due.Add(k) // what was asked meanwhile
		return nil
	})
}

// Retry has the newest user message answered anew where its answer failed, was
// cancelled or taken over; otherwise, or while one is running, it is
// chatbox.NotFound.
func (s *Service) Retry(ctx context.Context, c Socket, sessionID string) error {
	if err := s.efforts.admit(c.Actor().User(), time.Now()); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, s.cfg.AckWait)
	defer cancel()
	k, st, err := s.mine(ctx, c, sessionID)
	switch {
	case err != nil:
		return err
	case st.Ended:
		return hasEnded()
	}
	none := chatbox.Errorf(chatbox.NotFound, "there is no failed answer to try again", nil)
	if st.LastUserSeq == 0 || st.HolderID != "" {
		return none
	}
	var next chatbox.Gen // asked for in an earlier try, whose reply may have been lost
	return patiently(ctx, func() error {
		m, err := s.message(ctx, k, st.LastUserSeq)
		if err != nil {
			return err
		}
		if m.Turn == nil || m.Turn.Run != next.Run {
			again, err := s.retriable(ctx, m)
			if err != nil || !again {
				return cmp.Or(err, error(none))
			}
			next = chatbox.Gen{Seq: m.Seq, Run: m.Turn.Run + 1}
			won, err := s.Turns.RetryTurn(ctx, k, chatbox.Gen{Seq: m.Seq, Run: m.Turn.Run}, st.Head)
			if err != nil || !won {
				return cmp.Or(err, error(none))
			}
		}
		return s.enter(ctx, k, next, st.Head)
	})
}

// Typing tells the other sockets of the caller's session.
func (s *Service) Typing(ctx context.Context, c Socket, sessionID string, on bool) error {
	k, as, err := s.voice(ctx, c, sessionID)
	if err != nil {
		return err
	}
	if wait := s.TypingLeases.MayType(c.ID(), k, on, time.Now()); wait > 0 {
		return &chatbox.Error{Code: chatbox.RateLimited, Message: "typing is told at most twice a second", RetryAfter: wait, Refusal: chatbox.RefusedTypingRate}
	}
	me := c.Actor().UserID
	return s.Whispers.Whisper(ctx, chatbox.Update{Session: k, Typing: &chatbox.Typing{
		Conn: c.ID(), UserID: me, Sender: as, On: on,
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

// voice is the session that a socket's frame means, and as whom the caller
// speaks there; it is read only where the socket's place does not show it.
func (s *Service) voice(ctx context.Context, c Socket, sessionID string) (chatbox.SessionKey, chatbox.Sender, error) {
	if sessionID == "" {
		sessionID = s.Currents.Current(c.ID())
	}
	k := c.Actor().Session(sessionID)
	if as, speaks := s.Rights.Speaks(c.ID(), k); speaks {
		return k, as, nil
	}
	k, st, err := s.mine(ctx, c, sessionID)
	if err == nil && st.HolderID == c.Actor().UserID {
		return k, chatbox.SenderAdmin, nil
	}
	return k, chatbox.SenderUser, err
}

// mine finds the session that a socket's frame means and its state, where the
// caller owns or holds it.
func (s *Service) mine(ctx context.Context, c Socket, sessionID string) (chatbox.SessionKey, chatbox.State, error) {
	if sessionID == "" {
		sessionID = s.Currents.Current(c.ID())
	}
	if sessionID == "" {
		return chatbox.SessionKey{}, chatbox.State{}, chatbox.Missing("session_id")
	}
	if !chatbox.ValidSessionID(sessionID) {
		return chatbox.SessionKey{}, chatbox.State{}, chatbox.BadSessionID()
	}
	k := c.Actor().Session(sessionID)
	var tail chatbox.Tail
	err := patiently(ctx, func() (err error) { tail, err = s.tail(ctx, k, atHead); return err })
	switch {
	case err != nil:
	case tail.Owner == "":
		err = unknownSession()
	case tail.Owner == c.Actor().UserID, tail.State.HolderID == c.Actor().UserID && c.Actor().Admin():
	case c.Actor().Admin():
		err = notHeld()
	default:
		err = foreign()
	}
	return k, tail.State, err
}
