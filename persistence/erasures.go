package persistence

import (
	"context"
	"slices"
	"time"

	"chatbox"
	"chatbox/persistence/internal/record"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/bson/primitive"
	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"
)

// erasureDoc is one person whose data is being erased, in the collection
// erasures. It is deleted when the erasure is complete.
type erasureDoc struct {
	ID     string             `bson:"_id"` // the key's text
	Tenant string             `bson:"tenant"`
	User   string             `bson:"user"`
	At     primitive.DateTime `bson:"at"`
}

// BeginErasure marks the person for erasure. The mark is durable when it returns.
// If the person is marked already, the later time is stored.
func (m *Sessions) BeginErasure(ctx context.Context, u chatbox.UserKey, at time.Time) error {
	if err := m.s.ready(); err != nil {
		return err
	}
	d := erasureDoc{ID: u.String(), Tenant: u.Tenant, User: u.ID, At: primitive.DateTime(record.Millis(at))}
	return m.s.do(ctx, "begin to erase a person", func(ctx context.Context) error {
		_, err := m.s.erasures.InsertOne(ctx, d)
		if !mongo.IsDuplicateKeyError(err) {
			return err
		}
		_, err = m.s.erasures.UpdateByID(ctx, d.ID, bson.D{{Key: "$max", Value: bson.D{{Key: "at", Value: d.At}}}})
		return err
	})
}

// Erasing returns up to limit marked people.
func (m *Sessions) Erasing(ctx context.Context, limit int) ([]chatbox.Erasing, error) {
	var docs []erasureDoc
	err := m.s.find(ctx, "find people to erase", &docs, m.s.erasures, bson.D{}, options.Find().SetLimit(int64(limit)))
	out := make([]chatbox.Erasing, len(docs))
	for i, d := range docs {
		out[i] = chatbox.Erasing{User: chatbox.UserKey{Tenant: d.Tenant, ID: d.User}, At: record.Time(int64(d.At))}
	}
	return out, err
}

// Disown removes the person's name from tombstones that need no more sweeps and
// from sessions assigned to the person. It returns how many of the person's
// tombstones remain.
func (m *Sessions) Disown(ctx context.Context, u chatbox.UserKey) (left int64, err error) {
	theirs := bson.D{{Key: "tenant", Value: u.Tenant}, {Key: "owner", Value: u.ID}, {Key: "erased", Value: true}}
	err = m.s.do(ctx, "disown tombstones", func(ctx context.Context) error {
		_, err := m.s.sessions.UpdateMany(ctx, append(slices.Clip(theirs), bson.E{Key: "sweeping", Value: bson.D{{Key: "$ne", Value: true}}}),
			bson.D{{Key: "$set", Value: bson.D{{Key: "owner", Value: ""}}}})
		if err != nil {
			return err
		}
		left, err = m.s.sessions.CountDocuments(ctx, theirs)
		return err
	})
	if err != nil {
		return 0, err
	}
	return left, m.s.do(ctx, "unassign a person", func(ctx context.Context) error {
		_, err := m.s.sessions.UpdateMany(ctx, bson.D{{Key: "tenant", Value: u.Tenant}, {Key: "assigned", Value: u.ID}}, unassigned())
		return err
	})
}

// EndErasure removes the mark unless a later time was marked meanwhile.
func (m *Sessions) EndErasure(ctx context.Context, e chatbox.Erasing) error {
	return m.s.do(ctx, "end erasing a person", func(ctx context.Context) error {
		_, err := m.s.erasures.DeleteOne(ctx, bson.D{
			{Key: "_id", Value: e.User.String()}, {Key: "at", Value: primitive.DateTime(record.Millis(e.At))},
		})
		return err
	})
}
