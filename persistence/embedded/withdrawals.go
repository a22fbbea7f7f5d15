package embedded

import (
	"context"
	"database/sql"
	"time"

	"chatbox"
	"chatbox/persistence/internal/record"
)

// Withdrawals stores withdrawals of credentials, one row per user. They are never
// deleted.
type Withdrawals struct{ s *Store }

// Keep stores the withdrawal. Of two withdrawals of one user the later one is
// stored.
func (m *Withdrawals) Keep(ctx context.Context, w chatbox.Withdrawal) error {
	return m.s.do(ctx, "keep a withdrawal", smallWrite, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.StmtContext(ctx, m.s.stmts.withdraw).ExecContext(ctx,
			w.User.Tenant, w.User.ID, record.Millis(w.Before), record.Millis(w.Until))
		return err
	})
}

// Kept returns up to limit withdrawals with since ≤ Before that follow the user
// after, in order of tenant and user.
func (m *Withdrawals) Kept(ctx context.Context, since time.Time, after chatbox.UserKey, limit int) ([]chatbox.Withdrawal, error) {
	const act = "read withdrawals"
	rows, err := m.s.stmts.withdrawn.QueryContext(ctx, record.Millis(since), after.Tenant, after.ID, limit)
	if err != nil {
		return nil, record.Failed(act, err)
	}
	defer rows.Close()
	var kept []chatbox.Withdrawal
	for rows.Next() {
		var w chatbox.Withdrawal
		var before, until int64
		if err := rows.Scan(&w.User.Tenant, &w.User.ID, &before, &until); err != nil {
			return nil, record.Failed(act, err)
		}
		w.Before, w.Until = time.UnixMilli(before).UTC(), time.UnixMilli(until).UTC()
		kept = append(kept, w)
	}
	if err := rows.Err(); err != nil {
		return nil, record.Failed(act, err)
	}
	return kept, nil
}
