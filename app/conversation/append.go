package conversation

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"chatbox"
	"chatbox/internal/sleep"
)

// appendTries is how often an append whose place was taken decides again.
const appendTries = 8

// place is what an append decides on: the session as it is at its head.
type place struct {
	owner string
	fresh bool // the append itself has just created the session
	state chatbox.State
}

// draft is an append before it has a place.
type draft struct {
	session chatbox.SessionKey
	key     string
	// once says that the key was made for this append: nothing else can have it.
	once  bool
	user  chatbox.UserKey // whose limit counts it; zero: nobody's
	lease *chatbox.Lease  // refuse unless it is held
	// create makes the session where there is none; nil: it must exist.
	create func() chatbox.Session
	// decide makes the event for the place, or refuses. It runs again when the
	// place turns out to be taken: an event takes effect exactly where it was
	// decided, or not at all.
	decide func(p place) (chatbox.Event, error)
}

// appended is a durable event.
type appended struct {
	event  chatbox.Event
	repeat bool // it was there before
	shown  bool // this append published it, and gave back its lease with it
}

// append makes one event durable and visible. When it returns nil the event is
// in the history; whether it was published meanwhile or is left to a sweeper
// makes no difference to who reads on. A passing error means that the outcome
// is unknown and a repeat with the same key is safe.
func (s *Service) append(ctx context.Context, d draft) (appended, error) {
	leave, err := s.serial.enter(ctx, d.session)
	if err != nil {
		return appended{}, err
	}
	defer leave()
	defer s.serial.kept(d.session, nil)
	b := chatbox.Beginning{Session: d.session, Key: d.key, User: d.user, Nonce: newID(), Lease: d.lease}
	for try := range appendTries {
		var done *appended
		err := patiently(ctx, func() error {
			var err error
			done, err = s.tryAppend(ctx, &d, b)
			s.serial.kept(d.session, err)
			return err
		})
		if err != nil {
			return appended{}, err
		}
		if done != nil {
			return *done, nil
		}
		// Pods that race for one session's places step aside for longer each
		// time: 5 ms at first, 640 ms before the last try.
		sleep.For(ctx, time.Millisecond+rand.N(5*time.Millisecond<<try)) //nolint:gosec // jitter needs no secrecy
	}
	return appended{}, chatbox.Errorf(chatbox.Unavailable, "the session is too busy; try again", nil)
}

// tryAppend is one attempt; nil and no error: the place was taken, again.
func (s *Service) tryAppend(ctx context.Context, d *draft, b chatbox.Beginning) (*appended, error) {
	begun, err := s.Log.Begin(ctx, b)
	if err != nil {
		return nil, err
	}
	if begun.Repeat != nil {
		return &appended{event: *begun.Repeat, repeat: true}, nil
	}
	if begun.RetryAfter > 0 {
		return s.refused(ctx, d, b, begun, &chatbox.Error{
			Code: chatbox.RateLimited, Message: "too many messages; wait a moment", RetryAfter: begun.RetryAfter,
			Refusal: chatbox.RefusedRate,
		})
	}
	at, err := s.place(ctx, d, begun)
	if err != nil {
		return s.refused(ctx, d, b, begun, err)
	}
	e, err := d.decide(at)
	if err != nil {
		return s.refused(ctx, d, b, begun, err)
	}
	e.Session, e.Key, e.Seq, e.Owner = d.session, d.key, at.state.Head+1, at.owner
	switch err := s.Messages.Append(ctx, e); {
	case errors.Is(err, chatbox.Clash):
		return s.clashed(ctx, d, b, begun)
	case err != nil:
		d.once = false
		return nil, err // unknown: the next attempt finds it by its key
	}
	pub := chatbox.Publication{
		Event: e, State: at.state.Apply(e), Fresh: at.fresh || at.state.Head == 0, Lease: d.lease, Intent: begun.Intent,
	}
	return &appended{event: e, shown: s.finishAppend(ctx, pub)}, nil
}

// finishAppend makes a durable event visible and its fold stored. Neither can
// undo it: what fails is counted, and found by intents, sweeps and later
// appends.
func (s *Service) finishAppend(ctx context.Context, pub chatbox.Publication) (shown bool) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.cfg.AckWait)
	defer cancel()
	// Who holds a session, waits in it or has ended it is looked for by its record
	// alone, and perhaps nothing follows that would bring that along: it is stored
	// while the intent stands, or the intent stays, so that a sweeper does it for
	// a pod that dies.
	first := staffLooksFor(pub.Event.Type)
	if first && !s.keepFold(ctx, pub) {
		pub.Intent = ""
	}
	shown, err := s.show(ctx, pub, true)
	if err != nil {
		s.Observer.PublishFailed()
		s.Logger.DebugContext(ctx, "published by a sweeper", "session", pub.Event.Session.ID, "seq", pub.Event.Seq, "error", err)
	}
	if t := pub.Event.Turn; t != nil && t.State == chatbox.TurnPending && pub.State.HolderID == "" {
		s.due.Add(pub.Event.Session)
	}
	if !first {
		s.keepFold(ctx, pub)
	}
	s.askRating(ctx, pub)
	return shown
}

