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
)

// Messages is the durable log of every session.
type Messages struct{ s *Store }

// errTaken is a document's own duplicate inside a group.
var errTaken = errors.New("persistence: taken")

// Append inserts the event at its Seq and returns nil once a majority has it.
// chatbox.Clash: the place or the key is taken, and nothing was written; any
// other error: the outcome is unknown. Events that meet share one command, at
// most one of each session; a neighbour's failure is not this one's. Times are
// kept in milliseconds.
func (m *Messages) Append(ctx context.Context, e chatbox.Event) error {
	if err := m.s.ready(); err != nil {
		return err
	}
	raw, err := m.s.encodeEvent(e)
	if err != nil {
		return record.Failed("append", err)
	}
	err = again(ctx, func(ctx context.Context) error {
		return m.s.appends.Do(ctx, e.Session.String(), len(raw), raw)
	})
	switch {
	case err == nil:
		return nil
	case errors.Is(err, errTaken):
		return record.Clash(e)
	default:
		return record.Failed("append", err)
	}
}

// ByKey finds the event with the key, or chatbox.NotFound. What it returns, a
// majority has.
func (m *Messages) ByKey(ctx context.Context, k chatbox.SessionKey, key string) (chatbox.Event, error) {
	return m.s.findEvent(ctx, "find by key", k, append(placeOf(k), bson.E{Key: "key", Value: key}))
}

// Range returns the events with from ≤ seq ≤ to in order, as a majority has
// them. Its cost depends on how many they are, never on the session's length.
func (m *Messages) Range(ctx context.Context, k chatbox.SessionKey, from, to int64) ([]chatbox.Event, error) {
	if from > to {
		return nil, nil
	}
	var docs []messageDoc
	err := m.s.all(ctx, "read a range", &docs, func(ctx context.Context) (*mongo.Cursor, error) {
		return m.s.messages.Find(ctx, rangeOf(k, from, to), options.Find().
			SetSort(bson.D{{Key: "seq", Value: 1}}).SetProjection(withoutWords()))
	})
	if err != nil {
		return nil, err
	}
	events := make([]chatbox.Event, len(docs))
	for i, d := range docs {
		events[i] = m.s.decodeEvent(d)
	}
	return events, nil
}

// EraseRange removes the events with from ≤ seq ≤ to for good.
func (m *Messages) EraseRange(ctx context.Context, k chatbox.SessionKey, from, to int64) error {
	if from > to {
		return nil
	}
	return m.s.do(ctx, "erase a range", func(ctx context.Context) error {
		_, err := m.s.messages.DeleteMany(ctx, rangeOf(k, from, to))
		return err
	})
}

// findEvent finds the one event that the filter names.
func (s *Store) findEvent(ctx context.Context, act string, k chatbox.SessionKey, filter bson.D) (chatbox.Event, error) {
	var d messageDoc
	err := s.do(ctx, act, func(ctx context.Context) error {
		return s.messages.FindOne(ctx, filter, options.FindOne().SetProjection(withoutWords())).Decode(&d)
	})
	return s.eventOf(k, d, err)
}

// eventOf turns the result of an act on one document into the port's.
func (s *Store) eventOf(k chatbox.SessionKey, d messageDoc, err error) (chatbox.Event, error) {
	if errors.Is(err, mongo.ErrNoDocuments) {
		return chatbox.Event{}, record.NoEvent(k)
	}
	if err != nil {
		return chatbox.Event{}, err
	}
	return s.decodeEvent(d), nil
}

// insert writes one group.
func (s *Store) insert(ctx context.Context, docs []bson.Raw) []error {
	many := make([]any, len(docs))
	for i, d := range docs {
		many[i] = d
	}
	start := time.Now()
	_, err := s.messages.InsertMany(ctx, many, options.InsertMany().SetOrdered(false))
	s.grouped("append", len(docs))
	errs := outcomes(err, len(docs))
	s.observe("append", start, firstFailure(errs))
	return errs
}

// outcomes gives each write of an unordered group its own result: errTaken for
// a duplicate, nil where it was applied as asked, else an error that leaves
// its outcome unknown.
func outcomes(err error, n int) []error {
	errs := make([]error, n)
	if err == nil {
		return errs
	}
	bulk, ok := errors.AsType[mongo.BulkWriteException](err)
	if !ok || len(bulk.WriteErrors) == 0 && bulk.WriteConcernError == nil {
		for i := range errs {
			errs[i] = err
		}
		return errs
	}
	if c := bulk.WriteConcernError; c != nil { // applied, but not by a majority in time
		for i := range errs {
			errs[i] = *c
		}
	}
	for _, w := range bulk.WriteErrors {
		if w.Index < 0 || w.Index >= n {
			continue
		}
		if mongo.IsDuplicateKeyError(w.WriteError) {
			errs[w.Index] = errTaken
		} else {
			errs[w.Index] = w.WriteError
		}
	}
	return errs
}

// firstFailure is the first result that is neither success nor a duplicate.
func firstFailure(errs []error) error {
	for _, err := range errs {
		if err != nil && !errors.Is(err, errTaken) {
			return err
		}
	}
	return nil
}

// placeOf names the session: the shard key.
func placeOf(k chatbox.SessionKey) bson.D {
	return bson.D{{Key: "tenant", Value: k.Tenant}, {Key: "session", Value: k.ID}}
}

func rangeOf(k chatbox.SessionKey, from, to int64) bson.D {
	return append(placeOf(k), bson.E{Key: "seq", Value: bson.D{{Key: "$gte", Value: from}, {Key: "$lte", Value: to}}})
}
