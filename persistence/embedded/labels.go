package embedded

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"strings"

	"chatbox"
	"chatbox/helpdesk"
	"chatbox/persistence/internal/record"
)

// schemaLabels needs the later columns. A session's row holds its sealed tags;
// session_tags repeats their marks for lookups.
const schemaLabels = `
CREATE TABLE IF NOT EXISTS session_tags (
	tenant TEXT NOT NULL, session TEXT NOT NULL, mark BLOB NOT NULL, PRIMARY KEY (tenant, session, mark)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS session_tags_mark ON session_tags (tenant, mark);
CREATE INDEX IF NOT EXISTS staff_assigned ON sessions (tenant, assigned, last_activity, session) WHERE assigned <> '';
CREATE INDEX IF NOT EXISTS staff_assigned_open ON sessions (tenant, assigned, ended, erased, ` + waits + `) WHERE assigned <> '' AND ended = 0;
CREATE INDEX IF NOT EXISTS staff_holder ON sessions (tenant, holder, last_activity, session) WHERE holder <> '';
`

const (
	sqlSetTags   = `UPDATE sessions SET tags = ? WHERE tenant = ? AND session = ? AND erased = 0`
	sqlMark      = `INSERT INTO session_tags (tenant, session, mark) VALUES (?, ?, ?) ON CONFLICT DO NOTHING`
	sqlUnmark    = `DELETE FROM session_tags WHERE tenant = ? AND session = ?`
	sqlAssign    = `UPDATE sessions SET assigned = ?, assigned_name = ? WHERE tenant = ? AND session = ? AND erased = 0`
	sqlUnassign  = `UPDATE sessions SET assigned = NULL, assigned_name = NULL WHERE tenant = ? AND assigned = ? AND assigned <> ''`
	sqlTagsInUse = `SELECT t.mark, count(*) AS n, max(s.last_activity), s.session, s.tags FROM session_tags t
	JOIN sessions s ON s.tenant = t.tenant AND s.session = t.session
	WHERE t.tenant = ? AND s.erased = 0 GROUP BY t.mark ORDER BY n DESC, t.mark LIMIT ?`
	sqlHolding  = `SELECT count(*), coalesce(sum(` + unread + ` > 0), 0) FROM sessions WHERE tenant = ? AND holder = ? AND holder <> '' AND erased = 0`
	sqlAssigned = `SELECT count(*), coalesce(sum(` + waits + `), 0) FROM sessions
	WHERE tenant = ? AND assigned = ? AND assigned <> '' AND ended = 0 AND erased = 0`
)

// labelConditions adds the query's conditions on labels and holders. Conditions
// that are part of an index have no parameters, so that SQLite uses the index.
func labelConditions(c *conditions, q record.StaffQuery) {
	if q.Assigned != "" {
		c.add("assigned = ? AND assigned <> ''", q.Assigned)
	}
	if q.HeldBy != "" {
		c.add("holder = ? AND holder <> ''", q.HeldBy)
	}
	for _, marks := range q.Marks {
		args := make([]any, len(marks))
		for i, mark := range marks {
			args[i] = mark
		}
		c.add("EXISTS (SELECT 1 FROM session_tags t WHERE t.tenant = sessions.tenant AND t.session = sessions.session AND t.mark IN (?"+
			strings.Repeat(", ?", len(marks)-1)+"))", args...)
	}
}

