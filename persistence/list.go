package persistence

import (
	"context"

	"chatbox"
	"chatbox/persistence/internal/record"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/bson/primitive"
	"go.mongodb.org/mongo-driver/mongo/options"
)

// List returns one page of a user's sessions, by newest activity and then by id.
// Erased sessions are not listed. It returns chatbox.InvalidArgument for an
// unknown status or a cursor that this package did not make.
func (m *Sessions) List(ctx context.Context, q chatbox.SessionQuery) (chatbox.SessionPage, error) {
	const act = "list sessions"
	filter, err := listFilter(q)
	if err != nil {
		return chatbox.SessionPage{}, err
	}
	var docs []sessionDoc
	err = m.s.find(ctx, act, &docs, m.s.sessions, filter, options.Find().SetSort(listOrder()).SetLimit(int64(q.Limit)+1))
	if err != nil {
		return chatbox.SessionPage{}, err
	}
	var page chatbox.SessionPage
	if len(docs) > q.Limit {
		docs = docs[:q.Limit]
		last := docs[q.Limit-1]
		page.Next = record.Cursor{Activity: int64(last.LastActivity), ID: last.Session}.String()
	}
	for _, d := range docs {
		page.Sessions = append(page.Sessions, m.s.decodeSession(d))
	}
	return page, nil
}

// Held returns the sessions that people hold, according to the stored folds.
func (m *Sessions) Held(ctx context.Context) ([]chatbox.Holding, error) {
	var docs []sessionDoc
	err := m.s.find(ctx, "list held sessions", &docs, m.s.sessions, bson.D{{Key: "state.holder", Value: bson.D{{Key: "$gt", Value: ""}}}},
		options.Find().SetProjection(bson.D{
			{Key: "tenant", Value: 1}, {Key: "session", Value: 1}, {Key: "state.holder", Value: 1}, {Key: "state.answerable_from", Value: 1},
		}))
	held := make([]chatbox.Holding, 0, len(docs))
	for _, d := range docs {
		held = append(held, chatbox.Holding{
			Session: chatbox.SessionKey{Tenant: d.Tenant, ID: d.Session}, Holder: d.State.Holder, Since: d.State.AnswerableFrom,
		})
	}
	return held, err
}

// listOrder is the sort order, which is that of the index.
func listOrder() bson.D {
	return bson.D{{Key: "last_activity", Value: -1}, {Key: "session", Value: 1}}
}

func listFilter(q chatbox.SessionQuery) (bson.D, error) {
	filter := bson.D{{Key: "tenant", Value: q.User.Tenant}, {Key: "owner", Value: q.User.ID}, {Key: "erased", Value: false}}
	switch q.Status {
	case "":
	case "active", "ended":
		filter = append(filter, bson.E{Key: "state.ended", Value: q.Status == "ended"})
	default:
		return nil, chatbox.Invalid("status", "must be active or ended")
	}
	if q.Cursor == "" {
		return filter, nil
	}
	after, err := record.ParseCursor(q.Cursor)
	if err != nil {
		return nil, err
	}
	at := primitive.DateTime(after.Activity)
	return append(filter,
		// The first condition narrows the index bounds; the second is exact.
		bson.E{Key: "last_activity", Value: bson.D{{Key: "$lte", Value: at}}},
		bson.E{Key: "$or", Value: bson.A{
			bson.D{{Key: "last_activity", Value: bson.D{{Key: "$lt", Value: at}}}},
			bson.D{{Key: "session", Value: bson.D{{Key: "$gt", Value: after.ID}}}},
		}}), nil
}
