package persistence

import (
	"context"
	"time"

	"chatbox/helpdesk"
	"chatbox/persistence/internal/record"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/bson/primitive"
	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"
)

// The first window of a list by time, and the factor by which each window grows.
const (
	firstWindow = time.Hour
	widening    = 4
	lastWindow  = 100 * 365 * 24 * time.Hour
)

// sortField returns the field of the order; tenant, this field and session are
// the fields of an index.
func sortField(by helpdesk.SessionSort) string {
	switch by {
	case helpdesk.SortStart:
		return "created"
	case helpdesk.SortEnd:
		return "state.ended_at"
	case helpdesk.SortDuration:
		return "state.duration"
	case helpdesk.SortMessages:
		return "state.messages"
	case helpdesk.SortTokens:
		return "state.tokens"
	case helpdesk.SortUser:
		return "owner"
	case helpdesk.SortWaiting:
		return fieldWaiting
	default:
		return "last_activity"
	}
}

// All returns one page of a tenant's sessions in any order. Erased sessions are
// not listed. The index has the order, so every page costs the same; an offset
// costs as much as the sessions that it skips. It returns chatbox.InvalidArgument
// for a bad query.
func (m *Sessions) All(ctx context.Context, q helpdesk.StaffQuery) (helpdesk.StaffPage, error) {
	if err := record.CheckStaffQuery(q); err != nil {
		return helpdesk.StaffPage{}, err
	}
	marked, err := record.Asked(m.s.keys, q, m.s.cfg.NoWords)
	if err != nil {
		return helpdesk.StaffPage{}, err
	}
	var after *record.StaffCursor
	if q.Cursor != "" {
		c, err := record.ParseStaffCursor(q)
		if err != nil {
			return helpdesk.StaffPage{}, err
		}
		after = &c
	}
	var page helpdesk.StaffPage
	if after != nil {
		page.Total, page.More = after.Total, after.More
	} else if page.Total, err = m.count(ctx, marked); err != nil {
		return page, err
	} else if page.Total > helpdesk.MaxCounted {
		page.Total, page.More = helpdesk.MaxCounted, true
	}
	docs, err := m.staffDocs(ctx, marked, after)
	if err != nil {
		return page, err
	}
	more := len(docs) > q.Limit
	docs = docs[:min(len(docs), q.Limit)]
	for _, d := range docs {
		page.Sessions = append(page.Sessions, m.s.decodeSession(d))
	}
	if more {
		last := len(docs) - 1
		c := record.StaffCursor{Sort: q.Sort, Desc: q.Desc, ID: docs[last].Session, Total: page.Total, More: page.More, Of: record.FiltersOf(q)}
		c.Value, c.Text = record.SortValue(q.Sort, page.Sessions[last], int64(docs[last].LastActivity))
		page.Next = c.String()
	}
	return page, nil
}

func (m *Sessions) count(ctx context.Context, q record.StaffQuery) (n int64, err error) {
	err = m.s.do(ctx, "count a tenant's sessions", func(ctx context.Context) error {
		n, err = m.s.sessions.CountDocuments(ctx, staffFilter(q, nil), options.Count().SetLimit(helpdesk.MaxCounted+1))
		return err
	})
	return n, err
}

// staffDocs reads the page and one more document.
//
// A list by time is read in growing windows, each a closed range of the index. A
// server that sorts all matches, as the DocumentDB stack does, then sorts few; a
// server that reads in index order loses nothing.
func (m *Sessions) staffDocs(ctx context.Context, q record.StaffQuery, after *record.StaffCursor) ([]sessionDoc, error) {
	at, ok := windowsFrom(q.StaffQuery, after)
	if !ok {
		return m.findStaff(ctx, q, staffFilter(q, after), q.Limit+1)
	}
	var docs []sessionDoc
	width := firstWindow
	for newest := after == nil && q.To.IsZero(); ; newest = false {
		lo, hi := at.Add(-width), at
		if !q.Desc {
			lo, hi = at, at.Add(width)
		} else if newest {
			hi = at.Add(lastWindow) // clocks of pods may differ
		}
		last := width >= lastWindow
		filter := append(staffFilter(q, after), within(sortField(q.Sort), lo, hi, q.Desc, last))
		some, err := m.findStaff(ctx, q, filter, q.Limit+1-len(docs))
		if err != nil {
			return nil, err
		}
		if docs = append(docs, some...); len(docs) > q.Limit || last {
			return docs, nil
		}
		if at = lo; !q.Desc {
			at = hi
		}
		width = min(width*widening, lastWindow)
	}
}

