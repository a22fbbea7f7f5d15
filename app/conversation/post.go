package conversation

import (
	"context"
	"errors"
	"time"

	"chatbox"
)

// ackPatience is how long an event may take to come back to the pod that
// published it before the pod reads for it.
const ackPatience = 500 * time.Millisecond

// Post accepts one durable frame of a user's socket. Its ack comes through the
// session's feed, in its place; when Post returns nil the ack was queued. An
// error is the frame's one answer and had no effect, unless it is a passing
// one: then the outcome is unknown and a repeat by id is safe.
func (s *Service) Post(ctx context.Context, c Socket, cmd chatbox.Command) error {
	_, err := s.post(ctx, c, cmd)
	return err
}

func (s *Service) post(ctx context.Context, c Socket, cmd chatbox.Command) (appended, error) {
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, s.cfg.AckWait)
	defer cancel()
	cmd = cmd.Clean()
	if cmd.SessionID == "" {
		cmd.SessionID = s.Currents.Current(c.ID())
	}
	if err := s.check(ctx, c.Actor(), cmd); err != nil {
		return appended{}, err
	}
	made := cmd.SessionID == ""
	if made {
		cmd.SessionID = newID()
	}
	k := c.Actor().Session(cmd.SessionID)
	if _, ok := s.Seats.Attached(c.ID(), k); !ok {
		if err := s.seat(ctx, c, cmd.SessionID, visit{made: made, speaks: true}); err != nil {
			return appended{}, s.unlessRepeated(ctx, c, k, cmd, err)
		}
	}
	if err := s.recordVoice(ctx, c, k, cmd.Type); err != nil {
		return appended{}, err
	}
	e := s.eventOf(c.Actor(), cmd)
	if e.Named || untold(e.Type) {
		s.Acks.Expect(c.ID(), k, e.Key, e.Named)
	}
	res, err := s.accept(ctx, s.postDraft(c.Actor(), k, e), e)
	if err != nil {
		if !passing(err) {
			s.Acks.Forget(c.ID(), k, e.Key)
		}
		return appended{}, err
	}
	if res.repeat && s.Acks.AckAgain(c.ID(), res.event) {
		return res, nil
	}
	s.awaitOwn(ctx, c, res.event)
	s.Observer.Posted(time.Since(began))
	return res, nil
}

// recordVoice puts on record that an admin says something in somebody else's
// session, as PostAsHolder does.
func (s *Service) recordVoice(ctx context.Context, c Socket, k chatbox.SessionKey, t chatbox.Type) error {
	if !c.Actor().Admin() || !maySayAsAdmin(t) {
		return nil
	}
	if _, as, err := s.voice(ctx, c, k.ID); err == nil && as == chatbox.SenderUser {
		return nil
	}
	return s.Audit.Record(ctx, c.Actor(), chatbox.AuditSessionMessage, s.about(ctx, k))
}

// untold reports whether a frame of the type without an id is never shown to
// its own socket, as old clients expect.
func untold(t chatbox.Type) bool {
	return t == chatbox.TypeUserMessage || t == chatbox.TypeFileUpload || t == chatbox.TypeVoiceMessage
}

// unlessRepeated returns why an admin's socket cannot be attached, unless its
// frame repeats one that the admin sent while holding the session.
func (s *Service) unlessRepeated(ctx context.Context, c Socket, k chatbox.SessionKey, cmd chatbox.Command, why error) error {
	if !c.Actor().Admin() || !errors.Is(why, chatbox.PermissionDenied) && !errors.Is(why, chatbox.Ended) {
		return why
	}
	if done, err := s.repeated(ctx, c, k, s.eventOf(c.Actor(), cmd)); done || err != nil {
		return err
	}
	return why
}

// PostMessage accepts a user's message without a socket: what Post does, up to
// its being durable. The event is the message, or the first one where it is a
// repeat by its id; the session's sockets hear of it as of any other.
func (s *Service) PostMessage(ctx context.Context, a chatbox.Actor, cmd chatbox.Command) (chatbox.Event, error) {
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, s.cfg.AckWait)
	defer cancel()
	cmd = cmd.Clean()
	if err := s.check(ctx, a, cmd); err != nil {
		return chatbox.Event{}, err
	}
	k, e := a.Session(cmd.SessionID), s.eventOf(a, cmd)
	res, err := s.accept(ctx, s.postDraft(a, k, e), e)
	if err != nil {
		return chatbox.Event{}, err
	}
	s.Observer.Posted(time.Since(began))
	return res.event, nil
}

// PostAsHolder is PostMessage for the admin who holds the session.
func (s *Service) PostAsHolder(ctx context.Context, a chatbox.Actor, cmd chatbox.Command) (chatbox.Event, error) {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.AckWait)
	defer cancel()
	cmd = cmd.Clean()
	if err := s.check(ctx, a, cmd); err != nil {
		return chatbox.Event{}, err
	}
	k, err := s.staffed(ctx, a, cmd.SessionID, chatbox.AuditSessionMessage)
	if err != nil {
		return chatbox.Event{}, err
	}
	e := s.eventOf(a, cmd)
	d := s.postDraft(a, k, e)
	d.create = nil
	decide := d.decide
	d.decide = func(p place) (chatbox.Event, error) {
		if p.owner == a.UserID && !p.state.Ended { // an admin who holds their own session speaks in it as staff
			return s.asHolder(a, p, e)
		}
		return decide(p)
	}
	res, err := s.accept(ctx, d, e)
	return res.event, err
}

