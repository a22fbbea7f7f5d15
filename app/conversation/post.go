package conversation

import (
	"context"
	"errors"
	"time"

	"chatbox"
	"chatbox/app/live"
	"chatbox/app/sessionlog"
)

// Post accepts one durable frame of a user's socket. The ack comes through the
// session's feed, in the event's place; it is queued when Post returns nil.
// After a transient error (chatbox.IsTransient) the outcome is unknown, and a
// repeat with the same id is safe. Any other error means that the frame had no
// effect.
func (s *Service) Post(ctx context.Context, c live.Socket, cmd chatbox.Command) error {
	_, err := s.post(ctx, c, cmd)
	return err
}

func (s *Service) post(ctx context.Context, c live.Socket, cmd chatbox.Command) (sessionlog.Appended, error) {
	began := time.Now()
	ctx, cancel := s.log.Bound(ctx)
	defer cancel()
	cmd = cmd.Clean()
	cmd.SessionID = s.live.SessionOf(c, cmd.SessionID)
	files, err := s.check(ctx, c.Actor(), cmd)
	if err != nil {
		return sessionlog.Appended{}, err
	}
	made := cmd.SessionID == ""
	if made {
		cmd.SessionID = sessionlog.NewID()
	}
	k := c.Actor().Session(cmd.SessionID)
	if _, ok := s.deps.Attachments.Attached(c.ID(), k); !ok {
		if err := s.live.AttachWith(ctx, c, cmd.SessionID, live.AttachOptions{Created: made, Speaks: true}); err != nil {
			return sessionlog.Appended{}, s.unlessRepeated(ctx, c, k, cmd, err)
		}
	}
	if cmd, files, err = s.fetched(ctx, c.Actor(), k, cmd, files); err != nil {
		return sessionlog.Appended{}, err
	}
	if err := s.recordVoice(ctx, c, k, cmd.Type); err != nil {
		return sessionlog.Appended{}, err
	}
	e := eventOf(c.Actor(), cmd, files)
	if e.Named || onlyAcked(e.Type) {
		s.deps.Acks.Expect(c.ID(), k, e.Key, e.Named)
	}
	res, err := s.accept(ctx, s.postDraft(c.Actor(), k, e, cmd), e)
	if err != nil {
		if !chatbox.IsTransient(err) {
			s.deps.Acks.Forget(c.ID(), k, e.Key)
		}
		return sessionlog.Appended{}, err
	}
	if res.Repeat && s.deps.Acks.AckAgain(c.ID(), res.Event) {
		return res, nil
	}
	s.live.AwaitOwn(ctx, c, res.Event)
	s.deps.Observer.Posted(time.Since(began))
	return res, nil
}

// recordVoice writes an audit entry for an admin's message to somebody else's
// session, as PostAsHolder does.
func (s *Service) recordVoice(ctx context.Context, c live.Socket, k chatbox.SessionKey, t chatbox.Type) error {
	if !c.Actor().Admin() || !maySayAsAdmin(t) {
		return nil
	}
	if _, as, err := s.live.Voice(ctx, c, k.ID); err == nil && as == chatbox.SenderUser {
		return nil
	}
	return s.deps.Audit.Record(ctx, c.Actor(), chatbox.AuditSessionMessage, s.log.About(ctx, k))
}

// onlyAcked reports whether a frame of the type without an id is never sent back
// to its own socket, as old clients expect.
func onlyAcked(t chatbox.Type) bool {
	return t == chatbox.TypeUserMessage || t == chatbox.TypeFileUpload || t == chatbox.TypeVoiceMessage
}

// unlessRepeated returns the error why an admin's socket cannot be attached,
// unless the frame repeats one that the admin sent while holding the session.
func (s *Service) unlessRepeated(ctx context.Context, c live.Socket, k chatbox.SessionKey, cmd chatbox.Command, why error) error {
	if !c.Actor().Admin() || !errors.Is(why, chatbox.PermissionDenied) && !errors.Is(why, chatbox.Ended) {
		return why
	}
	if done, err := s.repeated(ctx, c, k, eventOf(c.Actor(), cmd, nil)); done || err != nil {
		return err
	}
	return why
}

