package persistence

import (
	"context"
	"errors"
	"time"

	"chatbox"
	"chatbox/persistence/internal/record"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/bson/primitive"
	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"
)

// Withdrawals keeps whose credentials were withdrawn, one document per user,
// for as long as such a credential could be alive.
type Withdrawals struct{ s *Store }

type withdrawalDoc struct {
	Tenant string             `bson:"tenant"`
	User   string             `bson:"user"`
	Before primitive.DateTime `bson:"before"`
	Until  primitive.DateTime `bson:"until"`
}

// Keep stores the withdrawal; of two of one user the later stands.
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
		{Key: "$setOnInsert", Value: bson.D{{Key: "_id", Value: w.User.String()}}}, // for the reason of placeID
	}
	return m.s.do(ctx, "keep a withdrawal", func(ctx context.Context) error {
		_, err := m.s.withdrawals.UpdateOne(ctx, who, later, options.Update().SetUpsert(true))
		if mongo.IsDuplicateKeyError(err) { // another pod's insert won
			_, err = m.s.withdrawals.UpdateOne(ctx, who, later)
		}
		return err
	})
}

// Kept returns all withdrawals that still matter and forgets the others. It
// reads the whole collection, which holds as many documents as users were
// disconnected within a credential's longest life.
func (m *Withdrawals) Kept(ctx context.Context, now time.Time) ([]chatbox.Withdrawal, error) {
	const act = "read withdrawals"
	at := primitive.NewDateTimeFromTime(now)
	var docs []withdrawalDoc
	err := m.s.all(ctx, act, &docs, func(ctx context.Context) (*mongo.Cursor, error) {
		return m.s.withdrawals.Find(ctx, bson.D{})
	})
	if err != nil {
		return nil, err
	}
	var kept []chatbox.Withdrawal
	old := false
	for _, d := range docs {
		if d.Until < at {
			old = true
			continue
		}
		kept = append(kept, chatbox.Withdrawal{
			User: chatbox.UserKey{Tenant: d.Tenant, ID: d.User}, Before: d.Before.Time().UTC(), Until: d.Until.Time().UTC(),
		})
	}
	if !old {
		return kept, nil
	}
	err = m.s.do(ctx, "forget withdrawals", func(ctx context.Context) error {
		_, err := m.s.withdrawals.DeleteMany(ctx, bson.D{{Key: "until", Value: bson.D{{Key: "$lt", Value: at}}}})
		return err
	})
	if errors.Is(err, mongo.ErrNoDocuments) {
		err = nil
	}
	if err != nil {
		return nil, record.Failed(act, err)
	}
	return kept, nil
}
