package persistence

import (
	"context"
	"errors"

	"chatbox"
	"chatbox/helpdesk"
	"chatbox/persistence/internal/record"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"
)

// Names of the label indexes.
const (
	indexTag      = "tenant_tag"
	indexTagged   = "tenant_tagged"
	indexAssigned = "tenant_assigned"
	indexOpen     = "tenant_assigned_open"
	indexHolder   = "tenant_holder"
)

// labelIndexes cover only sessions that have a label or an owner among staff.
// They serve staff's list order and the counts.
func labelIndexes() []mongo.IndexModel {
	some := func(field string) bson.D { return bson.D{{Key: field, Value: bson.D{{Key: "$gt", Value: ""}}}} }
	index := func(name string, partial bson.D, fields ...string) mongo.IndexModel {
		keys := bson.D{{Key: "tenant", Value: 1}}
		for _, f := range fields {
			keys = append(keys, bson.E{Key: f, Value: 1})
		}
		return mongo.IndexModel{Keys: keys, Options: options.Index().SetName(name).SetPartialFilterExpression(partial)}
	}
	tagged := bson.D{{Key: "tagged", Value: true}}
	open := append(some("assigned"), bson.E{Key: "state.ended", Value: false})
	return []mongo.IndexModel{
		index(indexTag, tagged, "tags.mark", "last_activity", "session"),
		index(indexTagged, tagged, "last_activity", "session", "tagged"),
		index(indexAssigned, some("assigned"), "assigned", "last_activity", "session"),
		index(indexOpen, open, "assigned", "state.ended", "erased", "state.help_pending"),
		index(indexHolder, some("state.holder"), "state.holder", "last_activity", "session"),
	}
}

// labelFilter adds the query's conditions on labels and holders. Several tags are
// several conditions on one field, which the caller joins.
func labelFilter(filter bson.D, q record.StaffQuery) bson.D {
	if q.Assigned != "" {
		filter = append(filter, bson.E{Key: "assigned", Value: q.Assigned})
	}
	if q.HeldBy != "" {
		filter = append(filter, bson.E{Key: "state.holder", Value: q.HeldBy})
	}
	if len(q.Marks) > 0 {
		filter = append(filter, bson.E{Key: "tagged", Value: true})
	}
	return filter
}

func markFilters(q record.StaffQuery) (all bson.A) {
	for _, marks := range q.Marks {
		all = append(all, bson.D{{Key: "tags.mark", Value: bson.D{{Key: "$in", Value: marks}}}})
	}
	return all
}

// SetTags replaces the session's tags. It returns chatbox.NotFound if there is no
// such session or it is erased.
func (m *Sessions) SetTags(ctx context.Context, k chatbox.SessionKey, tags []string) error {
	const act = "tag a session"
	sealed, err := record.SealTags(m.s.keys, m.s.keys, k, tags)
	if err != nil {
		return record.Failed(act, err)
	}
	change := bson.D{{Key: "$set", Value: bson.D{{Key: "tags", Value: sealed}, {Key: "tagged", Value: true}}}}
	if len(tags) == 0 {
		change = bson.D{{Key: "$unset", Value: bson.D{{Key: "tags", Value: ""}, {Key: "tagged", Value: ""}}}}
	}
	return m.label(ctx, act, k, change)
}

// Assign assigns the session to a member of staff; an empty assignee removes the
// assignment. It returns chatbox.NotFound if there is no such session or it is
// erased.
func (m *Sessions) Assign(ctx context.Context, k chatbox.SessionKey, to chatbox.Assignee) error {
	const act = "assign a session"
	name, err := record.SealAssignee(m.s.keys, k, to)
	if err != nil {
		return record.Failed(act, err)
	}
	change := bson.D{{Key: "$set", Value: bson.D{{Key: "assigned", Value: to.ID}, {Key: "assigned_name", Value: name}}}}
	if !to.Has() {
		change = unassigned()
	}
	return m.label(ctx, act, k, change)
}

func unassigned() bson.D {
	return bson.D{{Key: "$unset", Value: bson.D{{Key: "assigned", Value: ""}, {Key: "assigned_name", Value: ""}}}}
}

