package persistence

import (
	"context"
	"time"

	"chatbox"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/bson/primitive"
	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"
)

// Withdrawals stores withdrawals of credentials, one document per user. They are
// never deleted.
type Withdrawals struct{ s *Store }

type withdrawalDoc struct {
	Tenant string             `bson:"tenant"`
	User   string             `bson:"user"`
	Before primitive.DateTime `bson:"before"`
	Until  primitive.DateTime `bson:"until"`
}

// Keep stores the withdrawal. Of two withdrawals of one user the later one is
// stored.
func (m *Withdrawals) Keep(ctx context.Context, w chatbox.Withdrawal) error {
	if err := m.s.ready(); err != nil {
		return err
	}
	who := bson.D{{Key: "tenant", Value: w.User.Tenant}, {Key: "user", Value: w.User.ID}}
	later := bson.D{
		{Key: "$max", Value: bson.D{
			{Key: "before", Value: primitive.NewDateTimeFromTime(w.Before)},
			{Key: "until", Value: primitive.NewDateTimeFromTime(w.Until)},
		}},
		{Key: "$setOnInsert", Value: bson.D{{Key: "_id", Value: w.User.String()}}}, // see placeID for the reason
	}
	return m.s.do(ctx, "keep a withdrawal", func(ctx context.Context) error {
		_, err := m.s.withdrawals.UpdateOne(ctx, who, later, options.Update().SetUpsert(true))
		if mongo.IsDuplicateKeyError(err) { // another pod's insert won
			_, err = m.s.withdrawals.UpdateOne(ctx, who, later)
		}
		return err
	})
}

// Kept returns up to limit withdrawals with since ≤ Before that follow the user
// after, in order of their _id.
func (m *Withdrawals) Kept(ctx context.Context, since time.Time, after chatbox.UserKey, limit int) ([]chatbox.Withdrawal, error) {
	filter := bson.D{}
	if after != (chatbox.UserKey{}) {
		filter = append(filter, bson.E{Key: "_id", Value: bson.D{{Key: "$gt", Value: after.String()}}})
	}
	if !since.IsZero() {
		filter = append(filter, bson.E{Key: "before", Value: bson.D{{Key: "$gte", Value: primitive.NewDateTimeFromTime(since)}}})
	}
	var docs []withdrawalDoc
	err := m.s.find(ctx, "read withdrawals", &docs, m.s.withdrawals, filter, options.Find().SetSort(bson.D{{Key: "_id", Value: 1}}).SetLimit(int64(limit)))
	if err != nil {
		return nil, err
	}
	kept := make([]chatbox.Withdrawal, 0, len(docs))
	for _, d := range docs {
		kept = append(kept, chatbox.Withdrawal{
			User: chatbox.UserKey{Tenant: d.Tenant, ID: d.User}, Before: d.Before.Time().UTC(), Until: d.Until.Time().UTC(),
		})
	}
	return kept, nil
}
