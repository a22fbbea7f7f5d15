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

// tasks is the work of one kind that events require outside their sessions. A task
// is a field of its event's document, so the two are written and erased together.
// It has a state, the time when it is due, a count of claims and the token of the
// latest claim.
type tasks struct {
	s     *Store
	field string
	noun  string // for errors
	over  string // the state of a task that is not claimed any more as if it did not exist; empty: none
}

// Fields of an event's document that contain tasks.
const (
	fieldAlert      = "alert"
	fieldTranscript = "transcript"
)

// taskPending is the state of a task that is not settled.
const taskPending = "pending"

// taskIndex covers pending tasks only, so it stays small.
func taskIndex(field string) mongo.IndexModel {
	return mongo.IndexModel{
		Keys: bson.D{{Key: field + ".due", Value: 1}},
		Options: options.Index().SetName(field + "_due").
			SetPartialFilterExpression(bson.D{{Key: field + ".state", Value: taskPending}}),
	}
}

// due returns the places of pending tasks due before the given time, over all
// sessions, oldest first.
func (t tasks) due(ctx context.Context, before time.Time, limit int) ([]messageDoc, error) {
	var docs []messageDoc
	err := t.s.find(ctx, "find what is due of "+t.noun, &docs, t.s.messages,
		bson.D{{Key: t.field + ".state", Value: taskPending}, {Key: t.field + ".due", Value: bson.D{{Key: "$lt", Value: dateOf(before)}}}},
		options.Find().
			SetSort(bson.D{{Key: t.field + ".due", Value: 1}}).
			SetLimit(int64(limit)).
			SetProjection(bson.D{{Key: "tenant", Value: 1}, {Key: "session", Value: 1}, {Key: "seq", Value: 1}}))
	return docs, err
}

// claim assigns the task to the token until the given time and counts the claim.
// may is the condition. If it does not hold, claim returns chatbox.NotOwner, and
// chatbox.NotFound if there is no such task.
func (t tasks) claim(ctx context.Context, k chatbox.SessionKey, seq int64, may bson.D, token string, until time.Time) (messageDoc, error) {
	var d messageDoc
	err := t.s.do(ctx, "claim "+t.noun, func(ctx context.Context) error {
		return t.s.messages.FindOneAndUpdate(ctx, append(eventAt(k, seq), may...),
			bson.D{
				{Key: "$set", Value: bson.D{
					{Key: t.field + ".state", Value: taskPending}, {Key: t.field + ".token", Value: token}, {Key: t.field + ".due", Value: dateOf(until)},
				}},
				{Key: "$inc", Value: bson.D{{Key: t.field + ".tries", Value: 1}}},
			},
			options.FindOneAndUpdate().SetReturnDocument(options.After)).Decode(&d)
	})
	if errors.Is(err, mongo.ErrNoDocuments) {
		return messageDoc{}, t.unclaimed(ctx, k, seq)
	}
	return d, err
}

// unclaimed returns the reason why a task could not be claimed.
func (t tasks) unclaimed(ctx context.Context, k chatbox.SessionKey, seq int64) error {
	exists := bson.D{{Key: "$exists", Value: true}}
	if t.over != "" {
		exists = append(exists, bson.E{Key: "$ne", Value: t.over})
	}
	err := t.s.do(ctx, "find "+t.noun, func(ctx context.Context) error {
		return t.s.messages.FindOne(ctx,
			append(eventAt(k, seq), bson.E{Key: t.field + ".state", Value: exists}),
			options.FindOne().SetProjection(bson.D{{Key: "seq", Value: 1}})).Err()
	})
	if errors.Is(err, mongo.ErrNoDocuments) {
		return record.NoEvent(k)
	}
	if err != nil {
		return err
	}
	return record.NotClaimed(t.noun)
}

// settle ends the token's claim and sets more. It does nothing if another token
// holds the claim by now.
func (t tasks) settle(ctx context.Context, k chatbox.SessionKey, seq int64, token, to string, due time.Time, more ...bson.E) error {
	set := append(bson.D{
		{Key: t.field + ".state", Value: to}, {Key: t.field + ".due", Value: dateOf(due)}, {Key: t.field + ".token", Value: ""},
	}, more...)
	_, err := t.update(ctx, "settle "+t.noun, t.claimed(k, seq, token), bson.D{{Key: "$set", Value: set}})
	return err
}

// renew extends the token's claim. It returns chatbox.NotOwner if another token
// holds the claim by now, or if the task is settled or erased.
func (t tasks) renew(ctx context.Context, k chatbox.SessionKey, seq int64, token string, until time.Time) error {
	found, err := t.update(ctx, "renew "+t.noun, t.claimed(k, seq, token),
		bson.D{{Key: "$set", Value: bson.D{{Key: t.field + ".due", Value: dateOf(until)}}}})
	if err == nil && !found {
		err = record.NotClaimed(t.noun)
	}
	return err
}

// claimed selects the task if the token holds its claim.
func (t tasks) claimed(k chatbox.SessionKey, seq int64, token string) bson.D {
	return append(eventAt(k, seq), bson.E{Key: t.field + ".state", Value: taskPending}, bson.E{Key: t.field + ".token", Value: token})
}

func (t tasks) update(ctx context.Context, act string, filter, change bson.D) (found bool, err error) {
	err = t.s.do(ctx, act, func(ctx context.Context) error {
		done, err := t.s.messages.UpdateOne(ctx, filter, change)
		found = err == nil && done.MatchedCount > 0
		return err
	})
	return found, err
}

func eventAt(k chatbox.SessionKey, seq int64) bson.D {
	return append(placeOf(k), bson.E{Key: "seq", Value: seq})
}

func dateOf(t time.Time) primitive.DateTime { return primitive.DateTime(record.Millis(t)) }
