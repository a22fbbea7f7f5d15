package persistence

import (
	"context"
	"time"

	"chatbox"
	"chatbox/helpdesk"
	"chatbox/persistence/internal/record"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/bson/primitive"
	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"
)

const (
	fieldWaiting = "state.waiting_since"
	indexWaiting = "tenant_waiting"
)

// waitingIndex covers only waiting sessions. The queue is read in its order and
// counted from the index alone.
func waitingIndex() mongo.IndexModel {
	return mongo.IndexModel{
		Keys: bson.D{
			{Key: "tenant", Value: 1},
			{Key: "state.help_pending", Value: 1},
			{Key: "erased", Value: 1},
			{Key: fieldWaiting, Value: 1},
			{Key: "session", Value: 1},
		},
		Options: options.Index().SetName(indexWaiting).
			SetPartialFilterExpression(bson.D{{Key: "state.help_pending", Value: true}}),
	}
}

func waitingFilter(tenant string) bson.D {
	return bson.D{{Key: "tenant", Value: tenant}, {Key: "state.help_pending", Value: true}, {Key: "erased", Value: false}}
}

// Queue returns the first limit of the tenant's sessions that wait for a person,
// in the order of helpdesk.Waiting, and the total number, counted up to
// helpdesk.MaxCounted. It reflects the stored folds.
func (m *Sessions) Queue(ctx context.Context, tenant string, limit int) (first []helpdesk.Waiting, total int64, err error) {
	var docs []sessionDoc
	err = m.s.find(ctx, "read the queue", &docs, m.s.sessions, waitingFilter(tenant), options.Find().
		SetSort(bson.D{{Key: fieldWaiting, Value: 1}, {Key: "session", Value: 1}}).
		SetLimit(int64(limit)).
		SetProjection(bson.D{{Key: "session", Value: 1}, {Key: "owner", Value: 1}, {Key: fieldWaiting, Value: 1}}))
	if err != nil {
		return nil, 0, err
	}
	for _, d := range docs {
		first = append(first, helpdesk.Waiting{
			Session: chatbox.SessionKey{Tenant: tenant, ID: d.Session}, Owner: d.Owner, Since: timeIfKnown(d.State.WaitingSince),
		})
	}
	if len(docs) < limit {
		return first, int64(len(docs)), nil
	}
	total, err = m.countWaiting(ctx, tenant)
	return first, max(total, int64(len(docs))), err
}

func (m *Sessions) countWaiting(ctx context.Context, tenant string) (n int64, err error) {
	err = m.s.do(ctx, "count the queue", func(ctx context.Context) error {
		n, err = m.s.sessions.CountDocuments(ctx, waitingFilter(tenant), options.Count().SetLimit(helpdesk.MaxCounted))
		return err
	})
	return n, err
}

// beyondWaiting matches everything after a place in the queue, or before it if
// desc is set. A session without a stored time matches no comparison on the
// server, and sorts first.
func beyondWaiting(strict, wide string, since time.Time, id string, desc bool) bson.A {
	unknown := bson.D{{Key: fieldWaiting, Value: nil}}
	among := bson.D{{Key: "session", Value: bson.D{{Key: strict, Value: id}}}}
	switch at := primitive.DateTime(record.Millis(since)); {
	case since.IsZero() && desc:
		return bson.A{unknown, among}
	case since.IsZero():
		known := bson.D{{Key: fieldWaiting, Value: bson.D{{Key: "$gt", Value: primitive.DateTime(0)}}}}
		return bson.A{bson.D{{Key: "$or", Value: bson.A{known, bson.D{{Key: "$and", Value: bson.A{unknown, among}}}}}}}
	default:
		same := bson.D{{Key: "$and", Value: bson.A{bson.D{{Key: fieldWaiting, Value: at}}, among}}}
		or := bson.A{bson.D{{Key: fieldWaiting, Value: bson.D{{Key: strict, Value: at}}}}, same}
		if desc {
			return bson.A{bson.D{{Key: "$or", Value: append(or, unknown)}}}
		}
		return bson.A{bson.D{{Key: fieldWaiting, Value: bson.D{{Key: wide, Value: at}}}}, bson.D{{Key: "$or", Value: or}}}
	}
}
