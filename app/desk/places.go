package desk

import (
	"context"
	"log/slog"
	"time"

	"chatbox"
	"chatbox/helpdesk"
	"chatbox/internal/sleep"
)

// QueueSockets are this pod's sockets of owners whose sessions wait for a person.
type QueueSockets interface {
	// Waiting returns the waiting sessions whose owners have sockets on this pod,
	// by tenant. With unsent it returns only the tenants with a new such socket
	// since the last call.
	Waiting(unsent bool) map[string][]chatbox.SessionKey
	// WaitingChanged is signalled when such a socket is added.
	WaitingChanged() <-chan struct{}
	// SendPosition sends the session's place to those of the owner's sockets that
	// were last sent a different one.
	SendPosition(k chatbox.SessionKey, p helpdesk.QueuePosition)
	// PositionSent records that the socket learns of the place in another way.
	PositionSent(c chatbox.ConnID, k chatbox.SessionKey, p helpdesk.QueuePosition)
}

const (
	placesEvery = 3 * time.Second
	// placesPause batches sockets that connect together.
	placesPause    = 250 * time.Millisecond
	placesPatience = 2 * time.Second
	// queueLife is the maximum age of the queue that REST responses show.
	queueLife = time.Second
)

// HelpDeps are the ports of Help; all are required.
type HelpDeps struct {
	Support       *Support // knows the tenants' hours
	StaffPresence StaffPresence
	Queue         Queue
	QueueSockets  QueueSockets
	// Owned returns the caller's session as of its last event. Another user's
	// session is chatbox.NotFound, like an unknown one.
	Owned  func(ctx context.Context, a chatbox.Actor, sessionID string) (chatbox.Session, error)
	Logger *slog.Logger
}

// Help tells users whether the team is there and where they are in the queue. It
// is safe for concurrent use.
type Help struct {
	HelpDeps

	lines *recent[queueView]
}

// NewHelp returns a Help. It starts nothing.
func NewHelp(d HelpDeps) *Help {
	s := &Help{HelpDeps: d}
	s.lines = newRecent(queueLife, 0, s.readQueue)
	return s
}

// queueView is a tenant's queue as it was read.
type queueView struct {
	first []helpdesk.Waiting // in order, up to MaxPlaces
	total int64
}

func (s *Help) readQueue(ctx context.Context, tenant string) (queueView, error) {
	first, total, err := s.Queue.Queue(ctx, tenant, helpdesk.MaxPlaces)
	return queueView{first, total}, err
}

// place returns the place of a waiting session, even if the queue that was read
// does not contain it yet.
func (l queueView) place(w helpdesk.Waiting) helpdesk.QueuePosition {
	before, listed := 0, false
	for _, o := range l.first {
		if o.Session == w.Session {
			listed = true
			break
		}
		if o.Compare(w) > 0 {
			break
		}
		before++
	}
	if before == len(l.first) && l.total > int64(len(l.first)) {
		return helpdesk.QueuePosition{Position: helpdesk.MaxPlaces, Beyond: true, Waiting: int(l.total)}
	}
	if !listed {
		l.total++
	}
	return helpdesk.QueuePosition{Position: before + 1, Waiting: int(l.total)}
}

// SendPositions sends waiting users their place in the queue whenever it changes,
// until ctx ends. Each round costs one query per tenant with waiting users on
// this pod, however many users there are. Users who connect are sent their place
// before the next round. The App starts it and waits for it.
func (s *Help) SendPositions(ctx context.Context) {
	t := time.NewTicker(placesEvery)
	defer t.Stop()
	for {
		unsent := false
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		case <-s.QueueSockets.WaitingChanged():
			if unsent = true; !sleep.For(ctx, placesPause) {
				return
			}
		}
		for tenant, keys := range s.QueueSockets.Waiting(unsent) {
			if err := s.sendPositions(ctx, tenant, keys); err != nil {
				s.Logger.DebugContext(ctx, "places in the queue not sent", "error", err)
				break // the store is unavailable; the others are handled in the next round
			}
		}
	}
}

