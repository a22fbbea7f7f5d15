package embedded

import (
	"context"
	"strings"
	"time"

	"chatbox/helpdesk"
	"chatbox/persistence/internal/record"
)

// Some orders of staff's list sort by fields of the fold. These expressions must
// be identical to those of the indexes, or SQLite does not use the indexes.
const (
	endedAt  = `coalesce(cast(round((julianday(json_extract(state, '$.ended_at')) - 2440587.5) * 86400000) AS INTEGER), -62135596800000)`
	started  = `cast(round((julianday(json_extract(state, '$.started_at')) - 2440587.5) * 86400000) AS INTEGER)`
	duration = `coalesce(max(0, iif(ended, ` + endedAt + `, last_activity) - ` + started + `), 0)`
	spent    = `coalesce(json_extract(state, '$.tokens'), 0)`
	answers  = `coalesce(json_extract(state, '$.answers'), 0)`
	messages = `head - coalesce(json_extract(state, '$.others'), 0)`
	total    = `coalesce(json_extract(state, '$.response_total'), 0)`
	longest  = `coalesce(json_extract(state, '$.response_max'), 0)`
	assisted = `coalesce(json_extract(state, '$.admin_assisted'), 0)`
	score    = `json_extract(rating, '$.score')`
	helped   = `coalesce(json_extract(state, '$.help_requested'), 0)`
	unread   = `coalesce(json_extract(state, '$.unread'), 0)`
	waits    = `coalesce(json_extract(state, '$.help_pending'), 0)`
	waitedAt = `coalesce(cast(round((julianday(json_extract(state, '$.waiting_since')) - 2440587.5) * 86400000) AS INTEGER), -62135596800000)`
)

// waiting is the condition of the queue's index. It has no parameter, so that
// SQLite uses the index.
const waiting = waits + " = 1"

const schemaStaff = `
CREATE INDEX IF NOT EXISTS staff_start_time ON sessions (tenant, created, session);
CREATE INDEX IF NOT EXISTS staff_end_time ON sessions (tenant, ` + endedAt + `, session);
CREATE INDEX IF NOT EXISTS staff_last_activity ON sessions (tenant, last_activity, session);
CREATE INDEX IF NOT EXISTS staff_duration ON sessions (tenant, ` + duration + `, session);
CREATE INDEX IF NOT EXISTS staff_messages ON sessions (tenant, ` + messages + `, session);
CREATE INDEX IF NOT EXISTS staff_total_tokens ON sessions (tenant, ` + spent + `, session);
CREATE INDEX IF NOT EXISTS staff_user_id ON sessions (tenant, owner, session);
CREATE INDEX IF NOT EXISTS staff_waiting_since ON sessions (tenant, ` + waitedAt + `, session) WHERE ` + waiting + `;
CREATE TABLE IF NOT EXISTS crowds (
	id TEXT PRIMARY KEY, tenant TEXT NOT NULL, minute INTEGER NOT NULL, pod TEXT NOT NULL, seconds REAL NOT NULL, peak INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS crowds_minute ON crowds (tenant, minute);
CREATE INDEX IF NOT EXISTS crowds_old ON crowds (minute);
`

func sortColumn(by helpdesk.SessionSort) string {
	switch by {
	case helpdesk.SortStart:
		return "created"
	case helpdesk.SortEnd:
		return endedAt
	case helpdesk.SortDuration:
		return duration
	case helpdesk.SortMessages:
		return messages
	case helpdesk.SortTokens:
		return spent
	case helpdesk.SortUser:
		return "owner"
	case helpdesk.SortWaiting:
		return waitedAt
	default:
		return "last_activity"
	}
}

// conditions collects the terms of a WHERE clause and their values.
type conditions struct {
	parts []string
	args  []any
}

func (c *conditions) add(part string, args ...any) {
	c.parts, c.args = append(c.parts, part), append(c.args, args...)
}

func (c *conditions) String() string { return strings.Join(c.parts, " AND ") }

func staffConditions(q record.StaffQuery) *conditions {
	c := &conditions{}
	c.add("tenant = ? AND erased = 0", q.Tenant)
	if q.UserID != "" {
		c.add("owner = ?", q.UserID)
	}
	if q.Status != "" {
		c.add("ended = ?", q.Status == "ended")
	}
	if q.Assisted != nil {
		c.add(assisted+" = ?", *q.Assisted)
	}
	if q.Help != nil {
		c.add(helped+" = ?", *q.Help)
	}
	switch w := q.WaitingOnly(); {
	case w == nil:
	case *w:
		c.add(waiting)
	default:
		c.add(waits + " = 0")
	}
	if q.Feedback != "" {
		c.add(withFeedback, string(q.Feedback))
	}
	labelConditions(c, q)
	nameConditions(c, q)
	if !q.From.IsZero() {
		c.add("created >= ?", record.Millis(q.From))
	}
	if !q.To.IsZero() {
		c.add("created < ?", record.Millis(q.To))
	}
	return c
}