// PostMessage accepts a user's message without a socket and returns once it is
// durable. It returns the message's event, or the first event if the message
// repeats its id. The session's sockets receive the event as any other.
func (s *Service) PostMessage(ctx context.Context, a chatbox.Actor, cmd chatbox.Command) (chatbox.Event, error) {
	began := time.Now()
	ctx, cancel := s.log.Bound(ctx)
	defer cancel()
	cmd = cmd.Clean()
	files, err := s.check(ctx, a, cmd)
	if err != nil {
		return chatbox.Event{}, err
	}
	k := a.Session(cmd.SessionID)
	if cmd, files, err = s.fetched(ctx, a, k, cmd, files); err != nil {
		return chatbox.Event{}, err
	}
	e := eventOf(a, cmd, files)
	res, err := s.accept(ctx, s.postDraft(a, k, e, cmd), e)
	if err != nil {
		return chatbox.Event{}, err
	}
	s.deps.Observer.Posted(time.Since(began))
	return res.Event, nil
}

// PostAsHolder is PostMessage for the admin who holds the session.
func (s *Service) PostAsHolder(ctx context.Context, a chatbox.Actor, cmd chatbox.Command) (chatbox.Event, error) {
	ctx, cancel := s.log.Bound(ctx)
	defer cancel()
	cmd = cmd.Clean()
	files, err := s.check(ctx, a, cmd)
	if err != nil {
		return chatbox.Event{}, err
	}
	k, err := s.staffed(ctx, a, cmd.SessionID, chatbox.AuditSessionMessage)
	if err != nil {
		return chatbox.Event{}, err
	}
	if cmd, files, err = s.fetched(ctx, a, k, cmd, files); err != nil {
		return chatbox.Event{}, err
	}
	e := eventOf(a, cmd, files)
	d := s.postDraft(a, k, e, cmd)
	d.Create = nil
	decide := d.Decide
	d.Decide = func(b sessionlog.Basis) (chatbox.Event, error) {
		if b.Owner == a.UserID && !b.State.Ended { // an admin who holds their own session speaks in it as staff
			return s.asHolder(a, b, e)
		}
		return decide(b)
	}
	res, err := s.accept(ctx, d, e)
	return res.Event, err
}

// accept stores a user's event, or finds the event that it repeats. A repeat
// with other content is refused; the first event stands.
func (s *Service) accept(ctx context.Context, d sessionlog.Draft, e chatbox.Event) (sessionlog.Appended, error) {
	if e.Type == chatbox.TypeHelpRequest {
		d = s.helpDraft(ctx, d)
	}
	res, err := s.append(ctx, d)
	switch {
	case err != nil:
		return sessionlog.Appended{}, err
	case !res.Repeat:
		s.nameLater(ctx, res.Event)
		s.raiseTranscript(res)
		if res.Event.Alert != nil {
			s.deps.Alerts.Raise(res.Event)
		}
	case !sameRequest(res.Event, e):
		return sessionlog.Appended{}, otherMessage()
	}
	return res, nil
}

// check makes the checks that need no session state, and returns the command's
// files. A model that is no longer offered, or a file that is gone, does not
// refuse a repeat, since the first event stands.
func (s *Service) check(ctx context.Context, a chatbox.Actor, cmd chatbox.Command) ([]chatbox.File, error) {
	if err := cmd.Validate(); err != nil {
		return nil, err
	}
	files, err := s.usable(ctx, a, cmd)
	if err == nil && cmd.ModelID != "" && !s.answers.Offers(cmd.ModelID) {
		err = chatbox.Invalid("model_id", "is not one of the models offered")
	}
	if err == nil || chatbox.IsTransient(err) || cmd.ID == "" || cmd.SessionID == "" {
		return files, err
	}
	k, key := a.Session(cmd.SessionID), chatbox.ClientKey(a.UserID, cmd.ID)
	rerr := sessionlog.RetryTransient(ctx, func() error { _, err := s.deps.Messages.ByKey(ctx, k, key); return err })
	if errors.Is(rerr, chatbox.NotFound) {
		return nil, err
	}
	return nil, rerr
}

