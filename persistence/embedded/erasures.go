package embedded

import (
	"context"
	"database/sql"
	"time"

	"chatbox"
	"chatbox/persistence/internal/record"
)

const schemaErasures = `
CREATE TABLE IF NOT EXISTS erasures (
	tenant TEXT NOT NULL, user TEXT NOT NULL, at INTEGER NOT NULL, PRIMARY KEY (tenant, user)
) STRICT, WITHOUT ROWID;
`

const (
	sqlBeginErasure = `INSERT INTO erasures (tenant, user, at) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET at = max(at, excluded.at)`
	sqlErasing      = `SELECT tenant, user, at FROM erasures LIMIT ?`
	sqlDisown       = `UPDATE sessions SET owner = '' WHERE tenant = ?1 AND owner = ?2 AND erased = 1
	AND NOT EXISTS (SELECT 1 FROM tombstones t WHERE t.tenant = ?1 AND t.session = sessions.session)`
	sqlOwned      = `SELECT count(*) FROM sessions WHERE tenant = ? AND owner = ? AND erased = 1`
	sqlEndErasure = `DELETE FROM erasures WHERE tenant = ? AND user = ? AND at = ?`
)

// BeginErasure marks the person for erasure. The mark is durable when it returns.
// If the person is marked already, the later time is stored.
func (m *Sessions) BeginErasure(ctx context.Context, u chatbox.UserKey, at time.Time) error {
	return m.s.do(ctx, "begin to erase a person", smallWrite, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, sqlBeginErasure, u.Tenant, u.ID, record.Millis(at))
		return err
	})
}

// Erasing returns up to limit marked people.
func (m *Sessions) Erasing(ctx context.Context, limit int) ([]chatbox.Erasing, error) {
	rows, err := m.s.reader.QueryContext(ctx, sqlErasing, limit)
	return collect("find people to erase", rows, err, func(scan func(...any) error) (chatbox.Erasing, error) {
		var e chatbox.Erasing
		var at int64
		if err := scan(&e.User.Tenant, &e.User.ID, &at); err != nil {
			return e, err
		}
		e.At = record.Time(at)
		return e, nil
	})
}

// Disown removes the person's name from tombstones that need no more sweeps and
// from sessions assigned to the person. It returns how many of the person's
// tombstones remain.
func (m *Sessions) Disown(ctx context.Context, u chatbox.UserKey) (int64, error) {
	return doFor(ctx, m.s, "disown tombstones", smallWrite, func(ctx context.Context, tx *sql.Tx) (left int64, err error) {
		if _, err := tx.ExecContext(ctx, sqlDisown, u.Tenant, u.ID); err != nil {
			return 0, err
		}
		if _, err := tx.ExecContext(ctx, sqlUnassign, u.Tenant, u.ID); err != nil {
			return 0, err
		}
		err = tx.QueryRowContext(ctx, sqlOwned, u.Tenant, u.ID).Scan(&left)
		return left, err
	})
}

// EndErasure removes the mark unless a later time was marked meanwhile.
func (m *Sessions) EndErasure(ctx context.Context, e chatbox.Erasing) error {
	return m.s.do(ctx, "end erasing a person", smallWrite, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, sqlEndErasure, e.User.Tenant, e.User.ID, record.Millis(e.At))
		return err
	})
}