// accept makes a user's event durable, or finds what it repeats. A repeat that
// asks for something else is refused, and the first effect stands.
func (s *Service) accept(ctx context.Context, d draft, e chatbox.Event) (appended, error) {
	if e.Type == chatbox.TypeHelpRequest {
		d = s.helpDraft(ctx, d)
	}
	res, err := s.append(ctx, d)
	switch {
	case err != nil:
		return appended{}, err
	case !res.repeat:
		s.nameLater(ctx, res.event)
		if res.event.Alert != nil {
			s.Alerts.Raise(res.event)
		}
	case !res.event.SameRequest(e):
		return appended{}, otherMessage()
	}
	return res, nil
}

// check refuses what can be refused without the session's state. A model that
// is not offered any more refuses no repeat: the first effect stands.
func (s *Service) check(ctx context.Context, a chatbox.Actor, cmd chatbox.Command) error {
	if err := cmd.Validate(); err != nil {
		return err
	}
	if cmd.ModelID == "" || s.offers(cmd.ModelID) {
		return nil
	}
	err := error(chatbox.NotFound)
	if cmd.ID != "" && cmd.SessionID != "" {
		k, key := a.Session(cmd.SessionID), chatbox.ClientKey(a.UserID, cmd.ID)
		err = patiently(ctx, func() error { _, err := s.Messages.ByKey(ctx, k, key); return err })
	}
	if errors.Is(err, chatbox.NotFound) {
		return chatbox.Invalid("model_id", "is not one of the models offered")
	}
	return err
}

func (s *Service) offers(modelID string) bool {
	for _, m := range s.LLM.Models() {
		if m.ID == modelID {
			return true
		}
	}
	return false
}

func (s *Service) eventOf(a chatbox.Actor, cmd chatbox.Command) chatbox.Event {
	e := chatbox.Event{
		ID: cmd.ID, Named: cmd.ID != "", Type: cmd.Type, Sender: chatbox.SenderUser, UserID: a.UserID,
		Content: cmd.Content, ModelID: cmd.ModelID, FileID: cmd.FileID, FileURL: cmd.FileURL,
		Metadata: cmd.Metadata, Status: chatbox.StatusComplete,
	}
	e.Key = chatbox.ClientKey(a.UserID, cmd.ID)
	if !e.Named {
		e.ID = newID()
		e.Key = chatbox.ServerKey(e.ID)
	}
	return e
}

// postDraft is the append of a user's event: it may create the session, and it
// is decided anew wherever it lands.
func (s *Service) postDraft(a chatbox.Actor, k chatbox.SessionKey, e chatbox.Event) draft {
	return draft{
		session: k, key: e.Key, once: !e.Named, user: a.User(),
		create: func() chatbox.Session {
			t := s.now()
			name := ""
			if e.Type == chatbox.TypeUserMessage {
				name = chatbox.NameFrom(e.Content)
			}
			return chatbox.Session{Key: k, Owner: a.UserID, OwnerName: a.Name, Name: name, CreatedAt: t}
		},
		decide: func(p place) (chatbox.Event, error) {
			e := e
			switch {
			case p.owner == a.UserID:
				e.Metadata = withoutStaff(e.Metadata)
			case !a.Admin():
				return e, foreign()
			case p.state.Ended: // it is nobody's to hold any more
			default:
				return s.asHolder(a, p, e)
			}
			if p.state.Ended {
				return e, hasEnded()
			}
			e.Time = s.now()
			if e.Type == chatbox.TypeUserMessage && e.Sender == chatbox.SenderUser {
				// Also while a person holds the session: should the person
				// vanish, the last one is answered (State.AnswerableFrom).
				e.Turn = &chatbox.Turn{State: chatbox.TurnPending, Run: 1}
			}
			return e, nil
		},
	}
}

// asHolder makes the event one of the admin's who holds the session.
func (s *Service) asHolder(a chatbox.Actor, p place, e chatbox.Event) (chatbox.Event, error) {
	switch {
	case p.state.HolderID != a.UserID:
		return e, notHeld()
	case !maySayAsAdmin(e.Type):
		return e, &chatbox.Error{Code: chatbox.PermissionDenied, Field: "type", Message: "type: only the session's user may send this"}
	}
	e.Sender, e.Metadata, e.Time = chatbox.SenderAdmin, adminMetadata(e.Metadata, a), s.now()
	return e, nil
}

// maySayAsAdmin reports whether the type is something a holder contributes.
func maySayAsAdmin(t chatbox.Type) bool {
	return t == chatbox.TypeUserMessage || t == chatbox.TypeFileUpload || t == chatbox.TypeVoiceMessage
}

// nameLater names a session that was created by something else than what its
// user first said.
func (s *Service) nameLater(ctx context.Context, e chatbox.Event) {
	if e.Type != chatbox.TypeUserMessage || e.Seq == 1 || e.Seq > 3 {
		return
	}
	if err := s.Catalog.SetName(ctx, e.Session, chatbox.NameFrom(e.Content), true); err != nil {
		s.Logger.DebugContext(ctx, "session not named", "session", e.Session.ID, "error", err)
	}
}

// awaitOwn returns when the socket was sent its event; one that does not come
// back over the bus is read. The next frame of the socket is processed after.
func (s *Service) awaitOwn(ctx context.Context, c Socket, e chatbox.Event) {
	first, cancel := context.WithTimeout(ctx, ackPatience)
	sent := s.Acks.Await(first, c.ID(), e.Session, e.Seq)
	cancel()
	for !sent && ctx.Err() == nil {
		if _, ok := s.Seats.Attached(c.ID(), e.Session); !ok {
			return
		}
		s.behind.Add(e.Session)
		again, cancel := context.WithTimeout(ctx, ackPatience)
		sent = s.Acks.Await(again, c.ID(), e.Session, e.Seq)
		cancel()
	}
}
