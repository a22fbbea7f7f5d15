package conversation

import (
	"cmp"
	"context"
	"errors"
	"strconv"

	"chatbox"
	"chatbox/app/live"
	"chatbox/app/sessionlog"
	"chatbox/cluster"
)

// errAlready means that the caller holds the session already.
var errAlready = errors.New("held by the caller already")

// TakeOver makes the admin the session's holder. It closes the running answer
// before the admin_join. After the admin_join no model output is sent until
// the admin leaves. If the admin holds the session already, TakeOver has no
// effect. If somebody else does, it returns chatbox.TakenOver with the
// holder's name.
func (s *Service) TakeOver(ctx context.Context, a chatbox.Actor, sessionID string) error {
	ctx, cancel := s.log.Bound(ctx)
	defer cancel()
	k, err := s.staffed(ctx, a, sessionID, chatbox.AuditSessionTakeover)
	if err != nil {
		return err
	}
	_, err = s.takeOver(ctx, k, staffEvent(a, "", chatbox.TypeAdminJoin))
	if errors.Is(err, errAlready) {
		return nil
	}
	return err
}

// JoinSession is TakeOver from a socket, which it attaches to the session. The
// socket receives an ack, or the event itself if the frame had no id. If the
// admin holds the session already, the socket is only attached.
func (s *Service) JoinSession(ctx context.Context, c live.Socket, id, sessionID string) error {
	ctx, cancel := s.log.Bound(ctx)
	defer cancel()
	k, err := s.staffed(ctx, c.Actor(), s.live.SessionOf(c, sessionID), chatbox.AuditSessionTakeover)
	if err != nil {
		return err
	}
	e := staffEvent(c.Actor(), id, chatbox.TypeAdminJoin)
	if done, err := s.repeated(ctx, c, k, e); done || err != nil {
		return err
	}
	_, attached := s.deps.Attachments.Attached(c.ID(), k)
	switch {
	case attached && e.Named:
		s.deps.Acks.Expect(c.ID(), k, e.Key, true)
	case !attached:
		if err := s.roomFor(c, k); err != nil {
			return err
		}
	}
	res, err := s.takeOver(ctx, k, e)
	switch {
	case errors.Is(err, errAlready):
		return s.joinAgain(ctx, c, k, e, res.Event.Seq)
	case err != nil:
		if attached && !chatbox.IsTransient(err) {
			s.deps.Acks.Forget(c.ID(), k, e.Key)
		}
		return err
	case attached:
		s.live.AwaitOwn(ctx, c, res.Event)
		return nil
	}
	before := res.Event.Seq - 1
	return s.live.AttachWith(ctx, c, k.ID, live.AttachOptions{After: &before, Announce: true, Expect: &res.Event})
}

// roomFor refuses a socket that cannot be attached to one more session, before
// the takeover has any effect. A socket's frames come one at a time, so no
// other frame takes the room meanwhile.
func (s *Service) roomFor(c live.Socket, k chatbox.SessionKey) error {
	if _, err := s.deps.Attachments.Enter(c.ID(), k); err != nil {
		return err
	}
	s.deps.Attachments.Leave(c.ID(), k)
	return nil
}

// joinAgain attaches a socket of the admin who has held the session since the
// event joined. The ack echoes the frame's id and has that event's seq and
// time.
func (s *Service) joinAgain(ctx context.Context, c live.Socket, k chatbox.SessionKey, e chatbox.Event, joined int64) error {
	if e.Named {
		s.deps.Acks.Forget(c.ID(), k, e.Key) // no event of this frame will come
	}
	var events []chatbox.Event
	err := sessionlog.RetryTransient(ctx, func() (err error) { events, err = s.deps.Messages.Range(ctx, k, joined, joined); return err })
	switch {
	case err != nil:
		return err
	case len(events) == 0: // just erased
		return chatbox.NoSuchSession()
	}
	e.Session, e.Seq, e.Time = k, joined, events[0].Time
	return s.live.AttachWith(ctx, c, k.ID, live.AttachOptions{Announce: true, Ack: &e})
}

