package live

import (
	"context"
	"errors"
	"time"

	"chatbox"
	"chatbox/app/sessionlog"
	"chatbox/cluster"
)

// joinTries bounds how often a join reads again because the session has moved
// on.
const joinTries = 8

// AttachOptions say why and from where a socket is attached to a session.
type AttachOptions struct {
	After     *int64 // replay the events with a greater seq; nil: none
	Announce  bool   // end with resumed, also where the session does not exist yet
	Reserve   bool   // keep a free id for the caller
	Created   bool   // the id was made a moment ago, so nobody has it
	Watch     bool   // a member of staff attaches to watch
	MustExist bool   // refuse an unknown session
	// Speaks is set for a frame that adds to the session. An admin may not add to
	// somebody else's session without holding it, nor to one that has ended.
	Speaks bool
	Leaves bool // a frame that hands the session back: only its holder may send it
	// Expect is the socket's own admin_join, which the replay brings as an ack.
	// Ack is an event that is acked to the socket when it is attached.
	Expect, Ack *chatbox.Event
}

// MayAttach returns chatbox.NotFound if the session is erased, or if it is another
// user's and the caller is not staff. A free session may be attached.
func (s *Service) MayAttach(ctx context.Context, a chatbox.Actor, sessionID string) error {
	if !chatbox.ValidSessionID(sessionID) {
		return chatbox.NoSuchSession()
	}
	ctx, cancel := s.log.Bound(ctx)
	defer cancel()
	sess, err := s.log.Load(ctx, a.Session(sessionID))
	switch {
	case errors.Is(err, chatbox.NotFound):
		return nil
	case err != nil:
		return err
	case sess.WasErased(), sess.Owner != a.UserID && !a.Staff():
		return chatbox.NoSuchSession()
	}
	return nil
}

// Attach attaches the socket to the session named at its connection. With
// after it also resumes.
func (s *Service) Attach(ctx context.Context, c Socket, sessionID string, after *int64) error {
	if err := s.Admit(c.Actor()); err != nil {
		return err
	}
	return s.AttachWith(ctx, c, sessionID, AttachOptions{After: after, Announce: after != nil, Reserve: true})
}

// Resume replays every durable event after seq to the socket and continues
// live. An attached socket may resume again. chatbox.RateLimited: the user has
// exceeded the replay budget of Config; nothing has changed.
func (s *Service) Resume(ctx context.Context, c Socket, sessionID string, seq int64) error {
	if sessionID = s.SessionOf(c, sessionID); sessionID == "" {
		return chatbox.Missing("session_id")
	}
	if seq < 0 {
		return chatbox.Invalid("seq", "must not be negative")
	}
	if err := s.Admit(c.Actor()); err != nil {
		return err
	}
	return s.AttachWith(ctx, c, sessionID, AttachOptions{After: &seq, Announce: true, Reserve: true})
}

// Leave detaches a socket that has ended from all sessions.
func (s *Service) Leave(c Socket) {
	for _, k := range s.deps.Attachments.LeaveAll(c.ID()) {
		s.deps.Bus.Unsubscribe(k)
	}
}

// AttachWith attaches the socket to the session. It subscribes, then reads,
// and then joins, so that an event in between is received or read, and sent
// once. chatbox.NotYours: the caller may not receive the session.
func (s *Service) AttachWith(ctx context.Context, c Socket, sessionID string, o AttachOptions) error {
	if !chatbox.ValidSessionID(sessionID) {
		return chatbox.BadSessionID()
	}
	k := c.Actor().Session(sessionID)
	fresh, err := s.deps.Attachments.Enter(c.ID(), k)
	if err != nil {
		return err
	}
	if o.Expect != nil && o.Expect.Named {
		s.deps.Acks.Expect(c.ID(), k, o.Expect.Key, true)
	}
	if err := s.subscribe(ctx, k, fresh); err != nil {
		s.deps.Attachments.Leave(c.ID(), k)
		return err
	}
	if err := s.join(ctx, c, k, o); err != nil {
		s.deps.Attachments.Leave(c.ID(), k)
		s.deps.Bus.Unsubscribe(k)
		return err
	}
	if fresh {
		s.deps.Currents.SetCurrent(c.ID(), sessionID)
		if as, speaks := s.deps.Rights.Speaks(c.ID(), k); speaks && as == chatbox.SenderUser && !o.Created {
			s.checkWatched(ctx, k)
		}
	}
	if o.Ack != nil && o.Ack.Named {
		s.deps.Acks.AckDetached(c.ID(), *o.Ack)
	}
	return nil
}

