package embedded

import (
	"context"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"time"

	"chatbox"
	"chatbox/persistence"
	"chatbox/persistence/internal/record"
)

// Shares stores the links by which anyone may read a session as it was at one
// moment.
type Shares struct{ s *Store }

// Add stores the share under its token. It returns chatbox.Full if the session
// has persistence.MaxShares unexpired shares.
func (m *Shares) Add(ctx context.Context, token string, sh chatbox.Share) error {
	const act = "add a share"
	id := hex.EncodeToString(m.s.keys.Digests(record.PurposeShare, token)[0])
	name, err := record.SealText(m.s.keys, sh.Session, record.PartShare+id, sh.Name)
	if err != nil {
		return record.Failed(act, err)
	}
	created, expires := record.Millis(sh.CreatedAt), record.Millis(sh.ExpiresAt)
	return m.s.do(ctx, act, smallWrite, func(ctx context.Context, tx *sql.Tx) error {
		var others int
		row := tx.StmtContext(ctx, m.s.stmts.countShares).QueryRowContext(ctx, sh.Session.Tenant, sh.Session.ID, created)
		if err := row.Scan(&others); err != nil {
			return err
		}
		if others >= persistence.MaxShares {
			return &settled{record.TooManyShares(persistence.MaxShares)}
		}
		_, err := tx.StmtContext(ctx, m.s.stmts.addShare).ExecContext(ctx,
			id, sh.Session.Tenant, sh.Session.ID, nullable(name), sh.Head, created, expires)
		return err
	})
}

// ByToken returns the share, even if it is expired, or chatbox.NotFound. It finds
// tokens whose digest was made under any of the keys.
func (m *Shares) ByToken(ctx context.Context, token string) (chatbox.Share, error) {
	const act = "find a share"
	digests := m.s.keys.Digests(record.PurposeShare, token)
	ids := make([]string, len(digests))
	for i, d := range digests {
		ids[i] = hex.EncodeToString(d)
	}
	wanted, err := json.Marshal(ids)
	if err != nil {
		return chatbox.Share{}, record.Failed(act, err)
	}
	var (
		sh               chatbox.Share
		id               string
		name             []byte
		created, expires int64
	)
	err = m.s.stmts.byToken.QueryRowContext(ctx, string(wanted)).
		Scan(&id, &sh.Session.Tenant, &sh.Session.ID, &name, &sh.Head, &created, &expires)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return chatbox.Share{}, record.NoShare()
	case err != nil:
		return chatbox.Share{}, record.Failed(act, err)
	}
	sh.CreatedAt, sh.ExpiresAt = record.Time(created), record.Time(expires)
	o := &record.Opener{Cipher: m.s.keys, Session: sh.Session}
	sh.Name, sh.Unreadable = o.Text(record.PartShare+id, name), o.Unreadable
	return sh, nil
}

// Revoke deletes all shares of the session.
func (m *Shares) Revoke(ctx context.Context, k chatbox.SessionKey) error {
	return m.s.do(ctx, "revoke shares", smallWrite, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.StmtContext(ctx, m.s.stmts.revoke).ExecContext(ctx, k.Tenant, k.ID)
		return err
	})
}

// Expire deletes the shares that expired before the given time, for all sessions.
func (m *Shares) Expire(ctx context.Context, before time.Time) error {
	return m.s.do(ctx, "expire shares", smallWrite, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.StmtContext(ctx, m.s.stmts.expire).ExecContext(ctx, record.Millis(before))
		return err
	})
}