// takeOver appends the admin_join. With errAlready it returns the seq of the
// admin_join from which the admin holds the session.
func (s *Service) takeOver(ctx context.Context, k chatbox.SessionKey, e chatbox.Event) (sessionlog.Appended, error) {
	admin := e.Metadata[chatbox.MetaAdminID]
	free := func(st chatbox.State) error {
		switch {
		case st.Ended:
			return chatbox.SessionEnded()
		case st.HolderID == admin:
			return errAlready
		case st.HolderID != "":
			return takenOver(st)
		}
		return nil
	}
	var tail cluster.Tail
	err := sessionlog.RetryTransient(ctx, func() error {
		var err error
		if tail, err = s.log.Tail(ctx, k, sessionlog.AtHead); err != nil {
			return err
		}
		if tail.Owner == "" {
			return chatbox.NoSuchSession()
		}
		return free(tail.State)
	})
	var res sessionlog.Appended
	if err == nil {
		res, err = s.appendAlone(ctx, chatbox.FinishTakenOver, sessionlog.Draft{Session: k, Key: e.Key, FreshKey: !e.Named, Decide: func(b sessionlog.Basis) (chatbox.Event, error) {
			tail.State = b.State
			e.Time = s.log.Now()
			return e, free(b.State)
		}})
	}
	if errors.Is(err, errAlready) {
		e.Seq = tail.State.AnswerableFrom // nothing changes it while a person holds the session
		return sessionlog.Appended{Event: e}, err
	}
	return res, err
}

// staffed returns the key of the session that an admin's request names. It
// writes the audit entry for the action before it returns.
func (s *Service) staffed(
	ctx context.Context, a chatbox.Actor, sessionID string, action chatbox.AuditAction,
) (chatbox.SessionKey, error) {
	switch {
	case !a.Admin():
		return chatbox.SessionKey{}, chatbox.StaffOnly()
	case sessionID == "":
		return chatbox.SessionKey{}, chatbox.Missing("session_id")
	case !chatbox.ValidSessionID(sessionID):
		return chatbox.SessionKey{}, chatbox.BadSessionID()
	}
	k := a.Session(sessionID)
	return k, s.deps.Audit.Record(ctx, a, action, s.log.About(ctx, k))
}

// staffEvent returns the event of an admin who joins or leaves.
func staffEvent(a chatbox.Actor, id string, kind chatbox.Type) chatbox.Event {
	e := eventOf(a, chatbox.Command{Type: kind, ID: id}, nil)
	who := cmp.Or(a.Name, chatbox.UnnamedStaff)
	e.Content = who + " has joined."
	if kind == chatbox.TypeAdminLeave {
		e.Content = who + " has left."
	}
	e.Sender, e.Metadata = chatbox.SenderSystem, adminMetadata(nil, a)
	return e
}

// adminMetadata names the admin in the metadata and overrides a client's
// claims.
func adminMetadata(given map[string]string, a chatbox.Actor) map[string]string {
	out := withoutStaff(given)
	if out == nil {
		out = map[string]string{}
	}
	out[chatbox.MetaAdminID] = a.UserID
	out[chatbox.MetaAdminName] = cmp.Or(a.Name, chatbox.UnnamedStaff)
	return out
}

// withoutStaff removes metadata that only the server may set.
func withoutStaff(given map[string]string) map[string]string {
	if given[chatbox.MetaAdminID] == "" && given[chatbox.MetaAdminName] == "" {
		return given
	}
	out := make(map[string]string, len(given))
	for k, v := range given {
		if k != chatbox.MetaAdminID && k != chatbox.MetaAdminName {
			out[k] = v
		}
	}
	return out
}

func takenOver(st chatbox.State) error {
	return &chatbox.Error{
		Code: chatbox.TakenOver, Message: "another member of staff holds this session",
		Metadata: map[string]string{chatbox.MetaAdminID: st.HolderID, chatbox.MetaAdminName: cmp.Or(st.HolderName, chatbox.UnnamedStaff)},
	}
}

func otherMessage() error { return chatbox.Invalid("id", "names another message of this session") }

// automaticKey allows one automatic leave per admin_join, whichever pods find
// that the admin is absent.
func automaticKey(joined int64) string {
	return chatbox.ServerKey("automatic:" + strconv.FormatInt(joined, 10))
}