// subscribe adds the socket's interest in the session, if it is new.
func (s *Service) subscribe(ctx context.Context, k chatbox.SessionKey, fresh bool) error {
	if !fresh {
		return nil
	}
	ctx, cancel := s.log.Bound(ctx)
	defer cancel()
	return sessionlog.RetryTransient(ctx, func() error { return s.deps.Bus.Subscribe(ctx, k) })
}

// join reads and joins, and repeats both if more has happened meanwhile. Only
// the reads have a time limit: the replay's time depends on the client, and
// the socket limits that.
func (s *Service) join(ctx context.Context, c Socket, k chatbox.SessionKey, o AttachOptions) error {
	from := sessionlog.AtHead
	if o.After != nil {
		from = min(*o.After, sessionlog.AtHead-1) // a client's number is never the place that means the head
	}
	j := cluster.Join{Announce: o.Announce}
	if c.Old() && o.After == nil && !o.Created {
		j.Shown = s.takeShown(ctx, c, k)
	}
	for range joinTries {
		var err error
		if j, err = s.replay(ctx, c, k, j, from, o); err != nil {
			return err
		}
		s.efforts.spend(c.Actor().User(), len(j.Events), time.Now())
		err = s.deps.Attachments.Join(ctx, c.ID(), k, j)
		if !errors.Is(err, chatbox.Clash) {
			return err
		}
		j.Continue = true
		from, _ = s.deps.Attachments.Attached(c.ID(), k)
	}
	return sessionlog.TooBusy()
}

// replay reads the data for the join from the given seq.
func (s *Service) replay(ctx context.Context, c Socket, k chatbox.SessionKey, j cluster.Join, from int64, o AttachOptions) (cluster.Join, error) {
	ctx, cancel := s.log.Bound(ctx)
	defer cancel()
	var tail cluster.Tail
	err := sessionlog.RetryTransient(ctx, func() (err error) {
		tail, j.As, err = s.readFor(ctx, c, k, from, o)
		if err != nil || tail.Owner == "" || from == sessionlog.AtHead {
			return err
		}
		// The socket was sent more than Redis has: perhaps Redis failed over
		// and lost the end, which the history has.
		if head := tail.State.Head; from > head || j.Continue && from == head {
			if err = s.log.Heal(ctx, k); err == nil {
				tail, j.As, err = s.readFor(ctx, c, k, from, o)
			}
		}
		return err
	})
	if err != nil {
		return j, err
	}
	j.Owner = tail.Owner
	if tail.Owner != "" && o.After == nil {
		j.Announce = true // attaching to what exists always ends in resumed
	}
	if err := s.endShown(ctx, k, &j, tail.Open); err != nil {
		return j, err
	}
	return s.plan(ctx, k, c.Actor().User(), j, tail, from)
}

