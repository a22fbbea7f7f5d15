package embedded

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"chatbox"
	"chatbox/helpdesk"
	"chatbox/persistence/internal/record"
)

// Blocks stores the blocked users, one row per user.
type Blocks struct{ s *Store }

// Blocks returns the store of blocked users.
func (s *Store) Blocks() *Blocks { return &Blocks{s} }

// schemaBlocks stores 0 for a block that does not expire.
const schemaBlocks = `
CREATE TABLE IF NOT EXISTS blocks (
	tenant TEXT NOT NULL, user TEXT NOT NULL, reason BLOB, until INTEGER NOT NULL, at INTEGER NOT NULL, by TEXT NOT NULL,
	PRIMARY KEY (tenant, user)
) STRICT, WITHOUT ROWID;
`

const (
	sqlPutBlock = `INSERT INTO blocks (tenant, user, reason, until, at, by) VALUES (?, ?, ?, ?, ?, ?)
	ON CONFLICT DO UPDATE SET reason = excluded.reason, until = excluded.until, at = excluded.at, by = excluded.by`
	sqlLiftBlock = `DELETE FROM blocks WHERE tenant = ? AND user = ?`
	blockColumns = `tenant, user, reason, until, at, by`
	sqlBlockOf   = `SELECT ` + blockColumns + ` FROM blocks WHERE tenant = ? AND user = ?`
	sqlBlocks    = `SELECT ` + blockColumns + ` FROM blocks WHERE tenant = ? AND user > ? AND (until = 0 OR until > ?) ORDER BY user LIMIT ?`
	sqlAllBlocks = `SELECT tenant, user, NULL, until, at, by FROM blocks`
	sqlOver      = `DELETE FROM blocks WHERE until <> 0 AND until <= ?`
	sqlForget    = `DELETE FROM blocks WHERE tenant = ? AND user = ? AND at <= ?`
	sqlNobodys   = `UPDATE blocks SET by = '' WHERE tenant = ? AND by = ? AND at <= ?`
)

// PutBlock blocks the user, or replaces the block.
func (m *Blocks) PutBlock(ctx context.Context, b helpdesk.Block) error {
	const act = "keep a block"
	box, err := record.SealText(m.s.keys, chatbox.SessionKey(b.User), record.PartBlock, b.Reason)
	if err != nil {
		return record.Failed(act, err)
	}
	return m.exec(ctx, act, sqlPutBlock, b.User.Tenant, b.User.ID, nullable(box), endOf(b.Until), record.Millis(b.At), b.By)
}

// LiftBlock unblocks the user.
func (m *Blocks) LiftBlock(ctx context.Context, u chatbox.UserKey) error {
	return m.exec(ctx, "lift a block", sqlLiftBlock, u.Tenant, u.ID)
}

// BlockOf returns the user's block, or chatbox.NotFound.
func (m *Blocks) BlockOf(ctx context.Context, u chatbox.UserKey) (helpdesk.Block, error) {
	b, err := m.scan(m.s.reader.QueryRowContext(ctx, sqlBlockOf, u.Tenant, u.ID).Scan)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return helpdesk.Block{}, chatbox.NewError(chatbox.NotFound, "no such block", nil)
	case err != nil:
		return helpdesk.Block{}, record.Failed("read a block", err)
	}
	return b, nil
}

// PageBlocks lists a tenant's blocks in order of user id.
func (m *Blocks) PageBlocks(ctx context.Context, q helpdesk.BlockQuery) ([]helpdesk.Block, error) {
	return m.query(ctx, sqlBlocks, q.Tenant, q.After, record.Millis(q.Now), q.Limit)
}

// AllBlocks returns the blocks of all tenants, without reasons, including expired
// ones.
func (m *Blocks) AllBlocks(ctx context.Context) ([]helpdesk.Block, error) {
	return m.query(ctx, sqlAllBlocks)
}

// ForgetOver deletes expired blocks.
func (m *Blocks) ForgetOver(ctx context.Context, now time.Time) error {
	return m.exec(ctx, "forget blocks", sqlOver, record.Millis(now))
}

// ForgetBlocks deletes the person's own block, and removes the person's name from
// the blocks that they had made by the given time.
func (m *Blocks) ForgetBlocks(ctx context.Context, u chatbox.UserKey, by time.Time) error {
	return m.s.do(ctx, "forget a person's blocks", smallWrite, func(ctx context.Context, tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, sqlForget, u.Tenant, u.ID, record.Millis(by)); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, sqlNobodys, u.Tenant, u.ID, record.Millis(by))
		return err
	})
}

func (m *Blocks) exec(ctx context.Context, act, text string, args ...any) error {
	return m.s.do(ctx, act, smallWrite, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, text, args...)
		return err
	})
}

func (m *Blocks) query(ctx context.Context, text string, args ...any) ([]helpdesk.Block, error) {
	const act = "list blocks"
	rows, err := m.s.reader.QueryContext(ctx, text, args...)
	return collect(act, rows, err, m.scan)
}

func (m *Blocks) scan(scan func(...any) error) (b helpdesk.Block, err error) {
	var box []byte
	var until, at int64
	if err := scan(&b.User.Tenant, &b.User.ID, &box, &until, &at, &b.By); err != nil {
		return b, err
	}
	b.At = record.Time(at)
	if until != 0 {
		b.Until = record.Time(until)
	}
	o := &record.Opener{Cipher: m.s.keys, Session: chatbox.SessionKey(b.User)}
	b.Reason, b.Unreadable = o.Text(record.PartBlock, box), o.Unreadable
	return b, nil
}

// endOf returns 0 for a block that does not expire.
func endOf(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return record.Millis(t)
}