// keepFold has the session's record say what its log says, later where it cannot
// now.
func (s *Service) keepFold(ctx context.Context, pub chatbox.Publication) (kept bool) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	if err := s.Catalog.Touch(ctx, pub.Event.Session, pub.State); err != nil {
		s.Logger.DebugContext(ctx, "fold not stored", "session", pub.Event.Session.ID, "error", err)
		s.stale.Add(pub.Event.Session)
		return false
	}
	return true
}

// staffLooksFor reports whether events of the type change what sessions are
// looked for by.
func staffLooksFor(t chatbox.Type) bool {
	switch t {
	case chatbox.TypeAdminJoin, chatbox.TypeAdminLeave, chatbox.TypeHelpRequest, chatbox.TypeSessionEnded:
		return true
	default:
		return false
	}
}

// place finds the session's state where Redis has it, else in the history.
func (s *Service) place(ctx context.Context, d *draft, b chatbox.Begun) (place, error) {
	switch {
	case b.Seeded && b.State.Erased:
		return place{}, errErased
	case b.Seeded:
		return place{owner: b.Owner, state: b.State}, nil
	}
	if d.create == nil {
		sess, err := s.seed(ctx, d.session)
		return place{owner: sess.Owner, state: sess.State}, err
	}
	want := d.create()
	if b.ReservedBy != "" && b.ReservedBy != want.Owner {
		return place{}, foreign()
	}
	sess, created, err := s.Catalog.Create(ctx, want)
	if err != nil {
		return place{}, err
	}
	if created {
		return place{owner: sess.Owner, state: sess.State, fresh: true}, nil
	}
	if sess.Erased {
		return place{}, errErased
	}
	if sess, err = s.foldRest(ctx, sess); err != nil {
		return place{}, err
	}
	return place{owner: sess.Owner, state: sess.State}, s.refill(ctx, sess)
}

// refused answers a refusal, unless the frame turns out to be a repeat:
// repeats are answered before anything else is judged. It reads only where there
// can be one, so that a flood of refused frames is no flood of reads.
func (s *Service) refused(ctx context.Context, d *draft, b chatbox.Beginning, begun chatbox.Begun, why error) (*appended, error) {
	if passing(why) {
		return nil, why
	}
	e, err := chatbox.Event{}, error(chatbox.NotFound)
	if !d.once && !errors.Is(why, errErased) { // or it would find what a sweep is about to remove
		e, err = s.Messages.ByKey(ctx, d.session, d.key)
	}
	if err != nil && !errors.Is(err, chatbox.NotFound) {
		return nil, err
	}
	if abandon := s.Log.Abandon(ctx, b, begun.Intent); abandon != nil {
		s.Logger.DebugContext(ctx, "intent left to age", "error", abandon)
	}
	if err == nil {
		return &appended{event: e, repeat: true}, nil
	}
	return nil, why
}

// clashed finds out what a taken place or key means: a repeat, or a head that
// was stale, which is healed before the append decides again.
func (s *Service) clashed(ctx context.Context, d *draft, b chatbox.Beginning, begun chatbox.Begun) (*appended, error) {
	e, err := s.Messages.ByKey(ctx, d.session, d.key)
	if err != nil && !errors.Is(err, chatbox.NotFound) {
		return nil, err
	}
	found := err == nil
	if e.Seq > begun.State.Head || !found {
		if err := s.heal(ctx, d.session); err != nil {
			return nil, err
		}
	}
	if !found {
		b.User = chatbox.UserKey{} // it stays counted: it decides again
	}
	if aerr := s.Log.Abandon(ctx, b, begun.Intent); aerr != nil {
		s.Logger.DebugContext(ctx, "intent left to age", "error", aerr)
	}
	if found {
		return &appended{event: e, repeat: true}, nil
	}
	return nil, nil //nolint:nilnil // the place was taken: decide again
}

// show publishes an event, and first whatever is missing before it. patient:
// it keeps trying while ctx lasts. shown is false where somebody else did it.
func (s *Service) show(ctx context.Context, p chatbox.Publication, patient bool) (shown bool, err error) {
	for range appendTries {
		var res chatbox.Published
		publish := func() (err error) { res, err = s.Log.Publish(ctx, p); return err }
		var err error
		if patient {
			err = patiently(ctx, publish)
		} else {
			err = publish()
		}
		if err != nil {
			return false, err
		}
		switch res.Outcome {
		case chatbox.OutcomeDone, chatbox.OutcomeAlready:
			return res.Outcome == chatbox.OutcomeDone, nil
		case chatbox.OutcomeDiverged:
			p.Supersede = max(p.Event.Answer.Attempt, res.Attempt, p.Supersede) + 1
			continue
		case chatbox.OutcomeUnseeded:
			_, err = s.seed(ctx, p.Event.Session)
		case chatbox.OutcomeGap:
			if !patient {
				return false, nil // another healer, or a Redis that lost its tail meanwhile; the next one begins anew
			}
			err = s.heal(ctx, p.Event.Session)
		}
		if err != nil {
			return false, err
		}
	}
	return false, chatbox.Errorf(chatbox.Unavailable, "the session is too busy", nil)
}

func foreign() error {
	return &chatbox.Error{Code: chatbox.NotYours, Field: "session_id", Message: "session_id: this session is not yours"}
}
