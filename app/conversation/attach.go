package conversation

import (
	"context"
	"errors"
	"time"

	"chatbox"
)

// visit is how a socket comes to a session.
type visit struct {
	after    *int64 // replay what has a greater seq; nil: from the head
	announce bool   // end with resumed, also where nothing exists yet
	reserve  bool   // a free id is kept for the caller
	made     bool   // the id was made a moment ago: nobody has it
	watch    bool   // an admin wants to see it
	known    bool   // there must be such a session
	speaks   bool   // to say something in it: an admin may not once it has ended, or without holding it
	leaves   bool   // to hand it back: an admin may not without holding it
	// An admin_join: expect is the socket's own event, which the replay brings
	// as an ack; ack is one that it repeats.
	expect, ack *chatbox.Event
}

// Attach takes the socket to the session named when it connected; with after
// it also resumes.
func (s *Service) Attach(ctx context.Context, c Socket, sessionID string, after *int64) error {
	if err := s.efforts.admit(c.Actor().User(), time.Now()); err != nil {
		return err
	}
	return s.seat(ctx, c, sessionID, visit{after: after, announce: after != nil, reserve: true})
}

// Resume replays to the socket every durable event after seq and goes on live;
// an attached socket is told again what it asks for. A user who has more
// replayed than Config allows is refused with chatbox.RateLimited, which changes
// nothing.
func (s *Service) Resume(ctx context.Context, c Socket, sessionID string, seq int64) error {
	if sessionID == "" {
		if sessionID = s.Currents.Current(c.ID()); sessionID == "" {
			return chatbox.Missing("session_id")
		}
	}
	if seq < 0 {
		return chatbox.Invalid("seq", "must not be negative")
	}
	if err := s.efforts.admit(c.Actor().User(), time.Now()); err != nil {
		return err
	}
	return s.seat(ctx, c, sessionID, visit{after: &seq, announce: true, reserve: true})
}

// Leave takes the socket out of everything when it has ended.
func (s *Service) Leave(c Socket) {
	for _, k := range s.Seats.LeaveAll(c.ID()) {
		s.Bus.Unsubscribe(k)
	}
}

// seat subscribes first, then reads, then joins: what happens in between is
// heard or read, and told once.
func (s *Service) seat(ctx context.Context, c Socket, sessionID string, v visit) error {
	if !chatbox.ValidSessionID(sessionID) {
		return chatbox.BadSessionID()
	}
	k := c.Actor().Session(sessionID)
	fresh, err := s.Seats.Enter(c.ID(), k)
	if err != nil {
		return err
	}
	if v.expect != nil && v.expect.Named {
		s.Acks.Expect(c.ID(), k, v.expect.Key, true)
	}
	if err := s.subscribe(ctx, k, fresh); err != nil {
		s.Seats.Leave(c.ID(), k)
		return err
	}
	if err := s.join(ctx, c, k, v); err != nil {
		s.Seats.Leave(c.ID(), k)
		s.Bus.Unsubscribe(k)
		return err
	}
	if fresh {
		s.Currents.SetCurrent(c.ID(), sessionID)
		if as, speaks := s.Rights.Speaks(c.ID(), k); speaks && as == chatbox.SenderUser && !v.made {
			s.checkWatched(ctx, k)
		}
	}
	if v.ack != nil && v.ack.Named {
		s.Acks.AckDetached(c.ID(), *v.ack)
	}
	return nil
}

// subscribe counts the socket's interest in the session, where it is new.
func (s *Service) subscribe(ctx context.Context, k chatbox.SessionKey, fresh bool) error {
	if !fresh {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, s.cfg.AckWait)
	defer cancel()
	return patiently(ctx, func() error { return s.Bus.Subscribe(ctx, k) })
}

// join reads and joins, and reads on where more happened meanwhile. Only the
// reads are bounded: a replay takes as long as its client, and its socket
// bounds how slow that may be.
func (s *Service) join(ctx context.Context, c Socket, k chatbox.SessionKey, v visit) error {
	from := atHead
	if v.after != nil {
		from = *v.after
	}
	j := chatbox.Join{Announce: v.announce}
	if c.Old() && v.after == nil && !v.made {
		j.Shown = s.takeShown(ctx, c, k)
	}
	for range appendTries {
		var err error
		if j, err = s.replay(ctx, c, k, j, from, v); err != nil {
			return err
		}
		s.efforts.spend(c.Actor().User(), len(j.Events), time.Now())
		err = s.Seats.Join(ctx, c.ID(), k, j)
		if !errors.Is(err, chatbox.Clash) {
			return err
		}
		j.Continue = true
		from, _ = s.Seats.Attached(c.ID(), k)
	}
	return chatbox.Errorf(chatbox.Unavailable, "the session is too busy; try again", nil)
}

// replay reads what the socket is to be given from there.
func (s *Service) replay(ctx context.Context, c Socket, k chatbox.SessionKey, j chatbox.Join, from int64, v visit) (chatbox.Join, error) {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.AckWait)
	defer cancel()
	var tail chatbox.Tail
	err := patiently(ctx, func() (err error) {
		tail, j.As, err = s.readFor(ctx, c, k, from, v)
		if err != nil || tail.Owner == "" || from == atHead {
			return err
		}
		// Somebody was sent more than Redis has: perhaps it failed over and lost
		// the end, which the history has.
		if head := tail.State.Head; from > head || j.Continue && from == head {
			if err = s.heal(ctx, k); err == nil {
				tail, j.As, err = s.readFor(ctx, c, k, from, v)
			}
		}
		return err
	})
	if err != nil {
		return j, err
	}
	j.Owner = tail.Owner
	if tail.Owner != "" && v.after == nil {
		j.Announce = true // attaching to what exists always ends in resumed
	}
	if err := s.endShown(ctx, k, &j, tail.Open); err != nil {
		return j, err
	}
	return s.plan(ctx, k, c.Actor().User(), j, tail, from)
}