// staffSQL returns the query's statement, which reads one row more than the page.
func staffSQL(q record.StaffQuery, after *record.StaffCursor) (string, []any) {
	c := staffConditions(q)
	column, strict, wide, direction := sortColumn(q.Sort), " > ?", " >= ?", " ASC"
	if q.Desc {
		strict, wide, direction = " < ?", " <= ?", " DESC"
	}
	if after != nil {
		var at any = after.Value
		if q.Sort == helpdesk.SortUser {
			at = after.Text
		}
		// The first condition narrows the index bounds; the second is exact.
		c.add(column+wide, at)
		c.add("("+column+strict+" OR session"+strict+")", at, after.ID)
	}
	text := "SELECT " + storedColumns + " FROM sessions WHERE " + c.String() +
		" ORDER BY " + column + direction + ", session" + direction + " LIMIT ? OFFSET ?"
	return text, append(c.args, q.Limit+1, q.Offset)
}

// All returns one page of a tenant's sessions in any order. Erased sessions are
// not listed.
func (m *Sessions) All(ctx context.Context, q helpdesk.StaffQuery) (helpdesk.StaffPage, error) {
	const act = "list a tenant's sessions"
	var page helpdesk.StaffPage
	if err := record.CheckStaffQuery(q); err != nil {
		return page, err
	}
	marked, err := record.Asked(m.s.keys, q, m.s.noWords)
	if err != nil {
		return helpdesk.StaffPage{}, err
	}
	var after *record.StaffCursor
	if q.Cursor != "" {
		c, err := record.ParseStaffCursor(q)
		if err != nil {
			return page, err
		}
		after, page.Total, page.More = &c, c.Total, c.More
	} else {
		c := staffConditions(marked)
		counting := "SELECT count(*) FROM (SELECT 1 FROM sessions WHERE " + c.String() + " LIMIT ?)"
		if err := m.s.reader.QueryRowContext(ctx, counting, append(c.args, helpdesk.MaxCounted+1)...).Scan(&page.Total); err != nil {
			return page, record.Failed(act, err)
		}
		page.More = page.Total > helpdesk.MaxCounted
		page.Total = min(page.Total, helpdesk.MaxCounted)
	}
	text, args := staffSQL(marked, after)
	rows, err := m.s.reader.QueryContext(ctx, text, args...)
	if err != nil {
		return page, record.Failed(act, err)
	}
	defer rows.Close()
	var last record.StaffCursor
	for rows.Next() {
		s, activity, err := m.s.scanSession(q.Tenant, rows.Scan)
		if err != nil {
			return page, record.Failed(act, err)
		}
		if len(page.Sessions) == q.Limit {
			page.Next = last.String()
			break
		}
		page.Sessions = append(page.Sessions, s)
		last = record.StaffCursor{Sort: q.Sort, Desc: q.Desc, ID: s.Key.ID, Total: page.Total, More: page.More, Of: record.FiltersOf(q)}
		last.Value, last.Text = record.SortValue(q.Sort, s, activity)
	}
	if err := rows.Err(); err != nil {
		return page, record.Failed(act, err)
	}
	return page, nil
}

// Summary aggregates the sessions that began within from ≤ start < to. It is one
// statement, so its numbers are consistent.
func (m *Sessions) Summary(ctx context.Context, tenant string, from, to time.Time) (helpdesk.SessionSummary, error) {
	c := staffConditions(record.StaffQuery{StaffQuery: helpdesk.StaffQuery{Tenant: tenant, From: from, To: to}})
	var s helpdesk.SessionSummary
	err := m.s.reader.QueryRowContext(ctx, `SELECT count(*), coalesce(sum(1 - ended), 0), coalesce(sum(`+spent+`), 0), coalesce(sum(`+answers+`), 0),
	coalesce(sum(`+total+`), 0), coalesce(max(`+longest+`), 0), coalesce(sum(`+assisted+`), 0), coalesce(sum(`+helped+`), 0), count(`+score+`), coalesce(sum(`+score+`), 0)
	FROM sessions WHERE `+c.String(), c.args...).
		Scan(&s.Total, &s.Active, &s.Tokens, &s.Answers, &s.ResponseTotal, &s.ResponseMax, &s.Assisted, &s.Asked, &s.Ratings, &s.Scores)
	if err != nil {
		return s, record.Failed("sum up sessions", err)
	}
	return s, nil
}