func (m *Sessions) label(ctx context.Context, act string, k chatbox.SessionKey, change bson.D) error {
	err := m.s.do(ctx, act, func(ctx context.Context) error {
		done, err := m.s.sessions.UpdateOne(ctx, append(placeOf(k), bson.E{Key: "erased", Value: false}), change)
		if err == nil && done.MatchedCount == 0 {
			return mongo.ErrNoDocuments
		}
		return err
	})
	if errors.Is(err, mongo.ErrNoDocuments) {
		return record.NoSession(k)
	}
	return err
}

// Tags returns up to most of the tenant's tags in use, most used first. It counts
// only the helpdesk.MaxCounted most recently active sessions that have tags.
func (m *Sessions) Tags(ctx context.Context, tenant string, most int) ([]helpdesk.TagCount, error) {
	const act = "count tags"
	pipeline := mongo.Pipeline{
		{{Key: "$match", Value: bson.D{{Key: "tenant", Value: tenant}, {Key: "tagged", Value: true}, {Key: "erased", Value: false}}}},
		{{Key: "$sort", Value: bson.D{{Key: "last_activity", Value: -1}, {Key: "session", Value: -1}}}},
		{{Key: "$limit", Value: helpdesk.MaxCounted}},
		{{Key: "$project", Value: bson.D{{Key: "session", Value: 1}, {Key: "tags", Value: 1}}}},
		{{Key: "$unwind", Value: "$tags"}},
		{{Key: "$group", Value: bson.D{
			{Key: "_id", Value: "$tags.mark"},
			{Key: "sessions", Value: bson.D{{Key: "$sum", Value: 1}}},
			{Key: "session", Value: bson.D{{Key: "$first", Value: "$session"}}},
			{Key: "box", Value: bson.D{{Key: "$first", Value: "$tags.box"}}},
		}}},
		{{Key: "$sort", Value: bson.D{{Key: "sessions", Value: -1}, {Key: "_id", Value: 1}}}},
		{{Key: "$limit", Value: record.MaxMarks}},
	}
	var rows []struct {
		Sessions int64
		Session  string
		Box      []byte
	}
	err := m.s.aggregate(ctx, act, &rows, m.s.sessions, pipeline)
	if err != nil {
		return nil, err
	}
	found := make([]record.FoundTag, len(rows))
	for i, r := range rows {
		found[i] = record.FoundTag{Sessions: r.Sessions, Session: chatbox.SessionKey{Tenant: tenant, ID: r.Session}, Box: r.Box}
	}
	return record.CountTags(m.s.keys, found, most), nil
}

// Workload counts the sessions that the member of staff holds, and the sessions
// assigned to them that have not ended.
func (m *Sessions) Workload(ctx context.Context, who chatbox.UserKey) (w helpdesk.Workload, err error) {
	held := bson.D{{Key: "tenant", Value: who.Tenant}, {Key: "state.holder", Value: who.ID}, {Key: "erased", Value: false}}
	unread := bson.D{{Key: "$gt", Value: bson.A{"$state.unread", 0}}}
	if w.Held, w.HeldUnread, err = m.countBoth(ctx, held, unread); err != nil {
		return w, err
	}
	assigned := bson.D{
		{Key: "tenant", Value: who.Tenant},
		{Key: "assigned", Value: who.ID},
		{Key: "state.ended", Value: false},
		{Key: "erased", Value: false},
	}
	waits := bson.D{{Key: "$eq", Value: bson.A{"$state.help_pending", true}}}
	w.Assigned, w.AssignedWaiting, err = m.countBoth(ctx, assigned, waits)
	return w, err
}

// countBoth counts the documents that match, and those of them for which the
// expression is true.
func (m *Sessions) countBoth(ctx context.Context, match, that bson.D) (all, some int64, err error) {
	var rows []struct{ All, Some int64 }
	err = m.s.aggregate(ctx, "count a workload", &rows, m.s.sessions, mongo.Pipeline{
		{{Key: "$match", Value: match}},
		{{Key: "$group", Value: bson.D{
			{Key: "_id", Value: nil},
			{Key: "all", Value: bson.D{{Key: "$sum", Value: 1}}},
			{Key: "some", Value: bson.D{{Key: "$sum", Value: bson.D{{Key: "$cond", Value: bson.A{that, 1, 0}}}}}},
		}}},
	})
	if err != nil || len(rows) == 0 {
		return 0, 0, err
	}
	return rows[0].All, rows[0].Some, nil
}