// SetTags replaces the session's tags. It returns chatbox.NotFound if there is no
// such session or it is erased.
func (m *Sessions) SetTags(ctx context.Context, k chatbox.SessionKey, tags []string) error {
	const act = "tag a session"
	sealed, err := record.SealTags(m.s.keys, m.s.keys, k, tags)
	if err != nil {
		return record.Failed(act, err)
	}
	var row any
	if len(tags) > 0 {
		if row, err = json.Marshal(sealed); err != nil {
			return record.Failed(act, err)
		}
	}
	return m.s.do(ctx, act, smallWrite, func(ctx context.Context, tx *sql.Tx) error {
		return atomically(ctx, tx, true, func() error {
			if err := labelled(tx.ExecContext(ctx, sqlSetTags, row, k.Tenant, k.ID))(k); err != nil {
				return err
			}
			if _, err := tx.ExecContext(ctx, sqlUnmark, k.Tenant, k.ID); err != nil {
				return err
			}
			for _, t := range sealed {
				if _, err := tx.ExecContext(ctx, sqlMark, k.Tenant, k.ID, t.Mark); err != nil {
					return err
				}
			}
			return nil
		})
	})
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
	var id any
	if to.Has() {
		id = to.ID
	}
	return m.s.do(ctx, act, smallWrite, func(ctx context.Context, tx *sql.Tx) error {
		return labelled(tx.ExecContext(ctx, sqlAssign, id, nullable(name), k.Tenant, k.ID))(k)
	})
}

// labelled converts the outcome of an update of labels into the port's error: it
// failed, or there was no row.
func labelled(done sql.Result, err error) func(k chatbox.SessionKey) error {
	return func(k chatbox.SessionKey) error {
		if err != nil {
			return err
		}
		if n, err := done.RowsAffected(); err != nil || n > 0 {
			return err
		}
		return &settled{record.NoSession(k)}
	}
}

// Tags returns up to most of the tenant's tags in use, most used first.
func (m *Sessions) Tags(ctx context.Context, tenant string, most int) ([]helpdesk.TagCount, error) {
	const act = "count tags"
	rows, err := m.s.reader.QueryContext(ctx, sqlTagsInUse, tenant, record.MaxMarks)
	found, err := collect(act, rows, err, func(scan func(...any) error) (record.FoundTag, error) {
		var mark, row []byte
		var activity int64
		f := record.FoundTag{Session: chatbox.SessionKey{Tenant: tenant}}
		if err := scan(&mark, &f.Sessions, &activity, &f.Session.ID, &row); err != nil {
			return f, err
		}
		f.Box, _ = boxOf(row, mark) // a malformed box is skipped
		return f, nil
	})
	if err != nil {
		return nil, err
	}
	return record.CountTags(m.s.keys, found, most), nil
}

// boxOf returns the box of the tag with the mark, from a row's tags.
func boxOf(row, mark []byte) ([]byte, error) {
	tags, err := decodeTags(row)
	for _, t := range tags {
		if string(t.Mark) == string(mark) {
			return t.Box, nil
		}
	}
	return nil, err
}

func decodeTags(row []byte) (tags []record.Tag, err error) {
	if len(row) == 0 {
		return nil, nil
	}
	if err := json.Unmarshal(row, &tags); err != nil {
		return nil, fmt.Errorf("decode tags: %w", err)
	}
	return tags, nil
}

// Workload counts the sessions that the member of staff holds, and the sessions
// assigned to them that have not ended.
func (m *Sessions) Workload(ctx context.Context, who chatbox.UserKey) (w helpdesk.Workload, err error) {
	if err = m.s.reader.QueryRowContext(ctx, sqlHolding, who.Tenant, who.ID).Scan(&w.Held, &w.HeldUnread); err == nil {
		err = m.s.reader.QueryRowContext(ctx, sqlAssigned, who.Tenant, who.ID).Scan(&w.Assigned, &w.AssignedWaiting)
	}
	if err != nil {
		return w, record.Failed("count a workload", err)
	}
	return w, nil
}

// labels are the labels that staff put on a session, as stored in its row.
type labels struct {
	tags         []byte
	assigned     sql.NullString
	assignedName []byte
}

// open decodes the labels into the session, whose key must be set.
func (l labels) open(o *record.Opener, into *chatbox.Session) {
	tags, err := decodeTags(l.tags)
	if err != nil {
		o.Unreadable = true
	}
	into.Tags = o.Tags(tags)
	into.Assignee = o.Assignee(l.assigned.String, l.assignedName)
}
