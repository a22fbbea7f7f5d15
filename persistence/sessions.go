package persistence

import (
	"context"
	"errors"
	"time"

	"chatbox"
	"chatbox/persistence/internal/record"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"

	"chatbox/internal/sleep"
)

// Sessions stores the data of sessions other than their events.
type Sessions struct{ s *Store }

// A caller that loses the race for an id reads the winner's session. It retries
// only if a majority does not have that session yet, or lost it again.
const (
	createTries = 6
	createWait  = 20 * time.Millisecond
)

// touchBytes is the approximate size of a touch.
const touchBytes = 1 << 10

// Create stores the session, or returns the existing one with its key. The unique
// index decides which, so it holds across pods. A new session costs one round
// trip, an existing one two.
//
// An upsert would always cost one, but on the DocumentDB stack a dozen upserts
// for one id deadlock until they time out.
func (m *Sessions) Create(ctx context.Context, in chatbox.Session) (stored chatbox.Session, created bool, err error) {
	const act = "create a session"
	if err := m.s.ready(); err != nil {
		return chatbox.Session{}, false, err
	}
	doc, err := m.s.encodeSession(in)
	if err != nil {
		return chatbox.Session{}, false, record.Failed(act, err)
	}
	ctx, cancel := context.WithTimeout(ctx, m.s.cfg.Timeout)
	defer cancel()
	for try := range createTries {
		err := m.s.do(ctx, act, func(ctx context.Context) error {
			_, err := m.s.sessions.InsertOne(ctx, doc)
			return err
		})
		if err == nil {
			return m.s.decodeSession(doc), true, nil
		}
		if !mongo.IsDuplicateKeyError(err) {
			return chatbox.Session{}, false, err
		}
		if stored, err = m.Load(ctx, in.Key); !errors.Is(err, chatbox.NotFound) {
			return stored, false, err
		}
		if !sleep.About(ctx, createWait<<try) {
			return chatbox.Session{}, false, record.Busy(act, ctx.Err())
		}
	}
	return chatbox.Session{}, false, record.Busy(act, errors.New("the id is taken by a session that no majority has yet"))
}

// Load returns the session, or chatbox.NotFound.
func (m *Sessions) Load(ctx context.Context, k chatbox.SessionKey) (chatbox.Session, error) {
	const act = "load a session"
	var d sessionDoc
	err := m.s.do(ctx, act, func(ctx context.Context) error {
		return m.s.sessions.FindOne(ctx, placeOf(k)).Decode(&d)
	})
	if errors.Is(err, mongo.ErrNoDocuments) {
		return chatbox.Session{}, record.NoSession(k)
	}
	if err != nil {
		return chatbox.Session{}, err
	}
	return m.s.decodeSession(d), nil
}

// SaveState stores the fold unless a later one is stored already or there is no
// such session. The fold of an erased session is the last, so it also replaces one
// that cannot be read. Concurrent calls share one command.
func (m *Sessions) SaveState(ctx context.Context, k chatbox.SessionKey, st chatbox.State) error {
	const act = "touch a session"
	if err := m.s.may(act); err != nil {
		return err
	}
	state, err := m.s.encodeState(k, st)
	if err != nil {
		return record.Failed(act, err)
	}
	set := bson.D{{Key: "state", Value: state}}
	if !st.LastActivity.IsZero() { // a fold without events has no last activity
		set = append(set, bson.E{Key: "last_activity", Value: state.LastActivity})
	}
	older := bson.E{Key: "state.head", Value: bson.D{{Key: "$lt", Value: st.Head}}}
	if st.Erased {
		older = bson.E{Key: "state.erased", Value: bson.D{{Key: "$ne", Value: true}}}
	}
	update := mongo.NewUpdateOneModel().
		SetFilter(append(placeOf(k), bson.E{Key: "_id", Value: k.String()}, older)). // the DocumentDB stack finds it by _id alone
		SetUpdate(bson.D{{Key: "$set", Value: set}})
	err = again(ctx, func(ctx context.Context) error {
		return m.s.touches.Do(ctx, k.String(), touchBytes, update)
	})
	if err != nil {
		return record.Failed(act, err)
	}
	return nil
}

// SetName names the session; an empty name removes the name. With onlyIfEmpty an
// existing name stays. Without onlyIfEmpty it returns chatbox.NotFound if there
// is no such session or it is erased.
func (m *Sessions) SetName(ctx context.Context, k chatbox.SessionKey, name string, onlyIfEmpty bool) error {
	const act = "name a session"
	box, err := record.SealText(m.s.keys, k, record.PartName, name)
	if err != nil {
		return record.Failed(act, err)
	}
	filter := append(placeOf(k), bson.E{Key: "erased", Value: false})
	if onlyIfEmpty {
		filter = append(filter, bson.E{Key: "name", Value: bson.D{{Key: "$exists", Value: false}}})
	}
	tokens, err := m.s.nameTokens(k, name)
	if err != nil {
		return record.Failed(act, err)
	}
	update := renaming(box, tokens)
	err = m.s.do(ctx, act, func(ctx context.Context) error {
		done, err := m.s.sessions.UpdateOne(ctx, filter, update)
		if err != nil {
			return err
		}
		if done.MatchedCount == 0 && !onlyIfEmpty {
			return mongo.ErrNoDocuments
		}
		return nil
	})
	if errors.Is(err, mongo.ErrNoDocuments) {
		return record.NoSession(k)
	}
	return err
}

// renaming changes the name together with its search tokens.
func renaming(box []byte, tokens []int64) bson.D {
	var set, unset bson.D
	for _, field := range []struct {
		name  string
		value any
		there bool
	}{{"name", box, box != nil}, {"name_words", tokens, tokens != nil}} {
		if field.there {
			set = append(set, bson.E{Key: field.name, Value: field.value})
		} else {
			unset = append(unset, bson.E{Key: field.name, Value: ""})
		}
	}
	var update bson.D
	if set != nil {
		update = append(update, bson.E{Key: "$set", Value: set})
	}
	if unset != nil {
		update = append(update, bson.E{Key: "$unset", Value: unset})
	}
	return update
}

// update writes one group of touches.
func (s *Store) update(ctx context.Context, models []mongo.WriteModel) []error {
	start := time.Now()
	_, err := s.sessions.BulkWrite(ctx, models, options.BulkWrite().SetOrdered(false))
	s.grouped("touch a session", len(models))
	errs := outcomes(err, len(models))
	s.observe("touch a session", start, firstFailure(errs))
	return errs
}
