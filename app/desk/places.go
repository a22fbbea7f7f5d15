package desk

import (
	"context"
	"time"

	"chatbox"
	"chatbox/internal/sleep"
)

// Line is this pod's sockets of sessions that wait for a person.
type QueueSockets interface {
	// Waiting is the waiting sessions with sockets of their owners here, by
	// tenant; with untold only those of tenants where one of these sockets has
	// come since the last call.
	Waiting(untold bool) map[string][]chatbox.SessionKey
	// WaitingChanged is given something when such a socket has come.
	WaitingChanged() <-chan struct{}
	// TellPlace tells the owner's sockets where the session stands, each only
	// what it was not told last.
	TellPlace(k chatbox.SessionKey, p chatbox.QueuePosition)
	// PlaceTold says that the socket is told the place in another way.
	PlaceTold(c chatbox.ConnID, k chatbox.SessionKey, p chatbox.QueuePosition)
}

const (
	placesEvery = 3 * time.Second
	// placesPause gathers sockets that come together, and lets the fold that
	// says that a session waits be stored.
	placesPause    = 250 * time.Millisecond
	placesPatience = 2 * time.Second
	// queueLife: what REST says of the queue is not older.
	queueLife = time.Second
)

// line is a tenant's queue as it was read.
type queueView struct {
	first []chatbox.Waiting // in order, up to MaxPlaces
	total int64
}

func (s *Service) readQueue(ctx context.Context, tenant string) (queueView, error) {
	first, total, err := s.Queue.Queue(ctx, tenant, chatbox.MaxPlaces)
	return queueView{first, total}, err
}

// place is where somebody who waits stands, whether or not the line has them
// yet.
func (l queueView) place(w chatbox.Waiting) chatbox.QueuePosition {
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
		return chatbox.QueuePosition{Position: chatbox.MaxPlaces, Beyond: true, Waiting: int(l.total)}
	}
	if !listed {
		l.total++
	}
	return chatbox.QueuePosition{Position: before + 1, Waiting: int(l.total)}
}

// TellPlaces tells users who wait for a person where they stand, whenever that
// has changed, until ctx ends. A look costs one query per tenant that has such
// users here, however many they are; sockets that have just come are told
// without waiting for the next look. Started and waited for by the App.
func (s *Service) TellPlaces(ctx context.Context) {
	t := time.NewTicker(placesEvery)
	defer t.Stop()
	for {
		untold := false
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		case <-s.QueueSockets.WaitingChanged():
			if untold = true; !sleep.For(ctx, placesPause) {
				return
			}
		}
		for tenant, keys := range s.QueueSockets.Waiting(untold) {
			if err := s.tellTenant(ctx, tenant, keys); err != nil {
				s.Logger.DebugContext(ctx, "places in the queue not told", "error", err)
				break // the store is away: the others are told with the next look
			}
		}
	}
}

// tellTenant tells the sessions of one tenant. One that the queue does not have
// is not told: it was just come to, or its fold is not stored yet.
func (s *Service) tellTenant(ctx context.Context, tenant string, keys []chatbox.SessionKey) error {
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
			s.QueueSockets.TellPlace(k, chatbox.QueuePosition{Position: position, Waiting: int(l.total)})
		case l.total > int64(len(l.first)):
			s.QueueSockets.TellPlace(k, chatbox.QueuePosition{Position: chatbox.MaxPlaces, Beyond: true, Waiting: int(l.total)})
		}
	}
	return nil
}

// HelpOf is what the owner of a session is told of their asking for help.
func (s *Service) HelpOf(ctx context.Context, a chatbox.Actor, id string) (chatbox.HelpInfo, error) {
	sess, err := s.Owned(ctx, a, id)
	if err != nil {
		return chatbox.HelpInfo{}, err
	}
	info := helpOf(sess)
	if info.Availability, err = s.available(ctx, a.Tenant); err != nil {
		return info, err
	}
	if w, waits := sess.Waiting(); waits {
		l, err := s.lines.get(ctx, a.Tenant)
		if err != nil {
			return info, err
		}
		p := l.value.place(w)
		info.Place = &p
	}
	return info, nil
}

func helpOf(sess chatbox.Session) chatbox.HelpInfo {
	return chatbox.HelpInfo{
		SessionID: sess.Key.ID, Requested: sess.State.HelpRequested, Pending: sess.State.HelpPending, Since: sess.State.WaitingSince,
	}
}

// HelpAsked is HelpOf for a request that was just accepted, and is to be told
// to the socket that made it: it takes no longer than a moment, and what cannot
// be found out by then is left out.
func (s *Service) HelpAsked(ctx context.Context, conn chatbox.ConnID, a chatbox.Actor, id string) chatbox.HelpInfo {
	ctx, cancel := context.WithTimeout(ctx, placesPatience)
	defer cancel()
	info := chatbox.HelpInfo{SessionID: id, Requested: true}
	sess, err := s.Owned(ctx, a, id)
	if err == nil {
		info = helpOf(sess)
		if w, waits := sess.Waiting(); waits {
			var l *reading[queueView]
			if l, err = s.lines.now(ctx, a.Tenant); err == nil {
				p := l.value.place(w)
				info.Place = &p
				s.QueueSockets.PlaceTold(conn, sess.Key, p)
			}
		}
	}
	now, nerr := s.available(ctx, a.Tenant)
	info.Availability = now
	if err != nil || nerr != nil {
		s.Logger.DebugContext(ctx, "help confirmed without all that there is to say", "error", err, "availability", nerr)
	}
	return info
}