// plan decides what is replayed: everything after from, or nothing where that
// is too much or more than there is.
func (s *Service) plan(
	ctx context.Context, k chatbox.SessionKey, u chatbox.UserKey, j chatbox.Join, tail chatbox.Tail, from int64,
) (chatbox.Join, error) {
	head := tail.State.Head
	j.State, j.Open, j.Reads, j.Events = tail.State, tail.Open, tail.Reads, nil
	if !j.Continue {
		j.From, j.Recovered = head, true
		switch {
		case tail.Owner == "": // nothing exists: any place is its head
			return j, nil
		case from == atHead:
			return j, nil
		case from > head || head-from > s.cfg.ReplayMax:
			j.Recovered = false
			return j, nil
		}
		j.From = from
	}
	if whole(tail, from) {
		j.Events = tail.Events
		return j, nil
	}
	err := s.efforts.read(ctx, u, func() (err error) {
		j.Events, err = s.missing(ctx, k, from, tail)
		return err
	})
	return j, err
}

// missing completes a tail's events with older ones from the history, so that
// they begin at after+1.
func (s *Service) missing(ctx context.Context, k chatbox.SessionKey, after int64, tail chatbox.Tail) ([]chatbox.Event, error) {
	if whole(tail, after) {
		return tail.Events, nil
	}
	first := firstOf(tail)
	const page = 250
	var events []chatbox.Event
	for lo := after + 1; lo < first; lo += page {
		part, err := s.Messages.Range(ctx, k, lo, min(lo+page, first)-1)
		if err != nil {
			return nil, err
		}
		events = append(events, part...)
	}
	return append(events, tail.Events...), nil
}

// whole reports whether the tail has everything after a place.
func whole(tail chatbox.Tail, after int64) bool {
	return firstOf(tail) <= after+1 || after >= tail.State.Head
}

// firstOf is the place of the tail's oldest event.
func firstOf(tail chatbox.Tail) int64 {
	if len(tail.Events) == 0 {
		return tail.State.Head + 1
	}
	return tail.Events[0].Seq
}

// readFor reads a session for a socket, where the socket may see it. An id
// that is free is nobody's: an empty tail.
func (s *Service) readFor(
	ctx context.Context, c Socket, k chatbox.SessionKey, from int64, v visit,
) (chatbox.Tail, chatbox.Right, error) {
	if v.made {
		return chatbox.Tail{}, chatbox.ByOwnership, nil
	}
	tail, err := s.tail(ctx, k, from)
	if err != nil {
		return tail, 0, err
	}
	me := c.Actor().UserID
	switch {
	case tail.Owner == me:
		return tail, chatbox.ByOwnership, nil
	case tail.Owner != "":
		right, err := s.staffRight(ctx, c, k, tail.State, v)
		return tail, right, err
	case v.known:
		return tail, 0, unknownSession()
	case tail.ReservedBy != "" && tail.ReservedBy != me:
		return tail, 0, foreign()
	case !v.reserve:
		return tail, chatbox.ByOwnership, nil
	}
	holder, err := s.Registry.Reserve(ctx, k, me)
	if err == nil && holder != me {
		err = foreign()
	}
	return tail, chatbox.ByOwnership, err
}

// staffRight is by what right an admin hears somebody else's session. Watching
// goes before holding: it does not end with it.
func (s *Service) staffRight(
	ctx context.Context, c Socket, k chatbox.SessionKey, st chatbox.State, v visit,
) (chatbox.Right, error) {
	a := c.Actor()
	if !a.Staff() {
		return 0, foreign()
	}
	if v.watch {
		return chatbox.ByWatching, s.Watchers.Watch(ctx, k, a.UserID)
	}
	watches, err := s.Rights.Watching(c.ID(), k), error(nil)
	if !watches {
		watches, err = s.Watchers.Watches(ctx, k, a.UserID)
	}
	holds := st.HolderID == a.UserID && a.Admin()
	switch {
	case err != nil:
		return 0, err
	case v.speaks && !holds && st.Ended:
		return 0, hasEnded()
	case (v.speaks || v.leaves) && !holds:
		return 0, notHeld()
	case watches:
		return chatbox.ByWatching, nil
	case holds:
		return chatbox.ByHolding, nil
	default:
		return 0, foreign()
	}
}

// tail reads what is hot beyond a place; what Redis does not know is seeded
// from the history first.
func (s *Service) tail(ctx context.Context, k chatbox.SessionKey, from int64) (chatbox.Tail, error) {
	tail, err := s.Log.Read(ctx, k, from)
	switch {
	case err != nil:
		return tail, err
	case tail.Seeded && tail.State.Erased:
		return tail, errErased
	case tail.Seeded:
		return tail, nil
	}
	sess, err := s.truth(ctx, k)
	switch {
	case errors.Is(err, chatbox.NotFound):
		return tail, nil
	case err != nil:
		return tail, err
	case sess.Erased:
		tail.Owner, tail.State = sess.Owner, sess.State // what is left to tell
		return tail, errErased
	}
	if err := s.refill(ctx, sess); err != nil {
		return tail, err
	}
	return s.Log.Read(ctx, k, from)
}
