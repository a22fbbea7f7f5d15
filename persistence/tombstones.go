package persistence

import (
	"context"
	"time"

	"chatbox"
	"chatbox/persistence/internal/record"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/bson/primitive"
	"go.mongodb.org/mongo-driver/mongo/options"
)

// Bury marks the session as erased at the given time and removes what people
// wrote from its document. A session that is buried already does not change. It
// returns chatbox.NotFound if there is no such session.
func (m *Sessions) Bury(ctx context.Context, k chatbox.SessionKey, at time.Time) error {
	when := primitive.DateTime(record.Millis(at))
	var buried bool
	err := m.s.do(ctx, "bury a session", func(ctx context.Context) error {
		done, err := m.s.sessions.UpdateOne(ctx, append(placeOf(k), bson.E{Key: "erased", Value: false}), bson.D{
			{Key: "$set", Value: bson.D{
				{Key: "erased", Value: true},
				{Key: "sweeping", Value: true},
				{Key: "erased_at", Value: when},
				{Key: "sweep_at", Value: when},
			}},
			{Key: "$unset", Value: bson.D{
				{Key: "name", Value: ""},
				{Key: "name_words", Value: ""},
				{Key: "owner_name", Value: ""},
				{Key: "state.holder_name", Value: ""},
				{Key: "rating", Value: ""},
				{Key: fieldLiked, Value: ""},
				{Key: fieldDisliked, Value: ""},
				{Key: "tags", Value: ""},
				{Key: "tagged", Value: ""},
				{Key: "assigned", Value: ""},
				{Key: "assigned_name", Value: ""},
			}},
		})
		buried = err == nil && done.MatchedCount == 1
		return err
	})
	if err != nil || buried {
		return err
	}
	_, err = m.Load(ctx, k) // buried already, or no such session
	return err
}

// Unswept returns tombstones whose sweep was due before the given time, longest
// overdue first.
func (m *Sessions) Unswept(ctx context.Context, before time.Time, limit int) ([]chatbox.Tombstone, error) {
	var docs []sessionDoc
	err := m.s.find(ctx, "find tombstones", &docs, m.s.sessions, unsweptBefore(before), options.Find().
		SetSort(bson.D{{Key: "sweep_at", Value: 1}}).
		SetLimit(int64(limit)).
		SetProjection(bson.D{{Key: "tenant", Value: 1}, {Key: "session", Value: 1}, {Key: "erased_at", Value: 1}}))
	if err != nil {
		return nil, err
	}
	out := make([]chatbox.Tombstone, len(docs))
	for i, d := range docs {
		out[i] = chatbox.Tombstone{Session: chatbox.SessionKey{Tenant: d.Tenant, ID: d.Session}, At: record.Time(int64(d.ErasedAt))}
	}
	return out, nil
}

func unsweptBefore(t time.Time) bson.D {
	return bson.D{
		{Key: "sweeping", Value: true},
		{Key: "sweep_at", Value: bson.D{{Key: "$lt", Value: primitive.DateTime(record.Millis(t))}}},
	}
}

// Sweep schedules the tombstone's next sweep; the zero time means none.
func (m *Sessions) Sweep(ctx context.Context, k chatbox.SessionKey, again time.Time) error {
	change := bson.D{{Key: "$set", Value: bson.D{{Key: "sweep_at", Value: primitive.DateTime(record.Millis(again))}}}}
	if again.IsZero() {
		change = bson.D{{Key: "$unset", Value: bson.D{
			{Key: "sweeping", Value: ""}, {Key: "sweep_at", Value: ""}, {Key: "erased_at", Value: ""},
		}}}
	}
	return m.s.do(ctx, "sweep a tombstone", func(ctx context.Context) error {
		_, err := m.s.sessions.UpdateOne(ctx, append(placeOf(k), bson.E{Key: "sweeping", Value: true}), change)
		return err
	})
}