// eventOf returns the event of a command. files are those of the command; nil:
// they are not known.
func eventOf(a chatbox.Actor, cmd chatbox.Command, files []chatbox.File) chatbox.Event {
	e := chatbox.Event{
		ID: cmd.ID, Named: cmd.ID != "", Type: cmd.Type, Sender: chatbox.SenderUser, UserID: a.UserID,
		Content: cmd.Content, ModelID: cmd.ModelID, FileID: cmd.FileID, FileURL: cmd.FileURL,
		Metadata: cmd.Metadata, Status: chatbox.StatusComplete,
	}
	attach(&e, cmd, files)
	e.Key = chatbox.ClientKey(a.UserID, cmd.ID)
	if !e.Named {
		e.ID = sessionlog.NewID()
		e.Key = chatbox.ServerKey(e.ID)
	}
	return e
}

// postDraft returns the append of a user's event. It may create the session,
// and its decision is repeated at each seq that it tries.
func (s *Service) postDraft(a chatbox.Actor, k chatbox.SessionKey, e chatbox.Event, cmd chatbox.Command) sessionlog.Draft {
	return sessionlog.Draft{
		Session: k, Key: e.Key, FreshKey: !e.Named, User: a.User(),
		Create: func() chatbox.Session {
			t := s.log.Now()
			return chatbox.Session{Key: k, Owner: a.UserID, OwnerName: a.Name, Name: nameOf(e), CreatedAt: t, IssuedAt: a.IssuedAt}
		},
		Decide: func(b sessionlog.Basis) (chatbox.Event, error) {
			e := e
			e.ToTranscribe = s.transcriptDue(e)
			switch {
			case b.Owner == a.UserID:
				e.Metadata = withoutStaff(e.Metadata)
			case !a.Admin():
				return e, chatbox.NotYourSession()
			case b.State.Ended: // an ended session has no holder; refused below
			default:
				return s.asHolder(a, b, e)
			}
			if b.State.Ended {
				return e, chatbox.SessionEnded()
			}
			e.Time = s.log.Now()
			if e.Type.Asks() && e.Sender == chatbox.SenderUser {
				e.Turn = &chatbox.Turn{State: chatbox.TurnPending, Run: 1}
				if b.State.HolderID != "" {
					e.Turn.State = chatbox.TurnHeld
				}
			}
			return e, nil
		},
		Prepare: s.useFiles(a, k, cmd),
	}
}

// asHolder turns the event into one of the admin who holds the session.
func (s *Service) asHolder(a chatbox.Actor, b sessionlog.Basis, e chatbox.Event) (chatbox.Event, error) {
	switch {
	case b.State.HolderID != a.UserID:
		return e, chatbox.NotHolder()
	case !maySayAsAdmin(e.Type):
		return e, &chatbox.Error{Code: chatbox.PermissionDenied, Field: "type", Message: "type: only the session's user may send this"}
	}
	e.Sender, e.Metadata, e.Time = chatbox.SenderAdmin, adminMetadata(e.Metadata, a), s.log.Now()
	return e, nil
}

// maySayAsAdmin reports whether a holder may send events of the type.
func maySayAsAdmin(t chatbox.Type) bool {
	return t == chatbox.TypeUserMessage || t == chatbox.TypeFileUpload || t == chatbox.TypeVoiceMessage
}

// nameLater names a session whose first event was not a user message.
func (s *Service) nameLater(ctx context.Context, e chatbox.Event) {
	if e.Type != chatbox.TypeUserMessage || e.Seq == 1 || e.Seq > 3 {
		return
	}
	if err := s.deps.Sessions.SetName(ctx, e.Session, chatbox.NameFrom(e.Content), true); err != nil {
		s.deps.Logger.DebugContext(ctx, "session not named", "session", e.Session.ID, "error", err)
	}
}