// plan selects the events to replay: everything after from, or nothing if that
// is too much or from is beyond the head.
func (s *Service) plan(
	ctx context.Context, k chatbox.SessionKey, u chatbox.UserKey, j cluster.Join, tail cluster.Tail, from int64,
) (cluster.Join, error) {
	head := tail.State.Head
	j.State, j.Open, j.Reads, j.Events = tail.State, tail.Open, tail.Reads, nil
	if !j.Continue {
		j.From, j.Recovered = head, true
		switch {
		case tail.Owner == "": // the session does not exist, so any seq is its head
			return j, nil
		case from == sessionlog.AtHead:
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
	err := s.efforts.read(ctx, u, func(ctx context.Context) (err error) {
		j.Events, err = s.missing(ctx, k, from, tail)
		return err
	})
	return j, err
}

// missing completes a tail's events with older ones from the history, so that
// they begin at after+1.
func (s *Service) missing(ctx context.Context, k chatbox.SessionKey, after int64, tail cluster.Tail) ([]chatbox.Event, error) {
	if whole(tail, after) {
		return tail.Events, nil
	}
	first := firstOf(tail)
	const page = 250
	var events []chatbox.Event
	for lo := after + 1; lo < first; lo += page {
		part, err := s.deps.Messages.Range(ctx, k, lo, min(lo+page, first)-1)
		if err != nil {
			return nil, err
		}
		events = append(events, part...)
	}
	return append(events, tail.Events...), nil
}

// whole reports whether the tail has every event after the given seq.
func whole(tail cluster.Tail, after int64) bool {
	return firstOf(tail) <= after+1 || after >= tail.State.Head
}

// firstOf returns the seq of the tail's oldest event.
func firstOf(tail cluster.Tail) int64 {
	if len(tail.Events) == 0 {
		return tail.State.Head + 1
	}
	return tail.Events[0].Seq
}

// readFor reads a session for a socket that may receive it. A free id gives an
// empty tail.
func (s *Service) readFor(
	ctx context.Context, c Socket, k chatbox.SessionKey, from int64, o AttachOptions,
) (cluster.Tail, cluster.Right, error) {
	if o.Created {
		return cluster.Tail{}, cluster.ByOwnership, nil
	}
	tail, err := s.log.Tail(ctx, k, from)
	if err != nil {
		return tail, 0, err
	}
	me := c.Actor().UserID
	switch {
	case tail.Owner == me:
		return tail, cluster.ByOwnership, nil
	case tail.Owner != "":
		right, err := s.staffRight(ctx, c, k, tail.State, o)
		return tail, right, err
	case o.MustExist:
		return tail, 0, chatbox.NoSuchSession()
	case tail.ReservedBy != "" && tail.ReservedBy != me:
		return tail, 0, chatbox.NotYourSession()
	case !o.Reserve:
		return tail, cluster.ByOwnership, nil
	}
	holder, err := s.deps.Registry.Reserve(ctx, k, me)
	if err == nil && holder != me {
		err = chatbox.NotYourSession()
	}
	return tail, cluster.ByOwnership, err
}

// staffRight returns the right by which an admin receives somebody else's
// session. Watching takes precedence over holding, since it does not end with
// the holding.
func (s *Service) staffRight(
	ctx context.Context, c Socket, k chatbox.SessionKey, st chatbox.State, o AttachOptions,
) (cluster.Right, error) {
	a := c.Actor()
	if !a.Staff() {
		return 0, chatbox.NotYourSession()
	}
	if o.Watch {
		return cluster.ByWatching, s.deps.Watchers.Watch(ctx, k, a.UserID)
	}
	watches, err := s.deps.Rights.Watching(c.ID(), k), error(nil)
	if !watches {
		watches, err = s.deps.Watchers.Watches(ctx, k, a.UserID)
	}
	holds := st.HolderID == a.UserID && a.Admin()
	switch {
	case err != nil:
		return 0, err
	case o.Speaks && !holds && st.Ended:
		return 0, chatbox.SessionEnded()
	case (o.Speaks || o.Leaves) && !holds:
		return 0, chatbox.NotHolder()
	case watches:
		return cluster.ByWatching, nil
	case holds:
		return cluster.ByHolding, nil
	default:
		return 0, chatbox.NotYourSession()
	}
}