// sendPositions sends the places of one tenant's sessions. It skips a session that
// is not in the queue: it was just taken over, or its record could not be written.
func (s *Help) sendPositions(ctx context.Context, tenant string, keys []chatbox.SessionKey) error {
	ctx, cancel := context.WithTimeout(ctx, placesPatience)
	defer cancel()
	r, err := s.lines.now(ctx, tenant)
	if err != nil {
		return err
	}
	l := r.value
	at := make(map[chatbox.SessionKey]int, len(l.first))
	for i, w := range l.first {
		at[w.Session] = i + 1
	}
	for _, k := range keys {
		switch position, listed := at[k]; {
		case listed:
			s.QueueSockets.SendPosition(k, helpdesk.QueuePosition{Position: position, Waiting: int(l.total)})
		case l.total > int64(len(l.first)):
			s.QueueSockets.SendPosition(k, helpdesk.QueuePosition{Position: helpdesk.MaxPlaces, Beyond: true, Waiting: int(l.total)})
		}
	}
	return nil
}

// HelpOf returns the state of the help request in the caller's session.
func (s *Help) HelpOf(ctx context.Context, a chatbox.Actor, id string) (helpdesk.HelpInfo, error) {
	sess, err := s.Owned(ctx, a, id)
	if err != nil {
		return helpdesk.HelpInfo{}, err
	}
	info := helpOf(sess)
	if info.Availability, err = s.available(ctx, a.Tenant); err != nil {
		return info, err
	}
	if w, waits := helpdesk.WaitingOf(sess); waits {
		l, err := s.lines.get(ctx, a.Tenant)
		if err != nil {
			return info, err
		}
		p := l.value.place(w)
		info.Place = &p
	}
	return info, nil
}

func helpOf(sess chatbox.Session) helpdesk.HelpInfo {
	return helpdesk.HelpInfo{
		SessionID: sess.Key.ID, Requested: sess.State.HelpRequested, Pending: sess.State.HelpPending, Since: sess.State.WaitingSince,
	}
}

// HelpAsked is HelpOf for a request that was just accepted, for the confirmation
// to the requesting socket. It takes a bounded time and omits what it cannot find
// out by then.
func (s *Help) HelpAsked(ctx context.Context, conn chatbox.ConnID, a chatbox.Actor, id string) helpdesk.HelpInfo {
	ctx, cancel := context.WithTimeout(ctx, placesPatience)
	defer cancel()
	info := helpdesk.HelpInfo{SessionID: id, Requested: true}
	sess, err := s.Owned(ctx, a, id)
	if err == nil {
		info = helpOf(sess)
		if w, waits := helpdesk.WaitingOf(sess); waits {
			var l *reading[queueView]
			if l, err = s.lines.now(ctx, a.Tenant); err == nil {
				p := l.value.place(w)
				info.Place = &p
				s.QueueSockets.PositionSent(conn, sess.Key, p)
			}
		}
	}
	now, nerr := s.available(ctx, a.Tenant)
	info.Availability = now
	if err != nil || nerr != nil {
		s.Logger.DebugContext(ctx, "help confirmed with partial information", "error", err, "availability", nerr)
	}
	return info
}

// available reports whether the tenant's team is available. Outside the hours it
// does not look for connected staff.
func (s *Help) available(ctx context.Context, tenant string) (helpdesk.Availability, error) {
	r, err := s.Support.settings.get(ctx, tenant)
	if err != nil {
		return helpdesk.Availability{}, err
	}
	set := r.value
	open, until := set.hours.At(time.Now())
	if !open {
		return helpdesk.Availability{Reason: helpdesk.ReasonClosed, Message: set.AwayMessage, OpensAt: until}, nil
	}
	staff, err := s.StaffPresence.Staff(ctx, tenant)
	if err != nil {
		return helpdesk.Availability{}, err
	}
	for _, m := range staff {
		if m.Status == helpdesk.StaffAvailable {
			return helpdesk.Availability{Reason: helpdesk.ReasonOpen}, nil
		}
	}
	return helpdesk.Availability{Reason: helpdesk.ReasonNobody, Message: set.AwayMessage}, nil
}

// SupportNow returns whether the team of the caller's tenant is available, and
// how many users wait.
func (s *Help) SupportNow(ctx context.Context, a chatbox.Actor) (helpdesk.Availability, int64, error) {
	now, err := s.available(ctx, a.Tenant)
	if err != nil {
		return now, 0, err
	}
	l, err := s.lines.get(ctx, a.Tenant)
	if err != nil {
		return now, 0, err
	}
	return now, l.value.total, nil
}