// windowsFrom returns where the first window of a list by time begins; false if
// the list is not read in windows.
func windowsFrom(q helpdesk.StaffQuery, after *record.StaffCursor) (time.Time, bool) {
	switch {
	case q.Offset != 0 || q.Sort != helpdesk.SortStart && q.Sort != helpdesk.SortActivity || q.UserID != "":
		return time.Time{}, false
	case after != nil:
		return record.Time(after.Value), true
	case !q.Desc && q.Sort == helpdesk.SortStart && !q.From.IsZero():
		return q.From, true
	case q.Desc && q.Sort == helpdesk.SortStart && !q.To.IsZero():
		return q.To, true
	case q.Desc:
		return time.Now(), true
	default:
		return time.Time{}, false
	}
}

// within returns the range of one window. Windows touch but do not overlap: each
// contains the times of the end that the list comes from. The last window is
// unbounded at its other end.
func within(field string, lo, hi time.Time, desc, last bool) bson.E {
	from, to := primitive.DateTime(record.Millis(lo)), primitive.DateTime(record.Millis(hi))
	switch {
	case desc && last:
		return bson.E{Key: field, Value: bson.D{{Key: "$lte", Value: to}}}
	case desc:
		return bson.E{Key: field, Value: bson.D{{Key: "$gt", Value: from}, {Key: "$lte", Value: to}}}
	case last:
		return bson.E{Key: field, Value: bson.D{{Key: "$gte", Value: from}}}
	default:
		return bson.E{Key: field, Value: bson.D{{Key: "$gte", Value: from}, {Key: "$lt", Value: to}}}
	}
}

func (m *Sessions) findStaff(ctx context.Context, q record.StaffQuery, filter bson.D, limit int) (docs []sessionDoc, err error) {
	direction := 1
	if q.Desc {
		direction = -1
	}
	opts := options.Find().SetLimit(int64(limit)).SetSkip(int64(q.Offset)).
		SetSort(bson.D{{Key: sortField(q.Sort), Value: direction}, {Key: "session", Value: direction}})
	err = m.s.find(ctx, "list a tenant's sessions", &docs, m.s.sessions, filter, opts)
	return docs, err
}

// staffFilter returns the filter of the query and its cursor.
func staffFilter(q record.StaffQuery, after *record.StaffCursor) bson.D {
	filter := bson.D{{Key: "tenant", Value: q.Tenant}, {Key: "erased", Value: false}}
	all := markFilters(q) // joined with other conditions on fields that several may name
	if q.UserID != "" {
		filter = append(filter, bson.E{Key: "owner", Value: q.UserID})
	}
	if q.Status != "" {
		filter = append(filter, bson.E{Key: "state.ended", Value: q.Status == "ended"})
	}
	filter = flag(filter, "state.admin_assisted", q.Assisted)
	filter = flag(filter, "state.help_requested", q.Help)
	filter = labelFilter(flag(filter, "state.help_pending", q.WaitingOnly()), q)
	filter = feedbackFilter(append(filter, anyOf("name_words", q.Names)...), q.Feedback)
	if !q.From.IsZero() {
		all = append(all, bson.D{{Key: "created", Value: bson.D{{Key: "$gte", Value: primitive.DateTime(record.Millis(q.From))}}}})
	}
	if !q.To.IsZero() {
		all = append(all, bson.D{{Key: "created", Value: bson.D{{Key: "$lt", Value: primitive.DateTime(record.Millis(q.To))}}}})
	}
	if after != nil {
		all = append(all, beyond(q.StaffQuery, *after)...)
	}
	if len(all) > 0 {
		filter = append(filter, bson.E{Key: "$and", Value: all})
	}
	return filter
}

