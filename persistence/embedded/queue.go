package embedded

import (
	"context"

	"chatbox"
	"chatbox/helpdesk"
	"chatbox/persistence/internal/record"
)

const (
	sqlQueue = `SELECT session, owner, ` + waitedAt + ` FROM sessions WHERE tenant = ? AND erased = 0 AND ` + waiting + `
	ORDER BY ` + waitedAt + `, session LIMIT ?`
	sqlWaiting = `SELECT count(*) FROM (SELECT 1 FROM sessions WHERE tenant = ? AND erased = 0 AND ` + waiting + ` LIMIT ?)`
)

// Queue returns the first limit of the tenant's sessions that wait for a person,
// in the order of helpdesk.Waiting, and the total number, counted up to
// helpdesk.MaxCounted. It reflects the stored folds.
func (m *Sessions) Queue(ctx context.Context, tenant string, limit int) (first []helpdesk.Waiting, total int64, err error) {
	const act = "read the queue"
	rows, err := m.s.reader.QueryContext(ctx, sqlQueue, tenant, limit)
	first, err = collect(act, rows, err, func(scan func(...any) error) (helpdesk.Waiting, error) {
		w := helpdesk.Waiting{Session: chatbox.SessionKey{Tenant: tenant}}
		var since int64
		if err := scan(&w.Session.ID, &w.Owner, &since); err != nil {
			return w, err
		}
		w.Since = record.Time(since)
		return w, nil
	})
	if err != nil {
		return nil, 0, err
	}
	if len(first) < limit {
		return first, int64(len(first)), nil
	}
	if err := m.s.reader.QueryRowContext(ctx, sqlWaiting, tenant, helpdesk.MaxCounted).Scan(&total); err != nil {
		return nil, 0, record.Failed(act, err)
	}
	return first, max(total, int64(len(first))), nil
}
