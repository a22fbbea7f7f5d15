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

// Turns stores which messages still need an answer.
type Turns struct{ s *Store }

// ClaimTurn counts one more claim of the pending turn of the message at seq, and
// returns the message with the updated turn. A turn that is not pending is
// returned unchanged. It returns chatbox.NotFound if there is no such message.
func (t *Turns) ClaimTurn(ctx context.Context, k chatbox.SessionKey, seq int64) (chatbox.Event, error) {
	const act = "claim a turn"
	message := append(placeOf(k), bson.E{Key: "seq", Value: seq})
	pending := append(placeOf(k),
		bson.E{Key: "seq", Value: seq},
		bson.E{Key: "turn.state", Value: string(chatbox.TurnPending)})
	var d messageDoc
	err := t.s.do(ctx, act, func(ctx context.Context) error {
		return t.s.messages.FindOneAndUpdate(ctx, pending,
			bson.D{{Key: "$inc", Value: bson.D{{Key: "turn.claims", Value: 1}}}},
			options.FindOneAndUpdate().SetReturnDocument(options.After).SetProjection(withoutWords())).Decode(&d)
	})
	if errors.Is(err, mongo.ErrNoDocuments) {
		return t.s.findEvent(ctx, act, k, message)
	}
	return t.s.eventOf(k, d, err)
}

// SettleTurn ends the generation's turn if that is still pending in the same run.
func (t *Turns) SettleTurn(ctx context.Context, k chatbox.SessionKey, g chatbox.Gen, to chatbox.TurnState) error {
	filter := append(placeOf(k),
		bson.E{Key: "seq", Value: g.Seq},
		bson.E{Key: "turn.state", Value: string(chatbox.TurnPending)},
		bson.E{Key: "turn.run", Value: g.Run})
	return t.s.do(ctx, "settle a turn", func(ctx context.Context) error {
		_, err := t.s.messages.UpdateOne(ctx, filter,
			bson.D{{Key: "$set", Value: bson.D{{Key: "turn.state", Value: string(to)}}}})
		return err
	})
}

// RetryTurn makes the turn of a finished generation pending again, as the next,
// unclaimed run. It returns false if the message's turn is in another run by now.
// It is one compare-and-set, so only one of two concurrent retries gets true.
func (t *Turns) RetryTurn(ctx context.Context, k chatbox.SessionKey, ended chatbox.Gen, from int64) (bool, error) {
	filter := append(placeOf(k), bson.E{Key: "seq", Value: ended.Seq}, bson.E{Key: "turn.run", Value: ended.Run})
	var won bool
	err := t.s.do(ctx, "retry a turn", func(ctx context.Context) error {
		done, err := t.s.messages.UpdateOne(ctx, filter, bson.D{{Key: "$set", Value: bson.D{
			{Key: "turn.state", Value: string(chatbox.TurnPending)},
			{Key: "turn.run", Value: ended.Run + 1},
			{Key: "turn.claims", Value: 0},
			{Key: "turn.from", Value: from},
		}}})
		won = err == nil && done.MatchedCount == 1
		return err
	})
	return won, err
}

// PendingTurns returns the pending turns of messages with from ≤ time < before,
// over all sessions, oldest first.
func (t *Turns) PendingTurns(ctx context.Context, from, before time.Time, limit int) ([]chatbox.PendingTurn, error) {
	return t.pending(ctx, "find pending turns", pendingWithin(from, before), "time", limit)
}

func (t *Turns) pending(ctx context.Context, act string, filter bson.D, by string, limit int) ([]chatbox.PendingTurn, error) {
	var docs []messageDoc
	err := t.s.find(ctx, act, &docs, t.s.messages, filter, options.Find().
		SetSort(bson.D{{Key: by, Value: 1}}).
		SetLimit(int64(limit)).
		SetProjection(bson.D{
			{Key: "tenant", Value: 1}, {Key: "session", Value: 1}, {Key: "seq", Value: 1}, {Key: "turn", Value: 1}, {Key: "time", Value: 1},
		}))
	if err != nil {
		return nil, err
	}
	turns := make([]chatbox.PendingTurn, 0, len(docs))
	for _, d := range docs {
		if d.Turn == nil {
			continue
		}
		turns = append(turns, chatbox.PendingTurn{
			Session: chatbox.SessionKey{Tenant: d.Tenant, ID: d.Session},
			Gen:     chatbox.Gen{Seq: d.Seq, Run: d.Turn.Run},
			Since:   d.Time.Time().UTC(),
			At:      max(d.Seq, d.Turn.From),
			Claims:  d.Turn.Claims,
		})
	}
	return turns, nil
}

// PendingOf returns the session's pending turns with from ≤ seq ≤ to, by seq. The
// cost depends on the number of turns returned, because the index covers pending
// turns only.
func (t *Turns) PendingOf(ctx context.Context, k chatbox.SessionKey, from, to int64, limit int) ([]chatbox.PendingTurn, error) {
	filter := append(placeOf(k),
		bson.E{Key: "seq", Value: bson.D{{Key: "$gte", Value: from}, {Key: "$lte", Value: to}}},
		bson.E{Key: "turn.state", Value: string(chatbox.TurnPending)})
	return t.pending(ctx, "find a session's pending turns", filter, "seq", limit)
}

func pendingWithin(from, before time.Time) bson.D {
	return bson.D{
		{Key: "turn.state", Value: string(chatbox.TurnPending)},
		{Key: "time", Value: bson.D{
			{Key: "$gte", Value: primitive.DateTime(record.Millis(from))}, {Key: "$lt", Value: primitive.DateTime(record.Millis(before))},
		}},
	}
}
