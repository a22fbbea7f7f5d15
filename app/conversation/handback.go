package conversation

import (
	"cmp"
	"context"

	"chatbox"
	"chatbox/app/live"
	"chatbox/app/sessionlog"
	"chatbox/helpdesk"
)

// HandBack hands the session back to the model, which answers from the next
// user message on. chatbox.PermissionDenied: the admin does not hold the
// session.
func (s *Service) HandBack(ctx context.Context, a chatbox.Actor, sessionID string) error {
	ctx, cancel := s.log.Bound(ctx)
	defer cancel()
	k, err := s.staffed(ctx, a, sessionID, chatbox.AuditSessionLeave)
	if err != nil {
		return err
	}
	_, err = s.handBack(ctx, k, staffEvent(a, "", chatbox.TypeAdminLeave))
	return err
}

// LeaveSession is HandBack from a socket, which it detaches.
func (s *Service) LeaveSession(ctx context.Context, c live.Socket, id, sessionID string) error {
	ctx, cancel := s.log.Bound(ctx)
	defer cancel()
	k, err := s.staffed(ctx, c.Actor(), s.live.SessionOf(c, sessionID), chatbox.AuditSessionLeave)
	if err != nil {
		return err
	}
	e := staffEvent(c.Actor(), id, chatbox.TypeAdminLeave)
	if done, err := s.repeated(ctx, c, k, e); done || err != nil {
		return err
	}
	if _, attached := s.deps.Attachments.Attached(c.ID(), k); !attached {
		if err := s.live.AttachWith(ctx, c, k.ID, live.AttachOptions{MustExist: true, Leaves: true}); err != nil {
			return err
		}
	}
	if e.Named {
		s.deps.Acks.Expect(c.ID(), k, e.Key, true)
	}
	res, err := s.handBack(ctx, k, e)
	if err != nil {
		if !chatbox.IsTransient(err) {
			s.deps.Acks.Forget(c.ID(), k, e.Key)
		}
		return err
	}
	s.live.AwaitOwn(ctx, c, res.Event)
	s.live.Dismiss(ctx, c, k)
	return nil
}

func (s *Service) handBack(ctx context.Context, k chatbox.SessionKey, e chatbox.Event) (sessionlog.Appended, error) {
	return s.append(ctx, sessionlog.Draft{Session: k, Key: e.Key, FreshKey: !e.Named, Decide: func(b sessionlog.Basis) (chatbox.Event, error) {
		if b.State.HolderID != e.Metadata[chatbox.MetaAdminID] {
			return e, chatbox.NotHolder()
		}
		e.Time = s.log.Now()
		return e, nil
	}})
}

// Transfer gives the session that the admin holds to another connected admin.
// If the new holder disconnects, the grace time begins. name is used if the
// new holder's credential has none.
func (s *Service) Transfer(ctx context.Context, a chatbox.Actor, sessionID, to, name string) error {
	ctx, cancel := s.log.Bound(ctx)
	defer cancel()
	if to == a.UserID || !chatbox.ValidUserID(to) {
		return chatbox.Invalid("admin_id", "must name a colleague")
	}
	k, err := s.staffed(ctx, a, sessionID, chatbox.AuditSessionTransfer)
	if err != nil {
		return err
	}
	colleague, err := s.colleague(ctx, k.Tenant, to)
	if err != nil {
		return err
	}
	colleague.Name = cmp.Or(colleague.Name, name)
	e := staffEvent(colleague, "", chatbox.TypeAdminJoin)
	e.UserID = a.UserID
	done, err := s.append(ctx, sessionlog.Draft{Session: k, Key: e.Key, FreshKey: !e.Named, Decide: func(b sessionlog.Basis) (chatbox.Event, error) {
		if b.State.HolderID != a.UserID {
			return e, chatbox.NotHolder()
		}
		e.Time = s.log.Now()
		return e, nil
	}})
	if err != nil {
		return err
	}
	s.notifyStaff(ctx, helpdesk.Notice{
		Tenant: k.Tenant, Event: helpdesk.NoticeTransferred, SessionID: k.ID, UserID: done.Event.Owner, Time: done.Event.Time,
		AdminID: a.UserID, To: to,
	})
	return nil
}

// colleague returns an admin of the tenant who is connected to any pod.
func (s *Service) colleague(ctx context.Context, tenant, id string) (chatbox.Actor, error) {
	staff, err := s.deps.Colleagues.Staff(ctx, tenant)
	if err != nil {
		return chatbox.Actor{}, err
	}
	for _, m := range staff {
		if m.User.ID == id {
			return chatbox.Actor{Tenant: tenant, UserID: id, Name: m.Name}, nil
		}
	}
	return chatbox.Actor{}, &chatbox.Error{
		Code: chatbox.NotFound, Field: chatbox.MetaAdminID, Message: "admin_id: no admin of that name is connected",
	}
}
