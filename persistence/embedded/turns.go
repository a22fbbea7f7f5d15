package embedded

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"chatbox"
	"chatbox/persistence/internal/record"
)

// Turns stores which messages still need an answer.
type Turns struct{ s *Store }

// smallWrite is the approximate size, in bytes, of a write without a body.
const smallWrite = 256

// ClaimTurn counts one more claim of the pending turn of the message at seq, and
// returns the message with the updated turn. A turn that is not pending is
// returned unchanged. It returns chatbox.NotFound if there is no such message.
func (t *Turns) ClaimTurn(ctx context.Context, k chatbox.SessionKey, seq int64) (chatbox.Event, error) {
	return doFor(ctx, t.s, "claim a turn", smallWrite, func(ctx context.Context, tx *sql.Tx) (chatbox.Event, error) {
		if _, err := tx.StmtContext(ctx, t.s.stmts.claim).ExecContext(ctx, k.Tenant, k.ID, seq); err != nil {
			return chatbox.Event{}, err
		}
		row := tx.StmtContext(ctx, t.s.stmts.claimed).QueryRowContext(ctx, k.Tenant, k.ID, seq, seq)
		e, err := t.s.scanEvent(k, row.Scan)
		if errors.Is(err, sql.ErrNoRows) {
			err = &settled{record.NoEvent(k)}
		}
		return e, err
	})
}

// SettleTurn ends the generation's turn if that is still pending in the same run.
func (t *Turns) SettleTurn(ctx context.Context, k chatbox.SessionKey, g chatbox.Gen, to chatbox.TurnState) error {
	return t.s.do(ctx, "settle a turn", smallWrite, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.StmtContext(ctx, t.s.stmts.settle).ExecContext(ctx, string(to), k.Tenant, k.ID, g.Seq, g.Run)
		return err
	})
}

// RetryTurn makes the turn of a finished generation pending again, as the next
// run. It returns false if the turn is in another run by now.
func (t *Turns) RetryTurn(ctx context.Context, k chatbox.SessionKey, ended chatbox.Gen, from int64) (bool, error) {
	return doFor(ctx, t.s, "retry a turn", smallWrite, func(ctx context.Context, tx *sql.Tx) (bool, error) {
		return changed(tx.StmtContext(ctx, t.s.stmts.retry).ExecContext(ctx, from, k.Tenant, k.ID, ended.Seq, ended.Run))
	})
}

// PendingTurns returns the pending turns of messages with from ≤ time < before,
// over all sessions, oldest first.
func (t *Turns) PendingTurns(ctx context.Context, from, before time.Time, limit int) ([]chatbox.PendingTurn, error) {
	rows, err := t.s.stmts.pending.QueryContext(ctx, record.Millis(from), record.Millis(before), limit)
	return collect("find pending turns", rows, err, scanPending)
}

// PendingOf returns the session's pending turns with from ≤ seq ≤ to, by seq.
func (t *Turns) PendingOf(ctx context.Context, k chatbox.SessionKey, from, to int64, limit int) ([]chatbox.PendingTurn, error) {
	rows, err := t.s.stmts.pendingOf.QueryContext(ctx, k.Tenant, k.ID, from, to, limit)
	return collect("find a session's pending turns", rows, err, scanPending)
}

func scanPending(scan func(...any) error) (chatbox.PendingTurn, error) {
	var p chatbox.PendingTurn
	var at int64
	if err := scan(&p.Session.Tenant, &p.Session.ID, &p.Gen.Seq, &p.Gen.Run, &at, &p.At, &p.Claims); err != nil {
		return p, err
	}
	p.Since = time.UnixMilli(at).UTC()
	return p, nil
}