// flag filters by a flag that is stored only if it is set.
func flag(filter bson.D, field string, want *bool) bson.D {
	switch {
	case want == nil:
		return filter
	case *want:
		return append(filter, bson.E{Key: field, Value: true})
	default:
		return append(filter, bson.E{Key: field, Value: bson.D{{Key: "$ne", Value: true}}})
	}
}

// beyond matches everything after the cursor in the order. The first condition
// narrows the index bounds; the second is exact.
func beyond(q helpdesk.StaffQuery, c record.StaffCursor) bson.A {
	field, strict, wide := sortField(q.Sort), "$gt", "$gte"
	if q.Desc {
		strict, wide = "$lt", "$lte"
	}
	var at any = c.Value
	switch q.Sort {
	case helpdesk.SortWaiting:
		return beyondWaiting(strict, wide, record.Time(c.Value), c.ID, q.Desc)
	case helpdesk.SortUser:
		at = c.Text
	case helpdesk.SortStart, helpdesk.SortEnd, helpdesk.SortActivity:
		at = primitive.DateTime(c.Value)
	default:
	}
	return bson.A{
		bson.D{{Key: field, Value: bson.D{{Key: wide, Value: at}}}},
		bson.D{{Key: "$or", Value: bson.A{
			bson.D{{Key: field, Value: bson.D{{Key: strict, Value: at}}}},
			bson.D{{Key: "session", Value: bson.D{{Key: strict, Value: c.ID}}}},
		}}},
	}
}

// Summary aggregates the sessions that began within from ≤ start < to. It is one
// aggregation, so its numbers are consistent.
func (m *Sessions) Summary(ctx context.Context, tenant string, from, to time.Time) (helpdesk.SessionSummary, error) {
	sum := func(of any) bson.D { return bson.D{{Key: "$sum", Value: of}} }
	countIf := func(field string, want bool) bson.D {
		yes, no := 1, 0
		if !want {
			yes, no = 0, 1
		}
		return sum(bson.D{{Key: "$cond", Value: bson.A{bson.D{{Key: "$eq", Value: bson.A{field, true}}}, yes, no}}})
	}
	pipeline := mongo.Pipeline{
		{{Key: "$match", Value: staffFilter(record.StaffQuery{StaffQuery: helpdesk.StaffQuery{Tenant: tenant, From: from, To: to}}, nil)}},
		{{Key: "$group", Value: bson.D{
			{Key: "_id", Value: nil},
			{Key: "total", Value: sum(1)},
			{Key: "active", Value: countIf("$state.ended", false)},
			{Key: "tokens", Value: sum("$state.tokens")},
			{Key: "answers", Value: sum("$state.answers")},
			{Key: "response_total", Value: sum("$state.response_total")},
			{Key: "response_max", Value: bson.D{{Key: "$max", Value: "$state.response_max"}}},
			{Key: "assisted", Value: countIf("$state.admin_assisted", true)},
			{Key: "asked", Value: countIf("$state.help_requested", true)},
			{Key: "ratings", Value: sum(bson.D{{Key: "$cond", Value: bson.A{bson.D{{Key: "$gt", Value: bson.A{"$rating.score", 0}}}, 1, 0}}})},
			{Key: "scores", Value: sum("$rating.score")},
		}}},
	}
	var rows []struct {
		Total, Active, Tokens, Answers, Assisted, Asked int64

		ResponseTotal int64 `bson:"response_total"`
		ResponseMax   int64 `bson:"response_max"`

		Ratings, Scores int64
	}
	err := m.s.aggregate(ctx, "sum up sessions", &rows, m.s.sessions, pipeline)
	if err != nil || len(rows) == 0 {
		return helpdesk.SessionSummary{}, err
	}
	r := rows[0]
	return helpdesk.SessionSummary{
		Total: r.Total, Active: r.Active, Tokens: r.Tokens, Answers: r.Answers, ResponseTotal: r.ResponseTotal,
		ResponseMax: r.ResponseMax, Assisted: r.Assisted, Asked: r.Asked, Ratings: r.Ratings, Scores: r.Scores,
	}, nil
}
