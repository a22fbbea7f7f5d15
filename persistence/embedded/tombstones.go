package embedded

import (
	"context"
	"database/sql"
	"time"

	"chatbox"
	"chatbox/persistence/internal/record"
)

// Bury marks the session as erased at the given time and removes what people
// wrote from its row. A session that is buried already does not change. It
// returns chatbox.NotFound if there is no such session.
func (m *Sessions) Bury(ctx context.Context, k chatbox.SessionKey, at time.Time) error {
	err := m.s.do(ctx, "bury a session", smallWrite, func(ctx context.Context, tx *sql.Tx) error {
		done, err := tx.StmtContext(ctx, m.s.stmts.bury).ExecContext(ctx, k.Tenant, k.ID)
		if err != nil {
			return err
		}
		if n, err := done.RowsAffected(); err != nil || n == 0 {
			return err
		}
		if _, err = tx.ExecContext(ctx, sqlUnmark, k.Tenant, k.ID); err != nil {
			return err
		}
		if err := m.s.indexName(ctx, tx, k, nil); err != nil {
			return err
		}
		_, err = tx.StmtContext(ctx, m.s.stmts.entomb).ExecContext(ctx, k.Tenant, k.ID, record.Millis(at), record.Millis(at))
		return err
	})
	if err != nil {
		return err
	}
	_, err = m.Load(ctx, k)
	return err
}

// Unswept returns tombstones whose sweep was due before the given time, longest
// overdue first.
func (m *Sessions) Unswept(ctx context.Context, before time.Time, limit int) ([]chatbox.Tombstone, error) {
	const act = "find tombstones"
	rows, err := m.s.stmts.unswept.QueryContext(ctx, record.Millis(before), limit)
	return collect(act, rows, err, func(scan func(...any) error) (chatbox.Tombstone, error) {
		var t chatbox.Tombstone
		var at int64
		if err := scan(&t.Session.Tenant, &t.Session.ID, &at); err != nil {
			return t, err
		}
		t.At = record.Time(at)
		return t, nil
	})
}

// Sweep schedules the tombstone's next sweep; the zero time means none.
func (m *Sessions) Sweep(ctx context.Context, k chatbox.SessionKey, again time.Time) error {
	return m.s.do(ctx, "sweep a tombstone", smallWrite, func(ctx context.Context, tx *sql.Tx) error {
		if again.IsZero() {
			_, err := tx.StmtContext(ctx, m.s.stmts.swept).ExecContext(ctx, k.Tenant, k.ID)
			return err
		}
		_, err := tx.StmtContext(ctx, m.s.stmts.sweep).ExecContext(ctx, record.Millis(again), k.Tenant, k.ID)
		return err
	})
}
