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

// errTaken marks a document of a group that is a duplicate.
var errTaken = errors.New("persistence: taken")

// Append inserts the event at its Seq and returns nil once a majority has it. It
// returns chatbox.Clash if the seq or the key is taken; nothing was written then.
// After any other error the outcome is unknown. Concurrent events of different
// sessions share one command, and one of them failing does not fail the others.
// Times are stored in milliseconds.
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

// ByKey returns the event with the key as a majority has it, or chatbox.NotFound.
func (m *Messages) ByKey(ctx context.Context, k chatbox.SessionKey, key string) (chatbox.Event, error) {
	return m.s.findEvent(ctx, "find by key", k, append(placeOf(k), bson.E{Key: "key", Value: key}))
}

// Range returns the events with from ≤ seq ≤ to in order, as a majority has them.
// The cost depends on the number of events returned, not on the length of the
// session.
func (m *Messages) Range(ctx context.Context, k chatbox.SessionKey, from, to int64) ([]chatbox.Event, error) {
	if from > to {
		return nil, nil
	}
	var docs []messageDoc
	err := m.s.find(ctx, "read a range", &docs, m.s.messages, rangeOf(k, from, to), options.Find().
		SetSort(bson.D{{Key: "seq", Value: 1}}).SetProjection(withoutWords()))
	if err != nil {
		return nil, err
	}
	events := make([]chatbox.Event, len(docs))
	for i, d := range docs {
		events[i] = m.s.decodeEvent(d)
	}
	return events, nil
}

// EraseRange permanently deletes the events with from ≤ seq ≤ to.
func (m *Messages) EraseRange(ctx context.Context, k chatbox.SessionKey, from, to int64) error {
	if from > to {
		return nil
	}
	return m.s.do(ctx, "erase a range", func(ctx context.Context) error {
		_, err := m.s.messages.DeleteMany(ctx, rangeOf(k, from, to))
		return err
	})
}

// findEvent returns the one event that matches the filter.
func (s *Store) findEvent(ctx context.Context, act string, k chatbox.SessionKey, filter bson.D) (chatbox.Event, error) {
	var d messageDoc
	err := s.do(ctx, act, func(ctx context.Context) error {
		return s.messages.FindOne(ctx, filter, options.FindOne().SetProjection(withoutWords())).Decode(&d)
	})
	return s.eventOf(k, d, err)
}

// eventOf converts the result of an operation on one document into the port's
// types.
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

// outcomes returns the result of each write of an unordered group: nil if it was
// applied as asked, errTaken for a duplicate, any other error if its outcome is
// unknown.
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

// firstFailure returns the first error that is not a duplicate, or nil.
func firstFailure(errs []error) error {
	for _, err := range errs {
		if err != nil && !errors.Is(err, errTaken) {
			return err
		}
	}
	return nil
}

// placeOf returns the session's shard key.
func placeOf(k chatbox.SessionKey) bson.D {
	return bson.D{{Key: "tenant", Value: k.Tenant}, {Key: "session", Value: k.ID}}
}

func rangeOf(k chatbox.SessionKey, from, to int64) bson.D {
	return append(placeOf(k), bson.E{Key: "seq", Value: bson.D{{Key: "$gte", Value: from}, {Key: "$lte", Value: to}}})
}
