package sessionlog

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"chatbox"
	"chatbox/cluster"
	"chatbox/internal/sleep"
)

// appendTries is how often an append whose place was taken decides again.
const appendTries = 8

// Basis is what an append decides on: the session as of its latest event.
type Basis struct {
	Owner   string
	Created bool // this append has just created the session
	State   chatbox.State
}

// Draft is an event that has no place in its session's log yet.
type Draft struct {
	Session chatbox.SessionKey
	Key     string // unique in the session; a second append with the key is a repeat
	// FreshKey says that the key was made for this append, so that no earlier
	// event can have it.
	FreshKey bool
	User     chatbox.UserKey // whose rate limit counts the append; zero: no limit
	Lease    *cluster.Lease  // refuse the append unless this lease is held; nil: no lease is needed
	// Create returns the session to create where there is none; nil refuses an
	// append to an unknown session.
	Create func() chatbox.Session
	// Decide makes the event for the basis, or refuses. It runs again when
	// another event has taken the place: an event takes effect exactly where it
	// was decided, or not at all.
	Decide func(b Basis) (chatbox.Event, error)
	// Prepare completes the decided event before it is stored, or refuses. Like
	// Decide it may run again, so what it writes must be safe to repeat. nil: the
	// event is complete.
	Prepare func(ctx context.Context, e *chatbox.Event) error
}

// Appended is a durable event.
type Appended struct {
	Event     chatbox.Event
	State     chatbox.State // after the event; unknown for a repeat
	Repeat    bool          // an earlier append had stored the event
	Published bool          // this append published the event, and returned its lease with it
}

// Append stores one event and publishes it. When it returns nil the event is in
// the history; a publication that failed is repeated by a sweeper. After a
// transient error (chatbox.IsTransient) the outcome is unknown, and a repeat with
// the same key is safe. Appends to one session run one after another on this
// pod, in the order of arrival. It waits as long as ctx allows.
func (l *Log) Append(ctx context.Context, d Draft) (Appended, error) {
	leave, err := l.serial.enter(ctx, d.Session)
	if err != nil {
		return Appended{}, err
	}
	defer leave()
	defer l.serial.kept(d.Session, nil)
	b := cluster.Beginning{Session: d.Session, Key: d.Key, User: d.User, Nonce: NewID(), Lease: d.Lease}
	for try := range appendTries {
		var done *Appended
		err := RetryTransient(ctx, func() error {
			var err error
			done, err = l.tryAppend(ctx, &d, b)
			l.serial.kept(d.Session, err)
			return err
		})
		if err != nil {
			return Appended{}, err
		}
		if done != nil {
			return *done, nil
		}
		// Pods that race for one session's places step aside for longer each
		// time: 5 ms at first, 640 ms before the last try.
		sleep.For(ctx, time.Millisecond+rand.N(5*time.Millisecond<<try)) //nolint:gosec // jitter needs no secrecy
	}
	return Appended{}, TooBusy()
}

// tryAppend is one attempt. It returns nil without an error where another event
// has taken the place: the caller decides again.
func (l *Log) tryAppend(ctx context.Context, d *Draft, b cluster.Beginning) (*Appended, error) {
	begun, err := l.deps.Hot.Begin(ctx, b)
	if err != nil {
		return nil, err
	}
	if begun.Repeat != nil {
		return &Appended{Event: *begun.Repeat, Repeat: true}, nil
	}
	if begun.RetryAfter > 0 {
		return l.refused(ctx, d, b, begun, &chatbox.Error{
			Code: chatbox.RateLimited, Message: "too many messages; wait a moment", RetryAfter: begun.RetryAfter,
			Refusal: chatbox.RefusedRate,
		})
	}
	basis, err := l.basis(ctx, d, begun)
	if err != nil {
		return l.refused(ctx, d, b, begun, err)
	}
	e, err := d.Decide(basis)
	if err == nil && d.Prepare != nil {
		err = d.Prepare(ctx, &e)
	}
	if err != nil {
		return l.refused(ctx, d, b, begun, err)
	}
	e.Session, e.Key, e.Seq, e.Owner = d.Session, d.Key, basis.State.Head+1, basis.Owner
	switch err := l.deps.Messages.Append(ctx, e); {
	case errors.Is(err, chatbox.Clash):
		return l.clashed(ctx, d, b, begun)
	case err != nil:
		d.FreshKey = false
		return nil, err // the outcome is unknown: the next attempt finds the event by its key
	}
	pub := cluster.Publication{
		Event: e, State: basis.State.Apply(e), Fresh: basis.Created || basis.State.Head == 0, Lease: d.Lease, Intent: begun.Intent,
	}
	return &Appended{Event: e, State: pub.State, Published: l.publish(ctx, pub)}, nil
}

// publish makes a durable event visible, and stores the state after it or
// schedules that. A failure of either does not undo the event: it is counted, and
// an intent, a sweep or a later append repairs it.
func (l *Log) publish(ctx context.Context, pub cluster.Publication) (published bool) {
	ctx, cancel := l.Bound(context.WithoutCancel(ctx))
	defer cancel()
	// Staff lists find sessions by their records, and perhaps no later event updates
	// this record. So its state is stored before the intent is removed. If
	// storing fails or the pod dies, the intent stays and a sweep stores the
	// state.
	first := staffLooksFor(pub.Event.Type)
	if first && !l.saveState(ctx, pub) {
		pub.Intent = ""
	}
	pub.Keep = !first
	published, err := l.show(ctx, pub, true)
	if err != nil {
		l.deps.Observer.PublishFailed()
		l.deps.Logger.DebugContext(ctx, "publication left to a sweeper", "session", pub.Event.Session.ID, "seq", pub.Event.Seq, "error", err)
	}
	if t := pub.Event.Turn; t != nil && t.State == chatbox.TurnPending && pub.State.HolderID == "" {
		l.deps.Due.Add(pub.Event.Session)
	}
	if !first {
		intent := ""
		if err == nil { // otherwise the intent also stands for the publication
			intent = pub.Intent
		}
		l.records.change(pub.Event.Session, pub.State, intent)
	}
	return published
}

// saveState stores the state in the session's record, or queues that where it
// fails.
func (l *Log) saveState(ctx context.Context, pub cluster.Publication) (saved bool) {
	if err := l.records.save(ctx, pub.Event.Session, pub.State, nil); err != nil {
		l.stale.Add(pub.Event.Session)
		return false
	}
	return true
}

// staffLooksFor reports whether events of the type change what staff finds
// sessions by.
func staffLooksFor(t chatbox.Type) bool {
	switch t {
	case chatbox.TypeAdminJoin, chatbox.TypeAdminLeave, chatbox.TypeHelpRequest, chatbox.TypeSessionEnded:
		return true
	default:
		return false
	}
}

// basis takes the session's state from Redis, or from the history where Redis
// does not have it.
func (l *Log) basis(ctx context.Context, d *Draft, b cluster.Begun) (Basis, error) {
	switch {
	case b.Seeded && b.State.Erased:
		return Basis{}, ErrErased
	case b.Seeded:
		return Basis{Owner: b.Owner, State: b.State}, nil
	}
	if d.Create == nil {
		sess, err := l.Seed(ctx, d.Session)
		return Basis{Owner: sess.Owner, State: sess.State}, err
	}
	want := d.Create()
	if b.ReservedBy != "" && b.ReservedBy != want.Owner {
		return Basis{}, chatbox.NotYourSession()
	}
	sess, created, err := l.deps.Sessions.Create(ctx, want)
	if err != nil {
		return Basis{}, err
	}
	if created {
		return Basis{Owner: sess.Owner, State: sess.State, Created: true}, nil
	}
	if sess.Erased {
		return Basis{}, ErrErased
	}
	if sess, err = l.foldRest(ctx, sess); err != nil {
		return Basis{}, err
	}
	return Basis{Owner: sess.Owner, State: sess.State}, l.refill(ctx, sess)
}

// refused returns the refusal why, unless the append turns out to be a repeat: a
// repeat is answered before anything else is judged. It reads the history only
// where a repeat is possible, so that a flood of refused frames causes no flood
// of reads.
func (l *Log) refused(ctx context.Context, d *Draft, b cluster.Beginning, begun cluster.Begun, why error) (*Appended, error) {
	if chatbox.IsTransient(why) {
		return nil, why
	}
	e, err := chatbox.Event{}, error(chatbox.NotFound)
	if !d.FreshKey && !errors.Is(why, ErrErased) { // an erased session may still have events that a sweep is about to remove
		e, err = l.deps.Messages.ByKey(ctx, d.Session, d.Key)
	}
	if err != nil && !errors.Is(err, chatbox.NotFound) {
		return nil, err
	}
	if abandon := l.deps.Hot.Abandon(ctx, b, begun.Intent); abandon != nil {
		l.deps.Logger.DebugContext(ctx, "intent left to age", "error", abandon)
	}
	if err == nil {
		return &Appended{Event: e, Repeat: true}, nil
	}
	return nil, why
}

// clashed finds out why the place or the key was taken: the append is a repeat,
// or Redis had a stale head, which is healed before the append decides again.
func (l *Log) clashed(ctx context.Context, d *Draft, b cluster.Beginning, begun cluster.Begun) (*Appended, error) {
	e, err := l.deps.Messages.ByKey(ctx, d.Session, d.Key)
	if err != nil && !errors.Is(err, chatbox.NotFound) {
		return nil, err
	}
	found := err == nil
	if e.Seq > begun.State.Head || !found {
		if err := l.Heal(ctx, d.Session); err != nil {
			return nil, err
		}
	}
	if !found {
		b.User = chatbox.UserKey{} // the append stays counted, as it decides again
	}
	if aerr := l.deps.Hot.Abandon(ctx, b, begun.Intent); aerr != nil {
		l.deps.Logger.DebugContext(ctx, "intent left to age", "error", aerr)
	}
	if found {
		return &Appended{Event: e, Repeat: true}, nil
	}
	return nil, nil //nolint:nilnil // another event has the place: decide again
}

// show publishes an event, and before it every event that Redis lacks. With
// patient it retries transient errors while ctx lasts. published is false where
// another pod has published the event.
func (l *Log) show(ctx context.Context, p cluster.Publication, patient bool) (published bool, err error) {
	for range appendTries {
		var res cluster.Published
		publish := func() (err error) { res, err = l.deps.Hot.Publish(ctx, p); return err }
		var err error
		if patient {
			err = RetryTransient(ctx, publish)
		} else {
			err = publish()
		}
		if err != nil {
			return false, err
		}
		switch res.Outcome {
		case cluster.OutcomeDone, cluster.OutcomeAlready:
			return res.Outcome == cluster.OutcomeDone, nil
		case cluster.OutcomeDiverged:
			p.Supersede = max(p.Event.Answer.Attempt, res.Attempt, p.Supersede) + 1
			continue
		case cluster.OutcomeUnseeded:
			_, err = l.Seed(ctx, p.Event.Session)
		case cluster.OutcomeGap:
			if !patient {
				return false, nil // another pod heals too, or Redis has just lost its tail: the next heal begins again
			}
			err = l.Heal(ctx, p.Event.Session)
		}
		if err != nil {
			return false, err
		}
	}
	return false, chatbox.NewError(chatbox.Unavailable, "the session is too busy", nil)
}
